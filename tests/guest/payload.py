# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a bare-metal SNP payload and collect what it reports.

usage: payload.py [--kind=sev|es|snp] [--mode=on|off|auto]
                  [--hypervisor=kvm|specification] PAYLOAD [POLICY]
                  [QEMU-ARGUMENT...]

Without options it runs as an SNP guest.  The mode is that of private memory,
upm-mode, for the kinds that can do without; the hypervisor ends the guest
where KVM would, or does not.

A payload prints lines to the first serial port:

    ok NAME
    not ok NAME: expected 0x.. found 0x..
    skip NAME: why
    @VERB NAME GPA SIZE VALUE       asks the host to do or check something
    # anything                      comment

and ends by isa-debug-exit, with status 33 where all went well.  See snp.h for
the verbs; each is answered by one byte.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.append(str(TOP / 'tests/functional'))
# pylint: disable=wrong-import-position
from host_side import MIB, Host  # noqa: E402
from patience import Killer  # noqa: E402

BUILD = pathlib.Path(os.environ.get('UPM_BUILD', TOP / 'build'))
# What ends a run that hangs, in seconds; no run needs a tenth of it.
LIMIT = 240
EXIT_GOOD = 33
EXIT_FAILED_CHECKS = 35

# A kind of guest: its object, and the marks of the checks that it makes
KINDS = {
    'snp': ('sev-snp-guest', ('', 'SNP_', 'GHCB_')),
    'es': ('sev-guest,policy=5', ('', 'ES_', 'GHCB_', 'OLD_')),
    'sev': ('sev-guest,policy=1', ('', 'SEV_', 'OLD_')),
}


# Without private memory, and with it
BACKENDS = 'memory-backend-memfd', 'memory-backend-memfd-private'


def qemu_binary():
    named = os.environ.get('UPM_QEMU')
    return named or str(BUILD / 'qemu/build/qemu-system-x86_64')


def image(payload):
    return BUILD / 'guest' / f'{payload}.bin'


def source_text(payload, folder=HERE / 'payloads'):
    """A payload's source with what it includes."""
    text = (folder / f'{payload}.c').read_text()
    return re.sub(r'^#include "(\w+)\.c"$',
                  lambda match: source_text(match.group(1), folder),
                  text,
                  flags=re.MULTILINE)


def marked_names(text, kind=''):
    """The names that T() and S(), with A(), mark, or others of a kind."""
    prefixes = re.findall(r'\bA\("([^"]+)"\)', text)
    names = re.findall(rf'\b{kind}T\("([^"]+)"\)', text)
    for prefix in prefixes:
        names += [f'{prefix}/{name}'
                  for name in re.findall(rf'\b{kind}S\("([^"]+)"\)', text)]
    return names


def check_names(payload, kind='snp', hypervisor='kvm', **_others):
    """The names of all checks that a payload has to report.

    Of its options some decide which these are.
    """
    text = source_text(payload)
    marks = list(KINDS[kind][1])
    if hypervisor == 'specification':
        marks.append('SPEC_')
    return [name for mark in marks for name in marked_names(text, mark)]


def guest_object(kind, mode, large, hypervisor, vmpls, features=()):
    """The guest's object; of an SNP guest the mode is given elsewhere."""
    guest = (f'{KINDS[kind][0]},id=sev0,cbitpos=51,reduced-phys-bits=1,'
             f'cert-dir={BUILD}/logs/chip')
    if large:
        guest += ',emulated-large-pages=on'
    if hypervisor:
        guest += f',emulated-hypervisor={hypervisor}'
    if vmpls:
        guest += f',emulated-vmpls={vmpls}'
    guest += ''.join(f',{feature}=on' for feature in features)
    return guest if kind == 'snp' else f'{guest},upm-mode={mode}'


