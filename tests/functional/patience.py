# SPDX-License-Identifier: GPL-2.0-or-later
"""How long something is waited for, however busy this machine is.

A limit in seconds is meant for a machine that has nothing else to do.  Time
in which what is waited for would run, and others have the CPUs, does not
count: Linux tells it for each thread, in /proc/PID/task/TID/schedstat.
"""
import os
import pathlib
import subprocess
import threading
import time

# A limit is over after so many times its seconds in any case.
MOST = 12
# What is between two looks, in seconds
LOOK = 2
PROC = pathlib.Path('/proc')


def children():
    """{process: its children} of all there are."""
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                # A name may be cut anywhere, within a letter as well.
                stat = (entry / 'stat').read_bytes()
            except OSError:
                continue
            parent = int(stat.rpartition(b')')[2].split()[1])
            found.setdefault(parent, []).append(int(entry.name))
    return found


def below(process):
    """A process and all that it has started."""
    family = children()
    found = [process]
    for member in found:
        found += family.get(member, [])
    return found


def waited(process):
    """{thread: seconds it has waited for a CPU}; without /proc/*/schedstat
    there are none, and all time counts.
    """
    found = {}
    for member in below(process):
        tasks = PROC / str(member) / 'task'
        try:
            names = os.listdir(tasks)
        except OSError:
            continue        # it has ended meanwhile
        for name in names:
            try:
                delay = (tasks / name / 'schedstat').read_text().split()[1]
            except (OSError, IndexError):
                continue
            found[member, name] = int(delay) / 1e9
    return found


class Patience:
    """A limit in seconds, from now on, of what a process and its children do.

    over() has to be asked every few seconds: what happened in between, and
    which thread kept the others waiting, is seen then.  Of threads that wait
    for each other in turn only the one that waited longest counts, and what
    lives for less than a look does not.
    """

    def __init__(self, limit, process=None, look=LOOK):
        self.limit = limit
        self.process = process or os.getpid()
        self.interval = look
        self.begin()

    def begin(self):
        """Start again, as something has come further."""
        self.began = self.looked = time.monotonic()
        self.delays = waited(self.process)
        self.used = 0

    def look(self):
        """Count the time since the last look."""
        now, delays = time.monotonic(), waited(self.process)
        passed = now - self.looked
        lost = max((delay - self.delays.get(thread, 0)
                    for thread, delay in delays.items()), default=0)
        self.used += passed - min(lost, passed)
        self.looked, self.delays = now, delays

    def over(self):
        """Is there none left?"""
        if time.monotonic() - self.looked > self.interval:
            self.look()
        return self.used > self.limit or \
            time.monotonic() - self.began > MOST * self.limit


def event(machine, name, limit):
    """Wait until a QEMUMachine tells of an event.

    Return it, or None where QEMU ends before or the limit is over.
    """
    patience = Patience(limit, machine.get_pid())
    while True:
        running = machine.is_running()
        told = machine.event_wait(name, timeout=0)
        if told or not running or patience.over():
            return told
        time.sleep(0.02)


def run(command, limit, **options):
    """subprocess.run() with a limit of this kind and captured output."""
    with subprocess.Popen(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options) as process:
        patience = Patience(limit, process.pid)
        while True:
            try:
                out, err = process.communicate(timeout=LOOK)
                break
            except subprocess.TimeoutExpired as expired:
                if patience.over():
                    # Its children may have its pipes for longer.
                    process.kill()
                    expired.timeout = limit
                    raise
            except BaseException:
                process.kill()
                raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


class Killer(threading.Thread):
    """Kills a process that needs more than its limit, until cancel()."""

    def __init__(self, limit, process):
        super().__init__(daemon=True)
        self.patience = Patience(limit, process.pid)
        self.process = process
        self.killed = False
        self.further = False
        self.cancelled = threading.Event()
        self.start()

    def run(self):
        while not self.cancelled.wait(LOOK):
            if self.further:
                self.further = False
                self.patience.begin()
            elif self.patience.over():
                self.killed = True
                self.process.kill()
                return

    def again(self):
        """The process has come further, and has its limit from here on."""
        self.further = True

    def cancel(self):
        """Whatever comes, the process may live."""
        self.cancelled.set()
        self.join()
