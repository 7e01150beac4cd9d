# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a bare-metal host, which is its machine's whole firmware.

A payload prints the lines that tests/guest/payload.py has, but asks the host
only to count flushes of TLBs:

    @count NAME ...         from here
    @counted - SWITCHES ... to here: fewer than one for ten world switches
"""
import contextlib
import os
import pathlib
import re
import selectors
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'guest'))
# pylint: disable=wrong-import-position
from payload import (BUILD, EXIT_GOOD, Monitor, marked_names,  # noqa: E402
                     qemu_binary, source_text)

LIMIT = 240
FOLDER = HERE / 'metal'
FEATURES = 'svm=on,npt=on,lbrv=on,nrip-save=on,flushbyasid=on,decodeassists=on'
CPU = f'EPYC-Milan,{FEATURES}'
PLAIN = ('-machine', 'q35', '-cpu', CPU)
HOST = ('-machine', 'q35,snp-host=on', '-cpu', 'EPYC-Milan')


def build():
    subprocess.run(['make', '-s', '-C', FOLDER, f'out={BUILD}/metal'],
                   check=True)


def check_names(name):
    """The names of all checks that a payload has to report."""
    return marked_names(source_text(name, FOLDER / 'payloads'))


def flushes(monitor):
    text = monitor.command('x-query-jit')['human-readable-text']
    return sum(int(number) for number in
               re.findall(r'TLB (?:full|partial) flushes +(\d+)', text))


class Counter:
    """What the payload asks for in lines that begin with '@'."""

    def __init__(self, monitor):
        self.monitor = monitor
        self.name = self.start = None

    def answer(self, line):
        """The line to report, or None."""
        verb, name, switches = line[1:].split()[:3]
        if verb == 'count':
            self.name, self.start = name, flushes(self.monitor)
            return None
        found = flushes(self.monitor) - self.start
        limit = int(switches, 16) // 10
        if found < limit:
            return f'ok {self.name}'
        return f'not ok {self.name}: expected less than {limit} found {found}'


def start(name, monitor, *arguments, machine=PLAIN, limit=LIMIT):
    """QEMU with a payload; its serial port is this process's."""
    command = ['timeout', '-k', '5', str(limit), qemu_binary(), '-accel', 'tcg',
               *machine, '-m', '256M', '-bios', str(BUILD / f'metal/{name}.bin'),
               '-nodefaults', '-display', 'none', '-serial', 'stdio',
               '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
               *monitor.arguments(), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, bufsize=0,
                               pass_fds=[monitor.theirs.fileno()])
    monitor.started()
    return process


def run(name, *arguments, **options):
    """Run a payload to its end; (QEMU's status, its lines)."""
    monitor = Monitor()
    lines = []
    with start(name, monitor, *arguments, **options) as process:
        counter = Counter(monitor)
        for line in iter(process.stdout.readline, b''):
            line = line.decode(errors='replace').rstrip()
            if line.startswith('@'):
                line = counter.answer(line)
                process.stdin.write(b'.')
            if line:
                lines.append(line)
    monitor.close()
    return process.returncode, lines


@contextlib.contextmanager
def ended(process):
    """Whatever happens to it"""
    try:
        yield
    finally:
        process.kill()


def chance(name, seconds, rounds, **options):
    """Run a payload that goes on for ever, and see that QEMU does.

    It says how far it has come and has so many rounds to make in all; a
    machine whose software has come to a stop is reset.  Returns the number
    of rounds, of starts, and of resets.
    """
    monitor = Monitor()
    monitor.ours.settimeout(60)
    done = starts = resets = 0
    with start(name, monitor, limit=seconds + 120, **options) as process, \
            ended(process):
        end = time.monotonic() + seconds
        output = selectors.DefaultSelector()
        output.register(process.stdout, selectors.EVENT_READ)
        text = b''
        while time.monotonic() < end or done < rounds:
            assert time.monotonic() < end + 60, f'{done} rounds, too few'
            if not output.select(10):
                # QEMU has to answer, whatever its guest does.
                monitor.command('system_reset')
                resets += 1
                continue
            data = os.read(process.stdout.fileno(), 4096)
            assert data, f'QEMU has ended: {process.wait()}'
            *lines, text = (text + data).split(b'\n')
            starts += sum(line.startswith(b'# seed ') for line in lines)
            done += 100 * sum(line.startswith(b'# rounds ')
                               for line in lines)
        monitor.command('quit')
        process.stdout.close()
        assert process.wait(60) == 0
    monitor.close()
    return done, starts, resets


def reported(lines):
    return [re.split(r'[ :]', line.removeprefix('not '), maxsplit=2)[1]
            for line in lines if re.match('(not )?ok ', line)]


def check(name, *arguments, **options):
    """Run a payload all of whose checks have to be good."""
    status, lines = run(name, *arguments, **options)
    bad = [line for line in lines if not line.startswith(('ok ', '# finished'))]
    log = BUILD / f'logs/metal/{name}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text('\n'.join(lines) + '\n')
    assert not bad, '\n'.join(bad)
    assert status == EXIT_GOOD, f'{name} ended with status {status}'
    assert sorted(reported(lines)) == sorted(check_names(name))


if __name__ == '__main__':
    build()
    state, output = run(sys.argv[1], *sys.argv[2:])
    print('\n'.join(output))
    sys.exit(0 if state == EXIT_GOOD else 1)
