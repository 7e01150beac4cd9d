# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads of tests/guest as guests of L1's KVM, against the guest world.

What differs is named in differences.tsv, a row each, with the source that
decides who is right.
"""
import dataclasses
import fnmatch
import functools
import json
import pathlib
import re
import shlex

import payload as guest
from l1 import TOP
from test_guest import GUEST_WORLD, STOPPED, STOPPED_KINDS, VARIANTS

HERE = pathlib.Path(__file__).parent
TABLE = HERE / 'differences.tsv'
# Looked at like checks: how a run ended, and the last check that it reported
# where the guest world goes on to others.
END = '(end)'
LAST = '(last)'
# In QEMU's messages or its status where the payload ends well in both worlds
GOOD_END = f'status {guest.EXIT_GOOD}'
# Seconds of L1's clock, which goes on where L1 has no CPU
LIMIT = 2400
# What says that a check was not reported, though later ones were
MISSING = 'missing'
# A function, a table of functions or the architecture's manual
SOURCE = re.compile(r'\w\(\)|\w_fops\b|\bAPM volume \d')


@dataclasses.dataclass
class Row:
    """One known difference: patterns, and why it is there."""
    payload: str
    check: str
    says: str
    why: str
    used: bool = False

    def knows(self, payload, check, text):
        """Is this the difference that the row tells of?

        No pattern is for the end of a run, or for how far it came.
        """
        if not fnmatch.fnmatchcase(payload, self.payload):
            return False
        if check in (END, LAST):
            return self.check == check and self.says == text
        return fnmatch.fnmatchcase(check, self.check) and \
            re.search(self.says, text) is not None


def rows(text=None):
    """The rows of the table."""
    lines = (TABLE.read_text() if text is None else text).splitlines()
    return [Row(*line.split('\t')) for line in lines
            if line and not line.startswith('#')]


def names():
    """All payloads that have checks of their own, and are for KVM, too."""
    return [name for name in [*VARIANTS, *STOPPED] if name not in GUEST_WORLD]


def options(payload):
    """How it is run: the first variant of the guest world's.

    What KVM ends a guest for has others for other hypervisors only.  Of the
    kinds only SNP has private memory there.
    """
    if payload in STOPPED_KINDS:
        return {'smp': 2, 'kind': STOPPED_KINDS[payload], 'mode': 'off'}
    if payload in STOPPED:
        return {'smp': 2}
    return next(iter(VARIANTS[payload].values()))


def command(payload):
    """What L1 runs; who waits for it knows better when it takes too long."""
    return shlex.join(['python3', '-B', f'{TOP}/tests/host/run_payload.py',
                       str(LIMIT), str(LIMIT), payload,
                       json.dumps(options(payload))])


@functools.lru_cache(maxsize=None)
def guest_world(payload):
    """The checks of the guest world, in the order they are made there."""
    return guest.run(payload, **options(payload)).checks


def parse(output):
    """The record of a run, or None where there is none."""
    lines = [line for line in output.splitlines() if line.startswith('{')]
    return json.loads(lines[-1]) if lines else None


def end_of(record):
    """How a run ended."""
    if record['silent']:
        return 'silent'
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


def not_reported(record, wanted, world):
    """Yield what is missing: how far the run came, and gaps before that."""
    lost = [name for name in wanted if name not in record['checks']]
    if not lost:
        return
    last = list(record['checks'] or ['none'])[-1]
    order = list(world(record['payload']))
    behind = order[order.index(last) + 1 if last in order else 0:]
    yield from ((name, MISSING) for name in lost if name not in behind)
    if any(name in behind for name in lost):
        yield LAST, last


def differences(record, wanted, world):
    """Yield (check, what KVM said) of what the guest world answers otherwise.

    wanted are the names of the checks; world gives those of a payload in the
    guest world, with their states, where they are needed.
    """
    for name, (state, detail) in record['checks'].items():
        if name not in wanted:
            yield name, f'not known, {state}: {detail}'
        elif state == 'skip':
            if world(record['payload']).get(name, 'none')[0] != 'skip':
                yield name, f'skip: {detail}'
        elif state != 'ok':
            yield name, f'{state}: {detail}'
    yield from not_reported(record, wanted, world)
    if end_of(record) != expected_end(record['payload']):
        yield END, end_of(record)


def compare(record, table, wanted=None, world=guest_world):
    """What no row of the table knows, and rows that nothing was found for.

    Rows for several payloads are marked as used only: see unused().
    """
    name = record['payload']
    wanted = wanted or guest.check_names(name, STOPPED_KINDS.get(name, 'snp'))
    unknown = []
    for check, text in differences(record, wanted, world):
        found = [row for row in table if row.knows(name, check, text)]
        for row in found:
            row.used = True
        if not found:
            unknown.append(f'{check}: {text}')
    stale = [f'{row.check}: {row.says}' for row in table
             if row.payload == name and not row.used]
    return unknown, stale


def unused(table):
    """Rows that no payload has used."""
    return [row for row in table if not row.used]


def misfits(row, known):
    """What is wrong with a row by itself; known has each payload's checks."""
    if not all((row.check, row.says, row.why)):
        yield 'a column is empty'
    if not SOURCE.search(row.why):
        yield 'no source decides it'
    if row.check in (END, LAST):
        if row.payload not in known:
            yield f'no payload {row.payload}'
        elif row.check == LAST and row.says not in ('none',
                                                    *known[row.payload]):
            yield f'{row.says} is none of its checks'
        return
    if not any(fnmatch.fnmatchcase(name, row.payload) and
               fnmatch.fnmatchcase(check, row.check)
               for name, checks in known.items() for check in checks):
        yield 'no such check'
    if re.search(row.says, MISSING) and row.check not in known.get(
            row.payload, ()):
        yield 'it would hide what is not reported: name the check'
