# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits on a busy machine: time that others have the CPUs does not count."""
import os
import subprocess
import sys
import time

import pytest

from patience import MOST, Killer, Patience, event, run, waited

pytestmark = pytest.mark.skipif(not waited(os.getpid()),
                                reason='Linux has no /proc/*/schedstat here')

SPIN = 'import time\nend = time.process_time() + 30\n' \
       'while time.process_time() < end: pass'


def start(code, cpu, **options):
    """A process that may run on one CPU only."""
    return subprocess.Popen([sys.executable, '-c', code],
                            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
                            **options)


def used(process, seconds):
    """How much patience with a process is gone after so many seconds."""
    patience = Patience(3600, process.pid)
    time.sleep(seconds)
    assert not patience.over()
    return patience.used


def test_waiting_for_a_cpu():
    """Of six that share a CPU, each has a sixth of the time."""
    cpu = min(os.sched_getaffinity(0))
    processes = [start(SPIN, cpu) for _ in range(6)]
    try:
        assert used(processes[0], 6) < 4
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_ended(monkeypatch):
    """A process that ends while others are counted has waited for nothing."""
    ended = subprocess.Popen(['true'])
    ended.wait()
    monkeypatch.setattr('patience.below', lambda _: [ended.pid, os.getpid()])
    assert {process for process, _ in waited(os.getpid())} == {os.getpid()}


def test_sleeping():
    """Who sleeps is waited for in vain, whatever others do."""
    cpu = min(os.sched_getaffinity(0))
    others = [start(SPIN, cpu) for _ in range(3)]
    with start('import time\nprint("there", flush=True)\ntime.sleep(60)', cpu,
               stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(1)
        assert used(process, 4) > 3
        process.kill()
    for other in others:
        other.kill()
        other.wait()


def test_children():
    """A child's delay counts as its parent's."""
    code = f'import subprocess, sys\nsubprocess.run([sys.executable, "-c",' \
           f' """{SPIN}"""])'
    cpu = min(os.sched_getaffinity(0))
    processes = [start(code, cpu) for _ in range(6)]
    try:
        time.sleep(2)
        assert used(processes[0], 6) < 4
    finally:
        for process in processes:
            subprocess.run(['pkill', '-KILL', '-P', str(process.pid)],
                           check=False)
            process.kill()
            process.wait()


def test_over():
    """It ends, and in any case after a multiple."""
    patience = Patience(1, os.getpid())
    time.sleep(2.5)
    assert patience.over()
    patience = Patience(1, os.getpid())
    patience.began -= MOST + 1
    assert patience.over()


def test_run():
    """A program that hangs is killed, and whoever has its pipe may live."""
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired) as expired:
        run(['sh', '-c', 'echo said; sleep 100 & sleep 100'], 1)
    assert time.monotonic() - began < 60
    assert expired.value.stdout == b'said\n'
    done = run(['sh', '-c', 'echo said; exit 3'], 60, text=True)
    assert (done.returncode, done.stdout) == (3, 'said\n')


def test_killer():
    """It kills who does not come further, and nobody once cancelled."""
    with subprocess.Popen(['sleep', '100']) as process:
        killer = Killer(4, process)
        time.sleep(3)
        killer.again()
        time.sleep(3)
        assert process.poll() is None
        assert process.wait(60) == -9
        assert killer.killed
    with subprocess.Popen(['sleep', '100']) as process:
        Killer(1, process).cancel()
        time.sleep(5)
        assert process.poll() is None
        process.kill()


def test_name():
    """A process on this machine may be called anything."""
    code = 'import time\nopen("/proc/self/comm", "wb").write(b"a\\xc3")\n' \
           'print("there", flush=True)\ntime.sleep(100)'
    with subprocess.Popen([sys.executable, '-c', code],
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        Patience(1)
        process.kill()


class Told:
    """A machine that has events to tell of, and ends after so many looks."""

    def __init__(self, *events, looks=1000):
        self.events = list(events)
        self.looks = looks

    def get_pid(self):
        return os.getpid()

    def is_running(self):
        self.looks -= 1
        return self.looks >= 0

    def event_wait(self, name, timeout):
        assert timeout == 0
        told = self.events.pop(0) if self.events else None
        return told if told == name else None


def test_event():
    """It comes, at once or later; or QEMU ends, or nothing ever comes."""
    assert event(Told('STOP'), 'STOP', 60) == 'STOP'
    assert event(Told('RESET', 'STOP'), 'STOP', 60) == 'STOP'
    # told of before it ended, but not looked at yet
    assert event(Told('STOP', looks=0), 'STOP', 60) == 'STOP'
    ends = Told('RESET', looks=3)
    assert event(ends, 'STOP', 60) is None and ends.looks < 0
    hangs = Told(looks=10**6)
    assert event(hangs, 'STOP', 0.1) is None and hangs.looks > 0
