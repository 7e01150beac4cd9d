# SPDX-License-Identifier: GPL-2.0-or-later
"""The event log of a measured boot.

TCG PC Client Platform Firmware Profile, 10.2: TCG_PCR_EVENT, then
TCG_PCR_EVENT2 with a digest for each bank.
"""
import hashlib
import struct
import typing

EV_NO_ACTION = 3
ALGORITHMS = {0x4: 'sha1', 0xb: 'sha256', 0xc: 'sha384', 0xd: 'sha512'}
SPEC_ID = b'Spec ID Event03\0'
STARTUP = b'StartupLocality\0'


class LogError(Exception):
    """It is no log."""


class Event(typing.NamedTuple):
    """One measurement."""
    pcr: int
    kind: int
    digests: dict
    data: bytes


class Reader:
    """Takes numbers and bytes off a log."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, size):
        """The next bytes."""
        if self.at + size > len(self.data):
            raise LogError(f'it ends within an event, at {self.at}')
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        """The next number."""
        return int.from_bytes(self.bytes(size), 'little')


def banks(data):
    """Names of the hashes that a log's first event promises, in order."""
    if not data.startswith(SPEC_ID):
        raise LogError('its first event is no Spec ID event')
    count, = struct.unpack_from('<I', data, 24)
    pairs = struct.iter_unpack('<HH', data[28:28 + 4 * count])
    return [ALGORITHMS[algorithm] for algorithm, _ in pairs]


def events(data):
    """All events of a log but the first one, which describes it."""
    reader = Reader(data)
    reader.bytes(4 + 4 + 20)
    names = banks(reader.bytes(reader.number(4)))
    found = []
    while reader.at < len(data):
        pcr, kind, count = (reader.number(4) for _ in range(3))
        if count != len(names):
            raise LogError(f'{count} digests where there are {len(names)}')
        digests = {}
        for _ in range(count):
            name = ALGORITHMS[reader.number(2)]
            digests[name] = reader.bytes(hashlib.new(name).digest_size)
        found.append(Event(pcr, kind, digests,
                           reader.bytes(reader.number(4))))
    return found


def replay(found, bank):
    """The PCRs after these events, in hexadecimal."""
    size = hashlib.new(bank).digest_size
    pcrs = {}
    for event in found:
        if event.kind == EV_NO_ACTION:
            if event.data.startswith(STARTUP):
                pcrs[0] = bytes(size - 1) + event.data[16:17]
            continue
        old = pcrs.get(event.pcr, bytes(size))
        pcrs[event.pcr] = hashlib.new(
            bank, old + event.digests[bank]).digest()
    return {number: value.hex() for number, value in pcrs.items()}