def arguments(payload, *, policy=None, size_mib=64, below_mib=None, smp=1,
              accel='tcg', cpu='EPYC-v4', split_mib=None, backend='',
              kind='snp', mode='on', large=False, hypervisor='', vmpls=None,
              features=(), reboot=False, extra=()):
    """QEMU's arguments; the serial port and QMP are left to the caller.

    RAM is one backend, or several in a row with the sizes of split_mib;
    each has the options of backend.  With reboot a reset is not the end.
    """
    backends, numa = [], []
    for i, size in enumerate(split_mib or [size_mib]):
        memory = BACKENDS[mode == 'on'] + f',id=ram{i},size={size}M'
        if policy:
            memory += f',discard={policy}'
        backends += ['-object', memory + backend]
        numa += ['-numa', f'node,nodeid={i},memdev=ram{i}']
    machine = 'q35,confidential-guest-support=sev0'
    if not split_mib:
        machine += ',memory-backend=ram0'
        numa = []
    if below_mib:
        machine += f',max-ram-below-4g={below_mib}M'
    return ['-accel', accel, '-machine', machine, *backends, *numa,
            '-object', guest_object(kind, mode, large, hypervisor, vmpls,
                                    features),
            '-cpu', cpu, '-smp', str(smp), '-m', f'{size_mib}M',
            '-bios', str(image(payload)), '-nodefaults', '-vga', 'none',
            '-net', 'none', *([] if reboot else ['-no-reboot']),
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', *extra]


class Monitor:
    """Just enough of QMP; the socket is open when QEMU starts."""

    def __init__(self, name='qmp'):
        self.name = name
        self.ours, self.theirs = socket.socketpair()
        self.lines = self.ours.makefile()
        self.greeted = False
        self.events = []

    def arguments(self):
        return ['-chardev',
                f'socket,id={self.name},fd={self.theirs.fileno()}',
                '-mon', f'chardev={self.name},mode=control']

    def started(self):
        """QEMU has its end of the socket, which closes when it ends."""
        self.theirs.close()

    def line(self):
        """The next line, an object."""
        line = self.lines.readline()
        if not line:
            raise ConnectionError('QEMU has ended')
        return json.loads(line)

    def command(self, name, **arguments):
        if not self.greeted:
            self.greeted = True
            self.line()
            self.command('qmp_capabilities')
        request = {'execute': name}
        if arguments:
            request['arguments'] = arguments
        self.ours.sendall(json.dumps(request).encode())
        while True:
            answer = self.line()
            if 'event' in answer:
                self.events.append(answer['event'])
            if 'return' in answer:
                return answer['return']
            if 'error' in answer:
                raise RuntimeError(answer['error']['desc'])

    def close(self):
        self.lines.close()
        self.ours.close()
        self.theirs.close()


class Result:
    """What a run reported: {name: (state, detail)} and how it ended."""

    def __init__(self):
        self.checks = {}
        self.lines = []
        self.messages = ''
        self.status = None
        self.seconds = 0.0

    def add(self, line):
        self.lines.append(line)
        for state in ('ok', 'not ok', 'skip'):
            if line.startswith(state + ' '):
                name, _, detail = line[len(state) + 1:].partition(': ')
                if name in self.checks:
                    state, detail = 'not ok', 'reported twice'
                self.checks[name] = (state, detail)
                return

    def serve(self, line, host):
        verb, name, *numbers = line[1:].split(' ')
        wrong = host.serve(verb, *(int(number, 16) for number in numbers))
        if name == '-':
            if wrong:
                self.add(f'not ok {verb}: {wrong}')
        else:
            self.add(f'not ok {name}: {wrong}' if wrong else f'ok {name}')

    def ended_well(self):
        return (self.status == EXIT_GOOD and '# finished' in self.lines) or (
            self.status == EXIT_FAILED_CHECKS)

    def text(self):
        return '\n'.join([*self.lines, f'exit status {self.status}',
                          self.messages])


def started(command, monitor, **options):
    """QEMU with a monitor, and with its serial port for stdio."""
    process = subprocess.Popen(
        [*command, '-display', 'none', '-serial', 'stdio',
         *monitor.arguments()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        pass_fds=[monitor.theirs.fileno()], **options)
    monitor.started()
    return process


def told(line, options):
    """The byte that answers a request: what a payload may want to know."""
    if line.startswith('@large ') and options.get('large'):
        return b'L'
    if line.startswith('@goes-on ') and \
            options.get('hypervisor') == 'specification':
        return b'S'
    return b'.'


def run(payload, timeout=LIMIT, echo=False, **options):
    """Run a payload to its end."""
    result = Result()
    size = options.get('size_mib', 64) * MIB
    below = options.get('below_mib')
    began = time.monotonic()
    monitor = Monitor()
    process = started([qemu_binary(), *arguments(payload, **options)],
                      monitor, stderr=subprocess.PIPE)
    killer = Killer(timeout, process)
    messages = []
    reader = threading.Thread(
        target=lambda: messages.append(process.stderr.read()))
    reader.start()
    host = None
    try:
        for raw in process.stdout:
            line = raw.decode('ascii', 'replace').strip()
            if echo:
                print(f'{time.monotonic() - began:6.3f} {line}', flush=True)
            if not line.startswith('@'):
                result.add(line)
                continue
            host = host or Host(process.pid, monitor,
                                options.get('policy'), size,
                                below and below * MIB,
                                options.get('kind', 'snp'),
                                options.get('mode', 'on'))
            result.serve(line, host)
            if echo and result.lines:
                print('   ', result.lines[-1], flush=True)
            process.stdin.write(told(line, options))
            process.stdin.flush()
    except ConnectionError as error:
        result.add(f'# {error}')
    finally:
        killer.cancel()
        if host:
            host.close()
        try:
            result.status = process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            result.status = process.wait()
        reader.join()
        monitor.close()
    result.messages = messages[0].decode(errors='replace')
    result.seconds = time.monotonic() - began
    return result


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    from test_guest import VARIANTS
    options, given = {}, sys.argv[1:]
    while given[0].startswith('--'):
        name, _, value = given.pop(0)[2:].partition('=')
        options[name] = value
    payload, *given = given
    variants = VARIANTS.get(payload, {'plain': {}}).values()
    kind = options.get('kind', 'snp')
    options = {**next((variant for variant in variants
                       if variant.get('kind', 'snp') == kind),
                      next(iter(variants))), **options}
    if given:
        options['policy'] = given[0]
    options['extra'] = given[1:]
    result = run(payload, echo=True, **options)
    missing = [name for name in check_names(payload, **options)
               if name not in result.checks]
    bad = [name for name, (state, _) in result.checks.items()
           if state == 'not ok']
    print(result.messages, end='')
    print(f'{len(result.checks)} checks, {len(bad)} failed, '
          f'{len(missing)} missing {missing[:5]}, status {result.status}, '
          f'{result.seconds:.2f} s')
    sys.exit(bool(bad or missing or not result.ended_well()))


if __name__ == '__main__':
    main()
