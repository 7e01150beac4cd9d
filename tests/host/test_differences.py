# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of differences, and what reads it; no L1 is needed."""
import pytest

import payloads

WANTED = ['first', 'second', 'third', 'fourth']
TABLE = '''# payload, check, says, why
nae\tsecond\tfound 0x6\tsomebody
nae\t(last)\tthird\tsomebody
nae\t(end)\tstate internal-error\tsomebody
*\t*\tno memfd\tsomebody
'''


def world(_payload):
    """The guest world: all is well, in this order."""
    return {name: ('skip' if name == 'first' else 'ok', '')
            for name in WANTED}


def record(*reported, state='internal-error', status=0, silent=False,
           payload='nae'):
    """A run that knows of these checks: names, or (name, state, detail)."""
    checks = {}
    for check in reported:
        name, *result = (check, 'ok', '') if isinstance(check, str) else check
        checks[name] = result
    return {'payload': payload, 'checks': checks, 'state': state,
            'status': status, 'silent': silent}


SECOND = ('second', 'not ok', 'expected 0x0 found 0x6')


def compare(run, table=TABLE):
    """unknown and stale."""
    return payloads.compare(run, payloads.rows(table), WANTED, world)


def test_known():
    """A run that is as the table says."""
    assert compare(record('first', SECOND, 'third')) == ([], [])


def test_stale_row():
    """A row that nothing was found for fails its payload."""
    unknown, stale = compare(record('first', 'second', 'third'))
    assert not unknown
    assert stale == ['second: found 0x6']


def test_earlier_end():
    """That something is missing does not cover that more is."""
    unknown, stale = compare(record('first', SECOND))
    assert unknown == ['(last): second']
    assert stale == ['(last): third']
    assert compare(record())[0] == ['(last): none']


def test_later_end():
    """A run that comes further than it did makes the row stale."""
    unknown, stale = compare(record('first', SECOND, 'third', 'fourth'))
    assert not unknown
    assert stale == ['(last): third']


def test_other_end():
    """How the run ended is compared as a whole."""
    run = record('first', SECOND, 'third', state=None, status=35)
    unknown, stale = compare(run)
    assert unknown == ['(end): status 35']
    assert stale == ['(end): state internal-error']
    run = record('first', SECOND, 'third', silent=True)
    assert compare(run)[0] == ['(end): silent']


def test_gap():
    """A check that was left out, with later ones made, is a difference."""
    unknown, _ = compare(record(SECOND, 'third'))
    assert unknown == ['first: missing']


def test_pattern_hides_no_end():
    """Not even a row for all checks and all texts."""
    table = 'nae\t*\t.*\tsomebody\n'
    unknown, _ = compare(record('first', 'second'), table)
    assert unknown == ['(last): second', '(end): state internal-error']


def test_skip():
    """What is skipped here only is a difference."""
    run = record(('first', 'skip', 'why'), SECOND, ('third', 'skip', 'why'))
    assert compare(run) == (['third: skip: why'], [])


def test_unknown_check():
    """What reports more than it has is a difference, even if that is well."""
    unknown, _ = compare(record('first', SECOND, 'other', 'third'))
    assert unknown == ['other: not known, ok: ']


def test_row_for_several():
    """It is no payload's, but has to be of use to one of them."""
    table = payloads.rows(TABLE)
    run = record('first', SECOND, 'third')
    assert payloads.compare(run, table, WANTED, world) == ([], [])
    assert [row.says for row in payloads.unused(table)] == ['no memfd']
    run = record('first', ('second', 'not ok', 'no memfd here'), 'third')
    payloads.compare(run, table, WANTED, world)
    assert not payloads.unused(table)


@pytest.mark.parametrize('line', [
    'nae\t\tfound 0x6\twhy()', 'nae\tsecond\tfound 0x6\t',
    'nae\tfifth\tfound 0x6\twhy()', 'pse\tsecond\tfound 0x6\twhy()',
    'nae\t(last)\tfifth\twhy()', '*\t(end)\tstatus 0\twhy()',
    'nae\tsecond\tfound 0x6\tsomebody', 'nae\t*\tmissing\twhy()',
    'nae\tsec*\t.*\twhy()'])
def test_misfit(line):
    """Rows that are about nothing, or would hide too much."""
    row, = payloads.rows(line)
    assert list(payloads.misfits(row, {'nae': WANTED}))


def test_fit():
    """Others are fine."""
    for line in ('nae\tsec*\tfound 0x6\twhy()', 'nae\t(last)\tnone\twhy()',
                 'nae\tsecond\tmissing\tAPM volume 2, 3.1'):
        row, = payloads.rows(line)
        assert not list(payloads.misfits(row, {'nae': WANTED}))


def test_table():
    """Every row is about a payload and a check that there are."""
    known = {name: payloads.guest.check_names(name)
             for name in payloads.names()}
    wrong = [(row, problem) for row in payloads.rows()
             for problem in payloads.misfits(row, known)]
    assert not wrong
