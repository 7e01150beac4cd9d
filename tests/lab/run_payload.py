#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run payloads under KVM, inside the lab.

usage: run_payload.py CBIT PAYLOAD[,NAME=VALUE...]...

Each is run with our own QEMU; what it reports is printed below a line
`== PAYLOAD...`.  Options: cpus, policy, and slots=4 for memory in four slots.
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

LIMIT = 60
SIZE_MIB = 64
QEMU = os.environ.get('LAB_QEMU', str(BUILD / 'qemu-system-x86_64'))


class KvmHost(Host):
    """As for SNP payloads, but explicit conversions are hypercalls."""

    CAUSES = ('hypercall', 'fault')


def arguments(payload, cpus=1, policy='both', slots=1):
    """QEMU's arguments, without the ports to the payload."""
    machine = 'q35,confidential-guest-support=guest,memory-backend=ram0'
    if slots > 1:
        machine += f',max-ram-below-4g={SIZE_MIB // 2}M'
    return ['-accel', 'kvm', '-machine', machine, '-cpu', 'host',
            '-object', 'memory-backend-memfd-private,id=ram0,'
            f'size={SIZE_MIB}M,discard={policy}',
            '-object', 'sw-protected-guest,id=guest',
            '-m', f'{SIZE_MIB}M', '-smp', str(cpus), '-nodefaults',
            '-display', 'none', '-no-reboot',
            '-bios', str(BUILD / f'lab/{payload}.bin'),
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=4']


def answer(line, host, cbit):
    """Do what a payload asks for; the byte to send and a line to print."""
    verb, name, *numbers = line[1:].split(' ')
    if verb == 'cbit':
        return bytes([cbit]), None
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
        [QEMU, *arguments(payload, **options), '-serial', 'stdio',
         '-chardev', f'socket,id=out,fd={theirs.fileno()}',
         '-device', 'isa-debugcon,iobase=0x402,chardev=out',
         *monitor.arguments()],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno(), monitor.theirs.fileno()])
    theirs.close()
    killer = threading.Timer(LIMIT, process.kill)
    killer.start()
    host = None
    try:
        for line in ours.makefile(errors='replace'):
            line = line.strip()
            if not line.startswith('@'):
                print(line, flush=True)
                continue
            if host is None:
                host = KvmHost(process.pid, monitor, options.get('policy'),
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
        for name in options.keys() & {'cpus', 'slots'}:
            options[name] = int(options[name])
        began = time.monotonic()
        print(f'== {word}', flush=True)
        run(int(sys.argv[1]), payload, **options)
        print(f'# {time.monotonic() - began:.2f} s', flush=True)


if __name__ == '__main__':
    main()
