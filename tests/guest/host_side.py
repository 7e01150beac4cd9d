# SPDX-License-Identifier: GPL-2.0-or-later
"""What the host of a payload sees, and what it does on request.

The requests, lines that begin with @, are those of lib/checks.h.
"""
import os
import pathlib
import threading

PAGE = 4096
MIB = 1 << 20
# The vCPU that comes and goes, of two that there can be
UNPLUGGED = {'driver': 'EPYC-v4-x86_64-cpu', 'id': 'other', 'socket-id': 0,
             'core-id': 1, 'thread-id': 0}


class Host:
    """What the host can see and do: both halves of RAM by their memfds."""

    # The guest's requests, and its accesses
    CAUSES = ('ghcb', 'fault')

    def __init__(self, pid, monitor, policy, size, below, kind='snp',
                 mode='on'):
        if kind != 'snp':
            self.CAUSES = ('hypercall', 'fault')
        self.monitor = monitor
        # What is only recorded discards nothing.
        self.policy = (policy or 'both') if mode == 'on' else 'none'
        self.below = below or size
        self.shared = self.private = None
        folder = pathlib.Path(f'/proc/{pid}/fd')
        for entry in folder.iterdir():
            try:
                name = os.readlink(entry)
                found = os.stat(entry).st_size
            except OSError:
                continue
            if not name.startswith('/memfd:') or found != size:
                continue
            if name.startswith('/memfd:memory-backend'):
                self.shared = os.open(entry, os.O_RDWR)
            elif self.private is None and mode == 'on':
                self.private = os.open(entry, os.O_RDONLY)
        if self.shared is None:
            raise RuntimeError('no memfd of the shared half in QEMU')
        self.size = size
        self.watcher = None

    def close(self):
        self.stop_watching()
        for descriptor in (self.shared, self.private):
            if descriptor is not None:
                os.close(descriptor)

    def offset(self, gpa):
        return gpa if gpa < 1 << 32 else gpa - (1 << 32) + self.below

    # By read and write: a mapping would allocate every page that is looked at.
    def read(self, start, size):
        return os.pread(self.shared, size, start)

    def write(self, start, data):
        os.pwrite(self.shared, data, start)

    def compare(self, gpa, size, value):
        start = self.offset(gpa)
        found = self.read(start, size)
        if found == bytes([value]) * size:
            return None
        at = next(i for i in range(size) if found[i] != value)
        return (f'expected {value:#04x} found {found[at]:#04x} by the host '
                f'at GPA {gpa + at:#x}')

    @staticmethod
    def extents(descriptor, start, size):
        """Offset and size of what has backing in a memfd's range."""
        at, end = start, start + size
        while at < end:
            try:
                data = os.lseek(descriptor, at, os.SEEK_DATA)
            except OSError:
                return
            at = os.lseek(descriptor, data, os.SEEK_HOLE)
            if data < end:
                yield data, min(at, end) - data

    def allocated(self, descriptor, start, size):
        return sum(found for _, found in
                   self.extents(descriptor, start, size))

    def find(self, pattern):
        """Offset of a pattern in the shared half, or -1."""
        for start, size in self.extents(self.shared, 0, self.size):
            at = self.read(start, size).find(pattern)
            if at >= 0:
                return start + at
        return -1

    def watch(self, gpa, size, value):
        start = self.offset(gpa)
        self.seen = 0
        self.looks = 0
        self.watching = True

        def look():
            while self.watching or not self.looks:
                self.seen += value in self.read(start, size)
                self.looks += 1

        self.watcher = threading.Thread(target=look, daemon=True)
        self.watcher.start()

    def stop_watching(self):
        if self.watcher:
            # one look at least is made, however busy this machine is
            self.watching = False
            self.watcher.join()
            self.watcher = None

    def counters(self):
        """Bytes converted by cause, and what the core counts besides."""
        info = self.monitor.command('query-upm')
        found = {key: value for key, value in info.items()
                 if isinstance(value, int) and key != 'time' and
                 not key.endswith('resident')}
        found['shared'] = 0
        for cause in self.CAUSES:
            found[cause + '-private'] = found[cause + '-shared'] = 0
        for entry in info['conversions']:
            found[entry['cause'] + '-private'] = entry['to-private-bytes']
            found[entry['cause'] + '-shared'] = entry['to-shared-bytes']
            kinds = {'fault': 'implicit', 'launch': 'host',
                     'reset': 'host'}
            if entry['kind'] != kinds.get(entry['cause'], 'explicit'):
                raise RuntimeError(f'kind of {entry}')
        for block in info['blocks']:
            if block['private-bytes'] + block['shared-bytes'] != block['size']:
                raise RuntimeError(f'states of {block} do not add up')
            if block['id'].startswith('ram'):
                found['shared'] += block['shared-bytes']
            if block['id'] == 'ram0':
                self.check_resident(block)
        for key in info['blocks'][0]:
            total = info.get(key)
            if not isinstance(total, int):
                continue
            # Of blocks that are gone the guest's counters remain.
            gone = total - sum(block[key] for block in info['blocks'])
            if gone < 0 or gone and not key.startswith('discarded'):
                raise RuntimeError(f'{key} is not the sum of the blocks')
        return found

    def check_resident(self, block):
        """What a block says that it occupies, against its memfds."""
        for half, descriptor in (('shared', self.shared),
                                 ('private', self.private)):
            if descriptor is None:
                # Of a guest_memfd there is only a bound, and a kernel without
                # cachestat() does not even tell what it has.
                most = block['private-bytes'] + block['private-held-by-policy']
                if block.get('private-resident', 0) > most:
                    raise RuntimeError(f'private-resident is too much: {block}')
                continue
            if os.fstat(descriptor).st_blksize > PAGE:
                # hugetlbfs has no holes to look for.
                continue
            there = self.allocated(descriptor, 0, self.size)
            if block[half + '-resident'] != there:
                raise RuntimeError(f'{half}-resident is {block} not {there}')

    def check_counters(self, cause, private, shared):
        now = self.counters()
        grown = {key: now[key] - self.mark[key] for key in now}
        self.mark = now
        expected = dict.fromkeys(now, 0)
        expected[f'{self.CAUSES[cause]}-private'] = private
        expected[f'{self.CAUSES[cause]}-shared'] = shared
        expected['shared'] = shared - private
        if self.policy in ('both', 'shared'):
            expected['discarded-shared'] = private
        if self.policy in ('both', 'private'):
            expected['discarded-private'] = shared
        expected['shared-bytes'] = expected['shared']
        expected['private-bytes'] = -expected['shared']
        wrong = {key: grown[key] for key in now if grown[key] != expected[key]
                 and not key.endswith('-requests') and '-held-' not in key}
        if wrong:
            wanted = {key: expected[key] for key in wrong}
            return f'expected {wanted} found {wrong} in query-upm'
        held = self.held(now)
        # Under KVM the host's own accesses allocate what is hidden, too.
        if self.private is not None and held != self.held_before:
            return (f'query-upm is {held} bytes off what is hidden and there, '
                    f'and was {self.held_before} off')
        return None

    def map(self, limit):
        """All ranges of query-upm-map, a few at a time."""
        start, ranges = 0, []
        while start is not None:
            part = self.monitor.command('query-upm-map', start=start,
                                        limit=limit)
            if len(part['ranges']) > limit:
                raise RuntimeError('more ranges than asked for')
            ranges += part['ranges']
            start = part.get('next')
        return ranges

    def held(self, now):
        """Bytes hidden and there, that query-upm and that the memfds have.

        They differ by pages that somebody used without a conversion.
        """
        found = {half: 0 for half in ('private', 'shared')
                 if getattr(self, half) is not None}
        size = 0
        for part in self.map(3):
            if part['block'] != 'ram0':
                continue
            hidden = 'shared' if part['state'] == 'private' else 'private'
            if hidden in found:
                found[hidden] += self.allocated(
                    getattr(self, hidden), part['offset'], part['size'])
            size += part['size']
            if self.offset(part['gpa']) != part['offset']:
                raise RuntimeError(f'{part} is not where it should be')
        # Some KiB below 1 MiB are the firmware's.
        if not 0 <= self.size - size <= 0x40000:
            raise RuntimeError(f'{size} bytes of RAM in the map')
        return {half: now[half + '-held-by-policy'] - found[half]
                for half in found}

    def serve(self, verb, gpa, size, value):
        """Do what a payload asked for; None, or what was found wrong."""
        start = self.offset(gpa)
        if verb in ('large', 'goes-on'):
            return None
        if verb == 'fill':
            self.write(start, bytes([value]) * size)
        elif verb == 'unplug':
            self.monitor.command('device_del', id=UNPLUGGED['id'])
        elif verb == 'plug':
            self.monitor.command('device_add', **UNPLUGGED)
        elif verb == 'expect':
            return self.compare(gpa, size, value)
        elif verb == 'kept':
            kept = self.policy in ('private', 'none')
            return self.compare(gpa, size, value if kept else 0)
        elif verb == 'absent':
            at = self.find(bytes([value]) * 8)
            if at >= 0:
                return f'{value:#04x} found in the shared half at {at:#x}'
        elif verb == 'backing':
            return self.check_backing(start, size, value)
        elif verb == 'resident':
            return self.check_all_resident(gpa)
        elif verb == 'mark':
            self.mark = self.counters()
            self.held_before = self.held(self.mark)
            self.blocks = os.fstat(self.shared).st_blocks
        elif verb == 'huge':
            return self.check_huge((gpa, size, value))
        elif verb == 'counted':
            return self.check_counters(gpa, size, value)
        elif verb == 'refused':
            now, before = self.counters(), self.mark
            self.mark = now
            if now['failed-requests'] != before['failed-requests'] + 1:
                return 'failed-requests did not count it'
        elif verb == 'watch':
            self.watch(gpa, size, value)
        elif verb == 'watched':
            self.stop_watching()
            if self.seen:
                return f'seen {self.seen} times in {self.looks} looks'
        else:
            return f'unknown request {verb}'
        return None

    def check_all_resident(self, most):
        """Both halves together, with what a bound may be off."""
        found = sum(self.allocated(descriptor, 0, self.size)
                    for descriptor in (self.shared, self.private)
                    if descriptor is not None)
        return None if found <= most * 1.02 else \
            f'{found} bytes have backing, and {most} were touched'

    def check_huge(self, expected):
        """Huge pages allocated, bytes given back and held back."""
        now = self.counters()
        blocks = os.fstat(self.shared).st_blocks - self.blocks
        found = (blocks * 512 // (2 * MIB),
                 *(now[key] - self.mark[key]
                   for key in ('discarded-shared',
                               'shared-held-by-huge-pages')))
        return None if found == expected else \
            f'expected {expected} found {found}'

    def check_backing(self, start, size, private):
        """What each half has to have by the policy, to the byte."""
        drops_shared = self.policy in ('both', 'shared')
        drops_private = self.policy in ('both', 'private')
        expected = (0 if private and drops_shared else size,
                    0 if not private and drops_private else size)
        if self.private is None:
            return 'no memfd of the private half in QEMU'
        found = (self.allocated(self.shared, start, size),
                 self.allocated(self.private, start, size))
        if found == expected:
            return None
        return (f'expected {expected} bytes of backing, shared and private, '
                f'found {found}')
