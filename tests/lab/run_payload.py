#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run payloads under KVM, inside the lab.

usage: run_payload.py CBIT PAYLOAD[,NAME=VALUE...]...

Each is run with our own QEMU; what it reports is printed below a line
`== PAYLOAD...`.  Options: cpus, policy, size of RAM in MiB, slots=4 for RAM
that is four blocks, of which each has memory slots of its own, dimm=1 for more
of it to unplug, ring=1 for a ring of dirty pages, limit in seconds, and
qemu=plain for the one of `make plain`, which has no counters to compare with.
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / 'tests' / name)
                for name in ('functional', 'guest', 'lab')]
# pylint: disable=wrong-import-position
from kvm_host import DIMM_MIB, LIMIT, KvmHost, PlainHost  # noqa: E402
from patience import Killer  # noqa: E402
from payload import BUILD, Monitor  # noqa: E402
from watch import Watch  # noqa: E402

# Sizes of the blocks of RAM in MiB, all of them different: memfds are known
# by them.  Blocks end inside the area that payloads convert, at 16 MiB.
BLOCKS = {1: [64], 4: [16, 1, 2, 45]}
QEMUS = {'ours': BUILD / 'qemu-system-x86_64',
         'plain': BUILD / 'plain/build/qemu-system-x86_64'}
FAILS = pathlib.Path('/dev/shm/fails')
# What QEMU has to say where it stops a guest.
STOPS = {
    'stuck_alternating': ('used 0x1000000 +0x1000', 'as private and as shared',
                          'without executing an instruction'),
    'stuck_mmio': ('used memory as private', '0x20000000 is nothing'),
}


def objects(qemu, policy):
    """The types of RAM and guest, with their options."""
    if qemu == 'plain':
        return 'memory-backend-memfd,share=on', 'pef-guest'
    return (f'memory-backend-memfd-private,discard={policy}',
            'sw-protected-guest')


def arguments(payload, cpus=1, policy='both', blocks=(64,), qemu='ours',
              dimm=0, ring=0):
    """QEMU and its arguments, without the ports to the payload."""
    memory, guest = objects(qemu, policy)
    machine = 'q35,confidential-guest-support=guest'
    backends = []
    for i, mib in enumerate(blocks):
        backends += ['-object', f'{memory},id=ram{i},size={mib}M']
        if len(blocks) > 1:
            backends += ['-numa', f'node,nodeid={i},memdev=ram{i}']
    if len(blocks) == 1:
        machine += ',memory-backend=ram0'
    accel = 'kvm,dirty-ring-size=4096' if ring else 'kvm'
    words = [QEMUS[qemu], '-accel', accel, '-machine', machine,
             '-cpu', 'host', *backends,
             '-object', f'{guest},id=guest', '-smp', str(cpus),
             '-m', f'{sum(blocks)}M,slots=2,maxmem=1G',
             '-nodefaults', '-display', 'none',
             '-bios', str(BUILD / f'lab/{payload}.bin'),
             '-device', 'isa-debug-exit,iobase=0xf4,iosize=4']
    if dimm:
        words += ['-object', f'{memory},id=ram-dimm0,size={DIMM_MIB}M',
                  '-device', 'pc-dimm,id=dimm0,memdev=ram-dimm0']
    if payload == 'devices':
        words += ['-device', 'bochs-display,addr=5,vgamem=4M,'
                  f'romfile={rom_file()}']
    if payload != 'reset':
        words += ['-no-reboot']
    return words


def rom_file():
    """An option ROM, of which only the signature is looked at."""
    path = pathlib.Path(tempfile.gettempdir()) / 'lab.rom'
    path.write_bytes(b'\x55\xaa' + bytes(4094))
    return path


def set_failing(what, gpa=0):
    """Let fail.so, which QEMU is run with, do its work or not."""
    new = FAILS.with_suffix('.new')
    new.write_text(('', 'discard', f'mark {gpa:x}')[what])
    new.rename(FAILS)


