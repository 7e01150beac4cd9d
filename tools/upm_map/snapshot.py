# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's memory at one time, wherever it comes from."""
import dataclasses
import typing

PAGE = 4096
STATES = 'private', 'shared'


class SourceError(Exception):
    """There is no snapshot; the text says why, and what to do."""


class Range(typing.NamedTuple):
    """Guest-physical memory with one page state."""

    gpa: int
    size: int
    state: str
    block: str = ''


class Conversions(typing.NamedTuple):
    """Requests that changed a page state so far, and bytes that changed."""

    requests: int = 0
    to_private: int = 0
    to_shared: int = 0


@dataclasses.dataclass
class Snapshot:
    """Page states, launch pages and accounts of one guest.

    time -- seconds, of whatever clock the source has
    ranges -- `Range`s in the order of addresses
    launch -- what the guest was launched with, guest-physical addresses by
        type; empty where there is no launch
    info -- the reply to query-upm, or what a trace has of it
    """

    time: float
    ranges: list
    launch: dict
    info: dict
    conversions: Conversions

    def total(self, state):
        """Return how many bytes have a state."""
        return sum(run.size for run in self.ranges if run.state == state)

    def as_json(self):
        """Return what json.dumps() takes."""
        return {'time': self.time,
                'ranges': [run._asdict() for run in self.ranges],
                'launch': self.launch,
                'conversions': self.conversions._asdict(),
                'info': self.info}


def rate(before, after):
    """Return bytes converted a second between two snapshots."""
    changed = (after.conversions.to_private + after.conversions.to_shared -
               before.conversions.to_private - before.conversions.to_shared)
    return max(changed, 0) / max(after.time - before.time, 1e-9)
