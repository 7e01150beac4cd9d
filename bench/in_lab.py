#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure conversions under KVM, inside the lab (tests/lab/lab.py), or those
of SNP guests inside the emulated SNP host (tests/host/l1.py).

usage: in_lab.py CBIT RUNS SIDE[,NAME=VALUE...]...

Runs each side in turn, RUNS times, and prints what it measured, a line of
JSON each.  SIDE is one of ours, plain (unpatched QEMU), vm (the same with a VM
of the ordinary type) and probe (the least that a VMM can do), its options are
payload, policy, prefault, cpus, size in MiB, until (the figure that is enough)
and watch=1 to ask the monitor meanwhile, for how long it waits at most (in us).
SNP guests are those of ours-snp and plain-snp.
"""
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(TOP / 'tests' / name)
             for name in ('lab', 'guest', 'functional', 'host')]
# pylint: disable=wrong-import-position
import l2  # noqa: E402
from watch import Watch  # noqa: E402

BUILD = pathlib.Path(os.environ.get('UPM_BUILD', TOP / 'build'))
QEMUS = {'ours': BUILD / 'qemu-system-x86_64',
         'plain': BUILD / 'plain/build/qemu-system-x86_64',
         'vm': BUILD / 'plain/build/qemu-system-x86_64'}
OBJECTS = {'ours': ('memory-backend-memfd-private,discard={}',
                    'sw-protected-guest'),
           'plain': ('memory-backend-memfd,share=on', 'pef-guest'),
           'vm': ('memory-backend-memfd,share=on', '')}
LIMIT = 300


def qemu(side, payload, policy, size, cpus, prefault):
    """QEMU and its arguments."""
    memory, guest = (name.format(policy) for name in OBJECTS[side])
    if prefault:
        guest += f',pre-fault={prefault}'
    protection = ['-machine', 'confidential-guest-support=guest',
                  '-object', f'{guest},id=guest'] if guest else []
    return [QEMUS[side], '-accel', 'kvm', '-cpu', 'host',
            '-machine', 'q35,memory-backend=ram', *protection,
            '-object', f'{memory},id=ram,size={size}M,reserve=off',
            '-m', f'{size}M', '-smp', cpus, '-nodefaults', '-display', 'none',
            '-no-reboot', '-bios', payload,
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=4']


def snp_qemu(side, payload):
    """The same for an SNP guest, which has one port for both directions."""
    qemu = QEMUS[side.removesuffix('-snp')]
    return [qemu, '-display', 'none', '-no-reboot',
            *l2.payload_words(payload, qemu)]


def resident():
    """Bytes in files' pages; a guest_memfd shows nowhere else."""
    text = pathlib.Path('/proc/vmstat').read_text(encoding='ascii')
    pages = int(re.search(r'^nr_file_pages (\d+)', text, re.M).group(1))
    return pages * os.sysconf('SC_PAGE_SIZE')


class Guest:
    """A payload in QEMU, and what it says."""

    def __init__(self, words, cbit, watched, one_port=False):
        self.cbit = cbit
        self.watch = Watch(self.silent) if watched else None
        watch = self.watch.arguments() if watched else []
        inherited = [self.watch.monitor.theirs.fileno()] if watched else []
        self.figures = {}
        self.port, port = socket.socketpair()
        self.out, out = self.port, port
        console = []
        if not one_port:
            self.out, out = socket.socketpair()
            console = ['-chardev', f'socket,id=out,fd={out.fileno()}',
                       '-device', 'isa-debugcon,iobase=0x402,chardev=out']
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*words, *console,
             '-chardev', f'socket,id=port,fd={port.fileno()}',
             '-serial', 'chardev:port', *watch],
            pass_fds=[out.fileno(), port.fileno(), *inherited])
        out.close()
        port.close()
        if watched:
            self.watch.monitor.started()

    def silent(self, why):
        """QEMU does not answer any more."""
        print(why, file=sys.stderr)
        self.process.kill()

    def lines(self):
        """Lines of output, until QEMU ends or time is up."""
        ends = self.began + LIMIT
        text = b''
        while select.select([self.out], [], [], ends - time.monotonic())[0]:
            found = self.out.recv(4096)
            if not found:
                return
            text += found
            *lines, text = text.split(b'\n')
            yield from (line.decode().rstrip() for line in lines)
        self.process.kill()

    def serve(self, line):
        """Answer a request; keep a figure."""
        verb = line.split(' ')
        if verb[0] == '@cbit':
            self.figures['started'] = time.monotonic() - self.began
            self.port.send(bytes([self.cbit]))
        elif verb[0] == '@resident':
            self.figures['resident'] = resident()
            self.port.send(b'.')
        elif verb[0] == '@watch-monitor':
            if self.watch:
                self.watch.begin()
            self.port.send(b'.')
        elif verb[0] == '@monitor-waited':
            if self.watch:
                waited, _ = self.watch.look()
                self.figures['monitor-wait'] = round(waited * 1e6)
            self.port.send(b'.')
        elif len(verb) == 3:
            self.figures[verb[1]] = int(verb[2], 16)

    def run(self, until=None):
        """Run it to its end, or until a figure is there; return all."""
        for line in self.lines():
            self.serve(line)
            if until in self.figures:
                self.process.kill()
        self.process.wait()
        if self.watch:
            self.watch.close()
        if 'resident' in self.figures:
            self.figures['resident'] -= resident()
        return self.figures


def probe(payload, policy, cbit):
    """What the same payload measures of the bare calls."""
    done = subprocess.run([BUILD / 'bench/probe', payload, str(cbit), policy],
                          check=True, stdout=subprocess.PIPE, text=True,
                          timeout=LIMIT)
    return {name: int(value, 16) for name, value in
            re.findall(r'^# (\S+) (0x\w+)$', done.stdout, re.M)}


def measure(cbit, side, payload='convert', policy='both', size='64',
            cpus='1', prefault='', until=None, watch=''):
    """Run one side once."""
    if side.endswith('-snp'):
        return Guest(snp_qemu(side, payload), cbit, False, True).run(until)
    image = BUILD / f'lab/{payload}.bin'
    if side == 'probe':
        return probe(image, policy, cbit)
    words = qemu(side, image, policy, size, cpus, prefault)
    return Guest(words, cbit, bool(watch)).run(until)


def main():
    cbit, runs, *sides = sys.argv[1:]
    for _ in range(int(runs)):
        for word in sides:
            side, *options = word.split(',')
            figures = measure(int(cbit), side,
                              **dict(option.split('=') for option in options))
            print(json.dumps({'side': word, **figures}), flush=True)


if __name__ == '__main__':
    main()
