# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots from a log of trace events: -trace 'upm_convert*',file=LOG."""
import bisect
import re

from .snapshot import PAGE, STATES, Conversions, Range, Snapshot, SourceError

# "PID@SECONDS:" comes with -msg timestamp=on or simple traces.
ASKED = re.compile(r'(?:^|@(?P<time>[\d.]+):)\s*upm_convert request '
                   r'(?P<request>\d+): 0x(?P<gpa>[0-9a-f]+) '
                   r'\+0x(?P<size>[0-9a-f]+) to (?P<state>\w+), '
                   r'cause (?P<cause>\S+)')
DONE = re.compile(r'(?:^|@(?P<time>[\d.]+):)\s*upm_convert_done request '
                  r'(?P<request>\d+): 0x[0-9a-f]+ \+0x[0-9a-f]+: '
                  r'0x(?P<changed>[0-9a-f]+) bytes changed, (?P<ret>-?\d+)')


class PageStates:
    """Page states as far as conversions tell, as runs that do not touch."""

    def __init__(self):
        self.starts = []
        self.runs = []

    def set(self, gpa, size, state):
        """The last conversion counts."""
        end = gpa + size
        first = max(bisect.bisect_right(self.starts, gpa) - 1, 0)
        last = bisect.bisect_left(self.starts, end)
        kept = []
        for run in self.runs[first:last]:
            run_end = run.gpa + run.size
            if run.gpa < gpa:
                kept.append(run._replace(size=min(run_end, gpa) - run.gpa))
            if run_end > end:
                kept.append(run._replace(gpa=max(run.gpa, end),
                                         size=run_end - max(run.gpa, end)))
        kept.append(Range(gpa, size, state))
        kept.sort()
        self.runs[first:last] = kept
        self.starts[first:last] = [run.gpa for run in kept]

    def ranges(self):
        """Return `Range`s, neighbours of one state as one."""
        merged = []
        for run in self.runs:
            before = merged[-1] if merged else None
            if before and before.state == run.state and \
                    before.gpa + before.size == run.gpa:
                merged[-1] = before._replace(size=before.size + run.size)
            else:
                merged.append(run)
        return merged


class TraceSource:
    """A log, read once from its begin to its end.

    What no conversion has named has no state here: a log does not say what
    the guest began with.
    """

    def __init__(self, path, interval):
        self.path = path
        self.interval = interval

    def snapshots(self):
        """Yield a snapshot each interval of the log's time, and the last."""
        try:
            with open(self.path, encoding='utf-8', errors='replace') as log:
                yield from self._read(log)
        except OSError as error:
            raise SourceError(f'{self.path}: {error.strerror}') from None

    def _read(self, log):
        states, open_requests, launch = PageStates(), {}, []
        total, due, now = Conversions(), None, 0.0
        for line in log:
            asked = ASKED.search(line)
            if asked:
                open_requests[asked['request']] = asked
                continue
            done = DONE.search(line)
            asked = done and open_requests.pop(done['request'], None)
            if not asked or done['ret'] != '0':
                continue
            if asked['state'] not in STATES:
                raise SourceError(f'{self.path}: no page state: '
                                  f'{line.strip()}')
            now = float(done['time'] or 0)
            if due is not None and now >= due:
                yield self._snapshot(due, states, total, launch)
                due += self.interval * ((now - due) // self.interval + 1)
            due = now + self.interval if due is None else due
            gpa, size = int(asked['gpa'], 16), int(asked['size'], 16)
            states.set(gpa, size, asked['state'])
            if asked['cause'] == 'launch':
                launch += range(gpa, gpa + size, PAGE)
            total = add(total, asked['state'], int(done['changed'], 16))
        if not states.runs:
            raise SourceError(f'{self.path}: no conversion; write it with '
                              f"-trace 'upm_convert*',file=LOG")
        yield self._snapshot(now, states, total, launch)

    @staticmethod
    def _snapshot(time, states, total, launch):
        return Snapshot(time=time, ranges=states.ranges(),
                        launch={'launch': list(launch)} if launch else {},
                        info={}, conversions=total)


def add(total, state, changed):
    """Count a request that was granted."""
    private = state == 'private'
    return Conversions(total.requests + bool(changed),
                       total.to_private + (changed if private else 0),
                       total.to_shared + (0 if private else changed))