class Guest:
    """QEMU with a payload, from its start to its end."""

    def __init__(self, payload, cbit, options):
        self.payload = payload
        self.cbit = cbit
        self.options = options
        self.blocks = BLOCKS[options.pop('slots', 1)]
        if 'size' in options:
            self.blocks = [options.pop('size')]
        self.limit = options.pop('limit', LIMIT)
        self.monitor = Monitor()
        self.watch = Watch(self.silent)
        self.host = None
        self.boots = 0
        set_failing(0)
        folder = pathlib.Path(tempfile.mkdtemp())
        self.trace = folder / 'trace'
        self.traced = 0
        self.messages = folder / 'messages'
        self.ours, theirs = socket.socketpair()
        words = arguments(payload, blocks=self.blocks, **options)
        if payload == 'prefault':
            words += ['-trace', 'upm_kvm_pre_fault', '-D', str(self.trace)]
        with theirs, self.messages.open('w') as messages:
            self.process = subprocess.Popen(
                [*words, '-serial', 'stdio',
                 '-chardev', f'socket,id=out,fd={theirs.fileno()}',
                 '-device', 'isa-debugcon,iobase=0x402,chardev=out',
                 *self.monitor.arguments(), *self.watch.arguments()],
                env=dict(os.environ, LAB_FAIL=FAILS,
                         LD_PRELOAD=BUILD / 'lab/fail.so'),
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=messages,
                pass_fds=[theirs.fileno(), self.monitor.theirs.fileno(),
                          self.watch.monitor.theirs.fileno()])
        self.monitor.started()
        self.watch.monitor.started()

    def say(self, text):
        """A comment in what the payload reports."""
        print('# ' + text.replace('\n', ' '), flush=True)

    def silent(self, why):
        """QEMU does not answer any more."""
        print(f'not ok monitor-answers: {why}', flush=True)
        self.process.kill()

    def new_trace(self):
        """Lines of the trace since the last look, without their times."""
        text = self.trace.read_text() if self.trace.exists() else ''
        found = text[self.traced:]
        self.traced = len(text)
        return [line[line.index('upm_'):] for line in found.splitlines()]

    def stopped(self):
        """Wait until QEMU stops the guest; None, or what is wrong then."""
        ends = time.monotonic() + LIMIT / 4
        while time.monotonic() < ends:
            state = self.monitor.command('query-status')['status']
            if state == 'internal-error':
                break
            time.sleep(0.05)
        said = self.messages.read_text()
        try:
            self.monitor.command('quit')
        except ConnectionError:
            # its answer may be lost, the payload's end is what counts
            pass
        missing = [words for words in ('guest stopped: ',
                                       *STOPS[self.payload])
                   if words not in said]
        if state != 'internal-error' or missing:
            return f'state {state}, no {missing} in: {said}'
        return None

    def answer(self, verb, numbers):
        """Do what a payload asks for; the byte to send and what is wrong."""
        kind = PlainHost if 'qemu' in self.options else KvmHost
        self.host = self.host or kind(self)
        if verb == 'cbit':
            return self.cbit, None
        if verb == 'policy':
            return ord(self.host.policy[0]), None
        if verb == 'cpus':
            return self.options.get('cpus', 1), None
        if verb == 'boots':
            self.boots += 1
            return self.boots, None
        if verb == 'fails':
            set_failing(*numbers[:2])
            return ord('.'), None
        if verb == 'watch-monitor':
            self.watch.begin()
            return ord('.'), None
        if verb == 'monitor-waited':
            waited, passed = self.watch.look()
            self.say(f'monitor-wait {waited:.3f} of {passed:.3f} s')
            return min(100, round(100 * waited / passed)), None
        if verb == 'monitor-answered':
            return ord('.'), None if self.watch.answers else 'nothing was asked'
        try:
            return ord('.'), self.host.serve(verb, *numbers)
        except RuntimeError as error:
            return ord('.'), f'{verb}: {error}'

    def serve(self, line):
        verb, name, *numbers = line[1:].split(' ')
        byte, wrong = self.answer(verb, [int(n, 16) for n in numbers]) \
            if verb != 'stops' else (ord('.'), None)
        self.process.stdin.write(bytes([byte]))
        self.process.stdin.flush()
        if verb == 'stops':
            wrong = self.stopped()
        elif name == '-' and not wrong:
            return
        name = verb if name == '-' else name
        print(f'not ok {name}: {wrong}' if wrong else f'ok {name}', flush=True)
        if verb == 'stops':
            print('# finished')

    def run(self):
        """Serve the payload until QEMU ends, and print what it reports."""
        killer = Killer(self.limit, self.process)
        try:
            for line in self.ours.makefile(errors='replace'):
                line = line.strip('\0\n ')
                if line.startswith('@'):
                    self.serve(line)
                else:
                    print(line, flush=True)
        except ConnectionError as error:
            self.say(str(error))
        finally:
            status = self.process.wait()
            killer.cancel()
            if self.host:
                self.host.close()
            self.watch.close()
            self.monitor.close()
        print(f'# status {status}')
        for line in self.messages.read_text().splitlines():
            print(f'# {line}')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for word in sys.argv[2:]:
        payload, *options = word.split(',')
        options = dict(option.split('=') for option in options)
        for name in options.keys() & {'cpus', 'slots', 'size', 'dimm', 'ring',
                                      'limit'}:
            options[name] = int(options[name])
        began = time.monotonic()
        print(f'== {word}', flush=True)
        Guest(payload, int(sys.argv[1]), options).run()
        print(f'# {time.monotonic() - began:.2f} s', flush=True)


if __name__ == '__main__':
    main()
