# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits on a busy machine: time that others have the CPUs does not count."""
import os
import subprocess
import sys
import time

from patience import MOST, Patience

SPIN = 'import time\nend = time.process_time() + 30\n' \
       'while time.process_time() < end: pass'


def start(code, cpu):
    """A process that may run on one CPU only."""
    return subprocess.Popen([sys.executable, '-c', code],
                            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))


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


def test_sleeping():
    """Who sleeps is waited for in vain, whatever others do."""
    with start('import time; time.sleep(60)',
               min(os.sched_getaffinity(0))) as process:
        time.sleep(1)
        assert used(process, 4) > 3
        process.kill()


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
