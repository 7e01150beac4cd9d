# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of a guest that runs, by QMP."""
import asyncio
import time

from qemu.qmp import ExecuteError, QMPClient, QMPError

from .snapshot import STATES, Conversions, Range, Snapshot, SourceError

# Most ranges that query-upm-map gives at a time
LIMIT = 4096


def address_of(text):
    """Return what QMPClient.connect() takes: a path, or host and port."""
    host, colon, port = text.rpartition(':')
    if colon and port.isdigit() and '/' not in text:
        return host or 'localhost', int(port)
    return text


class QmpSource:
    """A QMP socket, connected once."""

    def __init__(self, address, patience):
        self.address = address
        self.patience = patience
        self.loop = asyncio.new_event_loop()
        self.client = QMPClient('qemu-upm-map')
        self._launch = None
        self._run(self.client.connect(address_of(address)))

    def close(self):
        """Leave the guest as it is."""
        try:
            self._run(self.client.disconnect())
        except SourceError:
            pass
        self.loop.close()

    def _run(self, coroutine):
        try:
            return self.loop.run_until_complete(
                asyncio.wait_for(coroutine, self.patience))
        except asyncio.TimeoutError:
            raise SourceError(
                f'{self.address}: no answer within {self.patience:g} s; is '
                f'another program connected?  A QMP socket serves one at a '
                f'time') from None
        except (QMPError, OSError, EOFError, ValueError) as error:
            # The last one: more than anybody reads at a time.
            raise SourceError(f'{self.address}: {error}') from error

    def _ask(self, command, **arguments):
        return self._run(self.client.execute(command, arguments))

    def snapshot(self):
        """Return a `Snapshot`.  The guest may convert while it is taken."""
        try:
            info = self._ask('query-upm')
            return Snapshot(time=time.monotonic(),
                            ranges=self._ranges(info),
                            launch=self._launch_pages(),
                            info=info,
                            conversions=conversions_of(info))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(f'{self.address}: an answer that is not '
                              f'QEMU-UPM\'s: {error!r}') from None

    def _ranges(self, info):
        if not info['blocks']:
            raise SourceError(
                f'{self.address}: ' +
                ('page states are not known, see query-upm'
                 if info.get('page-states') == 'unknown' else
                 'no memory has a private half; see '
                 '-object memory-backend-memfd-private'))
        ranges, start = [], 0
        while start is not None:
            reply = self._ask('query-upm-map', start=start, limit=LIMIT)
            for run in reply['ranges']:
                ranges.append(range_of(run, ranges[-1] if ranges else None))
            following = reply.get('next')
            if following is not None and following <= start:
                raise ValueError(f'next {following:#x} after {start:#x}')
            start = following
        return ranges

    def _launch_pages(self):
        """What a guest was launched with never changes, but for a reset."""
        if self._launch is None:
            try:
                reply = self._ask('query-sev-launch-pages')
            except SourceError as error:
                if isinstance(error.__cause__, ExecuteError):
                    # Not launched yet, or not such a guest
                    return {}
                raise
            pages = {}
            for page in reply:
                pages.setdefault(page['type'], []).append(int(page['gpa']))
            self._launch = pages
        return self._launch


def range_of(run, last):
    """Return a range, which is behind the last one, if it can be one."""
    found = Range(int(run['gpa']), int(run['size']), run['state'],
                  run['block'])
    if found.state not in STATES:
        raise ValueError(found.state)
    if found.size <= 0 or found.gpa < (last.gpa + last.size if last else 0):
        raise ValueError(f'a range of {found.size} bytes at {found.gpa:#x}')
    return found


def conversions_of(info):
    """Return the sum of what query-upm has by cause."""
    rows = info['conversions']
    return Conversions(
        sum(row['to-private-requests'] + row['to-shared-requests']
            for row in rows),
        sum(row['to-private-bytes'] for row in rows),
        sum(row['to-shared-bytes'] for row in rows))
