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
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / name) for name in ('guest', 'functional')]
# pylint: disable=wrong-import-position
from patience import Killer, Patience  # noqa: E402
from payload import (BUILD, EXIT_GOOD, Monitor, marked_names,  # noqa: E402
                     qemu_binary, source_text, started)

# Seconds that end a run that hangs; no run needs a tenth of it.
LIMIT = 240
# ... in which a machine of chance() says nothing, and is reset
SILENCE = 3
# ... until it goes on, or QEMU does what it is told
ANSWER = 60
FOLDER = HERE / 'metal'
FEATURES = 'svm=on,npt=on,lbrv=on,nrip-save=on,flushbyasid=on,decodeassists=on'
CPU = f'EPYC-Milan,{FEATURES}'
PLAIN = ('-machine', 'q35', '-cpu', CPU)
HOST = ('-machine', 'q35,snp-host=on', '-cpu', 'EPYC-Milan')


def image(name):
    """What "make check" has built."""
    path = BUILD / f'metal/{name}.bin'
    assert path.exists(), f'{path} is missing, make it with: ' \
        f'make -C {FOLDER} out={BUILD}/metal'
    return path


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


def start(name, monitor, *arguments, machine=PLAIN):
    """QEMU with a payload."""
    return started([qemu_binary(), '-accel', 'tcg', *machine, '-m', '256M',
                    '-bios', str(image(name)), '-nodefaults', '-device',
                    'isa-debug-exit,iobase=0xf4,iosize=4', *arguments],
                   monitor)


def run(name, *arguments, **options):
    """Run a payload to its end; (QEMU's status, its lines)."""
    monitor = Monitor()
    lines = []
    with start(name, monitor, *arguments, **options) as process:
        killer = Killer(LIMIT, process)
        counter = Counter(monitor)
        for line in process.stdout:
            line = line.decode(errors='replace').rstrip()
            if line.startswith('@'):
                line = counter.answer(line)
                process.stdin.write(b'.')
                process.stdin.flush()
            if line:
                lines.append(line)
        killer.cancel()
    monitor.close()
    if killer.killed:
        lines.append(f'# QEMU was killed: no end in {LIMIT} s')
    return process.returncode, lines


class Chance:
    """A payload that goes on for ever, and what it has said so far."""

    def __init__(self, process, monitor):
        self.process = process
        self.monitor = monitor
        self.done = self.starts = self.resets = 0
        self.text = b''
        self.seed = ''
        self.output = selectors.DefaultSelector()
        self.output.register(process.stdout, selectors.EVENT_READ)
        self.silence = Patience(SILENCE, process.pid, 0.5)
        self.killer = Killer(ANSWER, process)

    def read(self):
        """What it says now; false at its end."""
        data = os.read(self.process.stdout.fileno(), 4096)
        *lines, self.text = (self.text + data).split(b'\n')
        seeds = [line for line in lines if line.startswith(b'# seed ')]
        self.starts += len(seeds)
        self.seed = seeds[-1].decode() if seeds else self.seed
        self.done += 100 * sum(line.startswith(b'# rounds ')
                               for line in lines)
        self.silence.begin()
        self.killer.again()
        return data

    def go_on(self):
        """Read, or reset a machine whose software has come to a stop."""
        if self.output.select(1):
            return self.read()
        if self.silence.over():
            # QEMU has to answer, whatever its guest does.
            self.monitor.command('system_reset')
            self.resets += 1
            self.silence.begin()
        return True

    def finish(self):
        """Its status when it is told to quit."""
        # It may be gone before its answer has been read.
        with contextlib.suppress(ConnectionError):
            self.monitor.command('quit')
        while self.read():
            pass
        self.killer.cancel()
        return self.process.wait()


def chance(name, rounds, **options):
    """Run a payload that goes on for ever, and see that QEMU does.

    It has to say that it has made so many rounds in all.  Returns the numbers
    of rounds, of starts, and of resets.
    """
    monitor = Monitor()
    with start(name, monitor, **options) as process:
        try:
            one = Chance(process, monitor)
            while one.done < rounds and one.go_on():
                pass
            status = one.finish()
            assert status == 0, \
                f'status {status} after {one.done} rounds {one.seed}'
        except ConnectionError:
            one.killer.cancel()
            why = ', it was silent' if one.killer.killed else ''
            raise AssertionError(
                f'QEMU has ended after {one.done} rounds {one.seed}{why}: '
                f'status {process.wait()}') from None
        finally:
            process.kill()
    monitor.close()
    return one.done, one.starts, one.resets


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
    state, output = run(sys.argv[1], *sys.argv[2:])
    print('\n'.join(output))
    sys.exit(0 if state == EXIT_GOOD else 1)
