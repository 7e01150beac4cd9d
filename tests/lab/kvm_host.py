# SPDX-License-Identifier: GPL-2.0-or-later
"""What payloads under KVM ask the host for, see run_payload.py."""
import os
import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / 'guest'))
# pylint: disable=wrong-import-position
from host_side import Host, MIB  # noqa: E402

# What ends a run that hangs, in seconds of the lab's clock, which goes on where
# the lab has no CPU; test_lab.py knows better when a run takes too long.
LIMIT = 2400
DIMM_MIB = 128
# What a log of dirty pages is asked for with
DIRTY = {
    'no-dirty-bitmap': ('calc-dirty-rate',
                        {'calc-time': 1, 'mode': 'dirty-bitmap'}),
    'no-dirty-bitmap-hmp': ('human-monitor-command',
                            {'command-line': 'calc_dirty_rate -b 1'}),
    'no-dirty-ring': ('calc-dirty-rate',
                      {'calc-time': 1, 'mode': 'dirty-ring'}),
    'no-dirty-limit': ('set-vcpu-dirty-limit', {'dirty-rate': 1}),
}
COUNT = {'count-resident': True}


class KvmHost(Host):
    """As for SNP payloads, but explicit conversions are hypercalls."""

    CAUSES = ('hypercall', 'fault')

    def __init__(self, guest):
        super().__init__(guest.process.pid, guest.monitor,
                         guest.options.get('policy'),
                         guest.blocks[0] * MIB, None)
        self.guest = guest
        self.parts = []
        start = 0
        for mib in guest.blocks:
            part = self if not start else Host(
                guest.process.pid, guest.monitor, None, mib * MIB, None)
            self.parts.append((start, part.shared, mib * MIB))
            start += mib * MIB

    def pieces(self, start, size):
        """Yield descriptor, offset and size of each block's part."""
        for begin, shared, length in self.parts:
            low = max(start, begin)
            high = min(start + size, begin + length)
            if low < high:
                yield shared, low - begin, high - low

    def read(self, start, size):
        return b''.join(os.pread(shared, length, offset) for
                        shared, offset, length in self.pieces(start, size))

    def write(self, start, data):
        for shared, offset, length in self.pieces(start, len(data)):
            os.pwrite(shared, data[:length], offset)
            data = data[length:]

    def faults(self):
        """Faults that guest accesses have taken, as KVM counts them."""
        found = self.monitor.command(
            'query-stats', target='vcpu',
            providers=[{'provider': 'kvm', 'names': ['pf_taken']}])
        return sum(entry['stats'][0]['value'] for entry in found)

    def private_bytes(self):
        info = self.monitor.command('query-upm')
        return sum(block['private-bytes'] for block in info['blocks'])

    def held_by_errors(self, shared, private):
        """So many bytes could not be discarded, and stay."""
        info = self.monitor.command('query-upm')
        found = info['shared-held-by-errors'], info['private-held-by-errors']
        if found != (shared, private) or not info['failed-discards']:
            return f'held {found}, failed {info["failed-discards"]} times'
        return None

    def unplugged(self, dimm):
        """Is a DIMM gone?  The memory behind it goes with the last user.

        From there on nobody may look at it, whatever is asked.
        """
        backend = f'ram-dimm{dimm}'
        ends = time.monotonic() + LIMIT / 4
        while self.monitor.command('query-memory-devices'):
            if time.monotonic() > ends:
                return f'DIMM {dimm} is still there'
            time.sleep(0.01)
        self.monitor.command('object-del', id=backend)
        while backend in [block['id'] for block in
                          self.monitor.command('query-upm', **COUNT)['blocks']]:
            if time.monotonic() > ends:
                return f'memory of DIMM {dimm} is still there'
            time.sleep(0.01)
        return None

    def no_dirty_log(self, verb):
        """What takes a log of dirty pages is refused, and says so."""
        name, arguments = DIRTY[verb]
        try:
            found = self.monitor.command(name, **arguments)
        except RuntimeError as error:
            self.guest.say(f'refused: {error}')
            return None
        # HMP has no errors but words.
        if found and 'error' in found.lower():
            self.guest.say(f'refused: {found.strip()}')
            return None
        return f'{name} was not refused: {found}'

    def page_sampling(self):
        """The one measurement that asks KVM for nothing."""
        self.monitor.command('calc-dirty-rate', **{'calc-time': 1})
        ends = time.monotonic() + LIMIT / 4
        while time.monotonic() < ends:
            found = self.monitor.command('query-dirty-rate')['status']
            if found == 'measured':
                return None
            time.sleep(0.1)
        return f'the measurement is {found}'

    def plug(self, dimm):
        self.monitor.command('object-add', id=f'ram-dimm{dimm}',
                             size=DIMM_MIB * MIB, **{
                                 'qom-type': 'memory-backend-memfd-private'})
        self.monitor.command('device_add', driver='pc-dimm',
                             id=f'dimm{dimm}', memdev=f'ram-dimm{dimm}')

    def between(self, low, high):
        """Faults since the mark are within limits; sets a new mark."""
        now = self.faults()
        taken, self.mark_of_faults = now - self.mark_of_faults, now
        if not low <= taken <= high:
            return f'{taken} faults, not {low} to {high}'
        return None

    def pre_faulted(self, gpa, size):
        """What the trace has since the last look is one call, or none."""
        wanted = [f'upm_kvm_pre_fault cpu 0 {gpa:#x} +{size:#x}, 0x0 left: 0'] \
            if size else []
        found = self.guest.new_trace()
        if found != wanted:
            return f'traced {found}, not {wanted}'
        return None

    def serve(self, verb, gpa, size, value):
        wrong = None
        if verb == 'faults-mark':
            self.mark_of_faults = self.faults()
        elif verb == 'faults':
            wrong = self.between(gpa, size)
        elif verb == 'pre-faulted':
            wrong = self.pre_faulted(gpa, size)
        elif verb == 'private':
            found = self.private_bytes()
            if found != gpa:
                wrong = f'{found:#x} bytes are private, not {gpa:#x}'
        elif verb == 'held-by-errors':
            wrong = self.held_by_errors(gpa, size)
        elif verb == 'plug':
            self.plug(gpa)
        elif verb == 'unplug':
            self.monitor.command('device_del', id=f'dimm{gpa}')
        elif verb == 'unplugged':
            wrong = self.unplugged(gpa)
        elif verb in DIRTY:
            wrong = self.no_dirty_log(verb)
        elif verb == 'page-sampling':
            wrong = self.page_sampling()
        else:
            wrong = super().serve(verb, gpa, size, value)
        return wrong


class PlainHost(KvmHost):
    """Unpatched QEMU: nobody counts."""

    def serve(self, verb, *numbers):
        if verb in ('mark', 'counted', 'private', 'held-by-errors'):
            return None
        return super().serve(verb, *numbers)
