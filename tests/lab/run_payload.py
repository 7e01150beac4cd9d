#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run payloads under KVM, inside the lab.

usage: run_payload.py CBIT PAYLOAD[,NAME=VALUE...]...

Each is run with our own QEMU; what it reports is printed below a line
`== PAYLOAD...`.  Options: cpus, policy, slots=4 for RAM that is four blocks,
of which each has memory slots of its own, dimm=1 for more of it to unplug, and
qemu=plain for the one of `make plain`, which has no counters to compare with.
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/guest'))
# pylint: disable=wrong-import-position
from payload import BUILD, Host, MIB, Monitor  # noqa: E402

# Unpatched QEMU is run to see it hang.
LIMITS = {'ours': 180, 'plain': 5}
# Sizes of the blocks of RAM in MiB, all of them different: memfds are known
# by them.  Blocks end inside the area that payloads convert, at 16 MiB.
BLOCKS = {1: [64], 4: [16, 1, 2, 45]}
DIMM_MIB = 128
QEMUS = {'ours': BUILD / 'qemu-system-x86_64',
         'plain': BUILD / 'plain/build/qemu-system-x86_64'}
FAILS = pathlib.Path('/dev/shm/discard-fails')
# What QEMU has to say where it stops a guest.
STOPS = {
    'stuck_alternating': ('used 0x1000000 +0x1000', 'as private and as shared',
                          'without executing an instruction'),
    'stuck_mmio': ('used memory as private', '0x20000000 is nothing'),
}


class KvmHost(Host):
    """As for SNP payloads, but explicit conversions are hypercalls."""

    CAUSES = ('hypercall', 'fault')

    def __init__(self, guest):
        super().__init__(guest.process.pid, guest.monitor,
                         guest.options.get('policy'),
                         guest.blocks[0] * MIB, None)
        self.guest = guest
        self.parts = []
        start = 0
        for mib in guest.blocks:
            part = self if not start else Host(
                guest.process.pid, guest.monitor, None, mib * MIB, None)
            self.parts.append((start, part.shared, mib * MIB))
            start += mib * MIB

    def pieces(self, start, size):
        """Yield descriptor, offset and size of each block's part."""
        for begin, shared, length in self.parts:
            low = max(start, begin)
            high = min(start + size, begin + length)
            if low < high:
                yield shared, low - begin, high - low

    def read(self, start, size):
        return b''.join(os.pread(shared, length, offset) for
                        shared, offset, length in self.pieces(start, size))

    def write(self, start, data):
        for shared, offset, length in self.pieces(start, len(data)):
            os.pwrite(shared, data[:length], offset)
            data = data[length:]

    def faults(self):
        """Faults that guest accesses have taken, as KVM counts them."""
        found = self.monitor.command(
            'query-stats', target='vcpu',
            providers=[{'provider': 'kvm', 'names': ['pf_taken']}])
        return sum(entry['stats'][0]['value'] for entry in found)

    def private_bytes(self):
        info = self.monitor.command('query-upm')
        return sum(block['private-bytes'] for block in info['blocks'])

    def unplugged(self, dimm):
        """Is a DIMM gone?  The memory behind it goes with the last user."""
        backend = f'ram-dimm{dimm}'
        ends = time.monotonic() + 10
        while self.monitor.command('query-memory-devices'):
            if time.monotonic() > ends:
                return f'DIMM {dimm} is still there'
            time.sleep(0.01)
        self.monitor.command('object-del', id=backend)
        while backend in [block['id'] for block in
                          self.monitor.command('query-upm')['blocks']]:
            if time.monotonic() > ends:
                return f'memory of DIMM {dimm} is still there'
            time.sleep(0.01)
        return None

    def plug(self, dimm):
        self.monitor.command('object-add', id=f'ram-dimm{dimm}',
                             size=DIMM_MIB * MIB, **{
                                 'qom-type': 'memory-backend-memfd-private'})
        self.monitor.command('device_add', driver='pc-dimm',
                             id=f'dimm{dimm}', memdev=f'ram-dimm{dimm}')

    def between(self, low, high):
        """Faults since the mark are within limits; sets a new mark."""
        now = self.faults()
        taken, self.mark_of_faults = now - self.mark_of_faults, now
        if not low <= taken <= high:
            return f'{taken} faults, not {low} to {high}'
        return None

    def pre_faulted(self, gpa, size):
        """What the trace has since the last look is one call, or none."""
        wanted = [f'upm_kvm_pre_fault cpu 0 {gpa:#x} +{size:#x}, 0x0 left: 0'] \
            if size else []
        found = self.guest.new_trace()
        if found != wanted:
            return f'traced {found}, not {wanted}'
        return None

    def serve(self, verb, gpa, size, value):
        wrong = None
        if verb == 'faults-mark':
            self.mark_of_faults = self.faults()
        elif verb == 'faults':
            wrong = self.between(gpa, size)
        elif verb == 'pre-faulted':
            wrong = self.pre_faulted(gpa, size)
        elif verb == 'private':
            found = self.private_bytes()
            if found != gpa:
                wrong = f'{found:#x} bytes are private, not {gpa:#x}'
        elif verb == 'plug':
            self.plug(gpa)
        elif verb == 'unplug':
            self.monitor.command('device_del', id=f'dimm{gpa}')
        elif verb == 'unplugged':
            wrong = self.unplugged(gpa)
        else:
            wrong = super().serve(verb, gpa, size, value)
        return wrong


