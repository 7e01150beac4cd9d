#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run payloads under KVM, inside the lab.

usage: run_payload.py CBIT PAYLOAD[,NAME=VALUE...]...

Each is run with our own QEMU; what it reports is printed below a line
`== PAYLOAD...`.  Options: cpus, policy, slots=4 for memory in four slots,
dimm=1 for more of it to unplug, and
qemu=plain for the one of `make plain`, which has no counters to compare with.
"""
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/guest'))
# pylint: disable=wrong-import-position
from payload import BUILD, Host, Monitor  # noqa: E402

# Unpatched QEMU is run to see it hang.
LIMITS = {'ours': 60, 'plain': 8}
SIZE_MIB = 64
QEMUS = {'ours': BUILD / 'qemu-system-x86_64',
         'plain': BUILD / 'plain/build/qemu-system-x86_64'}
FAILS = pathlib.Path('/dev/shm/discard-fails')


class KvmHost(Host):
    """As for SNP payloads, but explicit conversions are hypercalls."""

    CAUSES = ('hypercall', 'fault')


class PlainHost(KvmHost):
    """Unpatched QEMU: nobody counts."""

    def serve(self, verb, *numbers):
        if verb in ('mark', 'counted'):
            return None
        return super().serve(verb, *numbers)


def objects(qemu, policy):
    """The types of RAM and guest, with their options."""
    if qemu == 'plain':
        return 'memory-backend-memfd,share=on', 'pef-guest'
    return (f'memory-backend-memfd-private,discard={policy}',
            'sw-protected-guest')


def arguments(payload, cpus=1, policy='both', slots=1, qemu='ours',
              dimm=0):
    """QEMU and its arguments, without the ports to the payload."""
    memory, guest = objects(qemu, policy)
    machine = 'q35,confidential-guest-support=guest,memory-backend=ram0'
    if slots > 1:
        machine += f',max-ram-below-4g={SIZE_MIB // 2}M'
    hotplug = []
    if dimm:
        hotplug = ['-object', f'{memory},id=ram1,size=128M',
                   '-device', 'pc-dimm,id=dimm,memdev=ram1']
    return [QEMUS[qemu], '-accel', 'kvm', '-machine', machine, '-cpu', 'host',
            '-object', f'{memory},id=ram0,size={SIZE_MIB}M',
            '-object', f'{guest},id=guest',
            '-m', f'{SIZE_MIB}M,slots=4,maxmem=1G', '-smp', str(cpus), '-nodefaults',
            '-display', 'none', '-no-reboot',
            '-bios', str(BUILD / f'lab/{payload}.bin'),
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', *hotplug]


def set_failing(fails):
    """Let fail-discard.so, which QEMU is run with, do its work or not."""
    if fails:
        FAILS.touch()
    else:
        FAILS.unlink(missing_ok=True)


def answer(line, host, cbit):
    """Do what a payload asks for; the byte to send and a line to print."""
    verb, name, *numbers = line[1:].split(' ')
    if verb == 'cbit':
        return bytes([cbit]), None
    if verb == 'fails':
        set_failing(int(numbers[0], 16))
        return b'.', None
    if verb == 'policy':
        return host.policy[:1].encode(), None
    wrong = host.serve(verb, *(int(number, 16) for number in numbers))
    if name == '-' and not wrong:
        return b'.', None
    name = verb if name == '-' else name
    return b'.', f'not ok {name}: {wrong}' if wrong else f'ok {name}'


def run(cbit, payload, **options):
    """Run one payload and print what it reports."""
    ours, theirs = socket.socketpair()
    monitor = Monitor()
    process = subprocess.Popen(
        [*arguments(payload, **options), '-serial', 'stdio',
         '-chardev', f'socket,id=out,fd={theirs.fileno()}',
         '-device', 'isa-debugcon,iobase=0x402,chardev=out',
         *monitor.arguments()],
        env=dict(os.environ, LAB_FAIL=FAILS,
                 LD_PRELOAD=BUILD / 'lab/fail-discard.so'),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno(), monitor.theirs.fileno()])
    theirs.close()
    set_failing(False)
    killer = threading.Timer(LIMITS[options.get('qemu', 'ours')],
                             process.kill)
    killer.start()
    host = None
    try:
        for line in ours.makefile(errors='replace'):
            line = line.strip('\0\n ')
            if not line.startswith('@'):
                print(line, flush=True)
                continue
            if host is None:
                kind = PlainHost if 'qemu' in options else KvmHost
                host = kind(process.pid, monitor, options.get('policy'),
                            SIZE_MIB << 20, None)
            byte, said = answer(line, host, cbit)
            if said:
                print(said, flush=True)
            process.stdin.write(byte)
            process.stdin.flush()
    except BrokenPipeError:
        pass
    finally:
        status = process.wait()
        killer.cancel()
        if host:
            host.close()
        monitor.close()
    print(f'# status {status}')


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
        run(int(sys.argv[1]), payload, **options)
        print(f'# {time.monotonic() - began:.2f} s', flush=True)


if __name__ == '__main__':
    main()
