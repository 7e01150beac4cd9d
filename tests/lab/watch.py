# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask QEMU for its status all the time: how long does a monitor wait?"""
import pathlib
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / 'guest'))
# pylint: disable=wrong-import-position
from payload import Monitor  # noqa: E402

# A monitor that is silent for so long, in seconds, will not answer any more;
# on a machine that is only busy no answer takes a tenth of it.
SILENCE = 60
# Between two questions, so that they are not what keeps QEMU busy
PAUSE = 0.002


class Watch:
    """A monitor of its own, and a thread that asks from begin() on.

    Where no answer comes, @silent is called, in that thread.
    """

    def __init__(self, silent):
        self.monitor = Monitor('watch')
        self.silent = silent
        self.lock = threading.Lock()
        self.asked = None
        self.began = 0.0
        self.longest = 0.0
        self.answers = 0
        self.ended = False
        self.thread = None

    def arguments(self):
        """What QEMU is started with."""
        return self.monitor.arguments()

    def begin(self):
        """Count from now on."""
        with self.lock:
            self.began, self.longest, self.answers = time.monotonic(), 0.0, 0
        if not self.thread:
            self.monitor.ours.settimeout(SILENCE)
            self.thread = threading.Thread(target=self.ask, daemon=True)
            self.thread.start()

    def look(self):
        """The longest wait since begin(), and the time since then."""
        with self.lock:
            now = time.monotonic()
            self.note(now)
            return self.longest, now - self.began

    def note(self, now):
        """A question waits, or has waited until now."""
        if self.asked is not None:
            self.longest = max(self.longest, now - max(self.asked, self.began))

    def ask(self):
        """Until QEMU ends, or has no answer."""
        try:
            while not self.ended:
                self.asked = time.monotonic()
                self.monitor.command('query-status')
                with self.lock:
                    self.note(time.monotonic())
                    self.asked = None
                    self.answers += 1
                time.sleep(PAUSE)
        except TimeoutError:
            self.silent(f'no answer to query-status in {SILENCE} s')
        except OSError:
            # QEMU has ended
            pass

    def close(self):
        """QEMU has ended."""
        self.ended = True
        if self.thread:
            self.thread.join()
        self.monitor.close()