class PlainHost(KvmHost):
    """Unpatched QEMU: nobody counts."""

    def serve(self, verb, *numbers):
        if verb in ('mark', 'counted', 'private'):
            return None
        return super().serve(verb, *numbers)


def objects(qemu, policy):
    """The types of RAM and guest, with their options."""
    if qemu == 'plain':
        return 'memory-backend-memfd,share=on', 'pef-guest'
    return (f'memory-backend-memfd-private,discard={policy}',
            'sw-protected-guest')


def arguments(payload, cpus=1, policy='both', blocks=(64,), qemu='ours',
              dimm=0):
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
    words = [QEMUS[qemu], '-accel', 'kvm', '-machine', machine,
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


def set_failing(fails):
    """Let fail-discard.so, which QEMU is run with, do its work or not."""
    if fails:
        FAILS.touch()
    else:
        FAILS.unlink(missing_ok=True)


class Guest:
    """QEMU with a payload, from its start to its end."""

    def __init__(self, payload, cbit, options):
        self.payload = payload
        self.cbit = cbit
        self.options = options
        self.blocks = BLOCKS[options.pop('slots', 1)]
        self.monitor = Monitor()
        self.host = None
        self.boots = 0
        set_failing(False)
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
                 *self.monitor.arguments()],
                env=dict(os.environ, LAB_FAIL=FAILS,
                         LD_PRELOAD=BUILD / 'lab/fail-discard.so'),
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=messages,
                pass_fds=[theirs.fileno(), self.monitor.theirs.fileno()])

    def new_trace(self):
        """Lines of the trace since the last look, without their times."""
        text = self.trace.read_text() if self.trace.exists() else ''
        found = text[self.traced:]
        self.traced = len(text)
        return [line[line.index('upm_'):] for line in found.splitlines()]

    def stopped(self):
        """Wait until QEMU stops the guest; None, or what is wrong then."""
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            state = self.monitor.command('query-status')['status']
            if state == 'internal-error':
                break
            time.sleep(0.05)
        said = self.messages.read_text()
        # its answer may be lost, the payload's end is what counts
        self.monitor.command('quit')
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
            set_failing(numbers[0])
            return ord('.'), None
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
        killer = threading.Timer(LIMITS[self.options.get('qemu', 'ours')],
                                 self.process.kill)
        killer.start()
        try:
            for line in self.ours.makefile(errors='replace'):
                line = line.strip('\0\n ')
                if line.startswith('@'):
                    self.serve(line)
                else:
                    print(line, flush=True)
        except BrokenPipeError:
            pass
        finally:
            status = self.process.wait()
            killer.cancel()
            if self.host:
                self.host.close()
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
        for name in options.keys() & {'cpus', 'slots', 'dimm'}:
            options[name] = int(options[name])
        began = time.monotonic()
        print(f'== {word}', flush=True)
        Guest(payload, int(sys.argv[1]), options).run()
        print(f'# {time.monotonic() - began:.2f} s', flush=True)


if __name__ == '__main__':
    main()
