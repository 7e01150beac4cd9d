# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits in a process's own CPU time, which a busy machine does not shorten.

What waits uses none, so a process is also looked at for being at rest: all of
its threads sleep.  One that only gets no processor does not.
"""
import os
import pathlib
import threading

TICKS = os.sysconf('SC_CLK_TCK')
# In CPU seconds between two looks: what QEMU does that has nothing to do
REST = 0.05


def fields(path):
    """A stat file of proc(5), from the state on."""
    return path.read_text().rpartition(')')[2].split()


def used(pid):
    """CPU seconds so far."""
    found = fields(pathlib.Path(f'/proc/{pid}/stat'))
    return (int(found[11]) + int(found[12])) / TICKS


def sleeps(pid):
    """Is there no thread that runs, or would if it could?"""
    for path in pathlib.Path(f'/proc/{pid}/task').glob('*/stat'):
        try:
            state = fields(path)[0]
        except OSError:
            # It has ended since.
            continue
        if state in 'RD':
            return False
    return True


class Effort:
    """What a process has done since begin(): CPU seconds, looks at rest."""

    def __init__(self, pid):
        self.pid = pid
        self.begin()

    def begin(self):
        """Start again."""
        self.start = self.last = used(self.pid)
        self.rests = 0

    @property
    def seconds(self):
        """CPU seconds since then."""
        return self.last - self.start

    def look(self):
        """To be called about once a second."""
        now = used(self.pid)
        rests = now - self.last < REST and sleeps(self.pid)
        self.rests = self.rests + 1 if rests else 0
        self.last = now


class Watch(threading.Thread):
    """Kill a process that goes beyond a limit since again(), and say why."""

    def __init__(self, process, seconds, rests=30):
        super().__init__(daemon=True)
        self.process = process
        self.limits = seconds, rests
        self.begin = False
        self.why = ''
        self.wake = threading.Event()
        self.start()

    def run(self):
        effort = Effort(self.process.pid)
        while not self.wake.wait(1):
            if self.begin:
                self.begin = False
                effort.begin()
            effort.look()
            seconds, rests = self.limits
            if effort.seconds > seconds:
                self.why = f'no end in {seconds} s of CPU time'
            elif effort.rests > rests:
                self.why = f'at rest for {rests} s'
            if self.why:
                self.process.kill()
                return

    def again(self):
        """The process has come further."""
        self.begin = True

    def close(self):
        """To be called before the process is waited for."""
        self.wake.set()
        self.join()
