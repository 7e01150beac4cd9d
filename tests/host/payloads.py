# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads of tests/guest as guests of L1's KVM, against the guest world.

What differs is named in differences.tsv, a row each, with the source that
decides who is right.
"""
import dataclasses
import fnmatch
import json
import pathlib
import re
import shlex

import payload as guest
from l1 import TOP
from test_guest import STOPPED, VARIANTS

HERE = pathlib.Path(__file__).parent
TABLE = HERE / 'differences.tsv'
# The end of a run is looked at like a check of this name.
END = '(end)'
# In QEMU's messages or its status where the payload ends well in both worlds
GOOD_END = f'status {guest.EXIT_GOOD}'


@dataclasses.dataclass
class Row:
    """One known difference: patterns, and why it is there."""
    payload: str
    check: str
    says: str
    why: str
    used: bool = False

    def knows(self, payload, check, text):
        """Is this the difference that the row tells of?"""
        return fnmatch.fnmatchcase(payload, self.payload) and \
            fnmatch.fnmatchcase(check, self.check) and \
            re.search(self.says, text) is not None


def rows():
    """The rows of the table."""
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith('#'):
            yield Row(*line.split('\t'))


def names():
    """All payloads that have checks of their own."""
    return [*VARIANTS, *STOPPED]


def command(payload, limit):
    """What L1 runs: the first variant of the guest world's."""
    options = next(iter(VARIANTS.get(payload, {'plain': {'smp': 2}}).values()))
    return shlex.join(['python3', '-B', f'{TOP}/tests/host/run_payload.py',
                       str(limit), payload, json.dumps(options)])


def parse(output):
    """The record of a run, or None where there is none."""
    lines = [line for line in output.splitlines() if line.startswith('{')]
    return json.loads(lines[-1]) if lines else None


def end_of(record):
    """How a run ended."""
    if record['state']:
        return f'state {record["state"]}'
    return f'status {record["status"]}'


def expected_end(payload):
    """How it ends in the guest world."""
    if payload not in STOPPED:
        return GOOD_END
    state = STOPPED[payload][0]
    # Without a guest that can be reset QEMU ends.
    return 'status 0' if state == 'shutdown' else f'state {state}'


def differences(record):
    """Yield (check, what KVM said) of what the guest world answers better."""
    for name in guest.check_names(record['payload']):
        state, detail = record['checks'].get(name, ('missing', ''))
        if state not in ('ok', 'skip'):
            yield name, f'{state}: {detail}'
    if end_of(record) != expected_end(record['payload']):
        yield END, end_of(record)


def compare(record, table):
    """What no row of the table knows, and rows that nothing was found for."""
    name = record['payload']
    unknown = []
    for check, text in differences(record):
        found = [row for row in table if row.knows(name, check, text)]
        for row in found:
            row.used = True
        if not found:
            unknown.append(f'{check}: {text}')
    # Rows for several payloads are not looked at here.
    stale = [row.check for row in table
             if row.payload == name and not row.used]
    return unknown, stale
