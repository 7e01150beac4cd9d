# SPDX-License-Identifier: GPL-2.0-or-later
"""The eight cases of the seed, for each kind of guest in each mode.

The manual's table of them (docs/system/i386/upm.rst) names the tests below.
"""
import functools
import re
import subprocess

import pytest

import payload as guest

CASES = ('PMPAT', 'PMSAT', 'SMSAT', 'SMPAT', 'PSAT', 'SPAT', 'PSPAHCT',
         'PSAWDAT')
KINDS = ('sev', 'es', 'snp')
PAYLOADS = {'on': 'seeds', 'off': 'seeds_off'}
# With private memory the policy says what the host finds in its half.
POLICIES = {'on': ('both', 'shared', 'private', 'none'), 'off': (None,)}
# An SNP guest has private memory, or is none.
RUNS = [(kind, mode) for mode in PAYLOADS for kind in KINDS
        if (kind, mode) != ('snp', 'off')]
MANUAL = guest.TOP / 'docs/system/i386/upm.rst'


@pytest.fixture(scope='module', autouse=True)
def images():
    subprocess.run(['make', '-s', '-C', str(guest.HERE),
                    f'out={guest.BUILD / "guest"}'], check=True)


@functools.lru_cache(maxsize=None)
def run(kind, mode, policy):
    return guest.run(PAYLOADS[mode], kind=kind, mode=mode, policy=policy)


def checks_of(kind, mode, case):
    """The names of a case's checks; without a second half PSAWDAT has none."""
    return [name for name in guest.check_names(PAYLOADS[mode], kind)
            if name.partition('/')[2].startswith(case + '-')]


def cells():
    for kind, mode in RUNS:
        for case in CASES:
            if checks_of(kind, mode, case):
                yield pytest.param(kind, mode, case,
                                   id=f'{kind}-{mode}-{case}')


@pytest.mark.parametrize('kind, mode, case', cells())
def test_cell(kind, mode, case):
    """Every check of the case is made, and is true."""
    for policy in POLICIES[mode]:
        result = run(kind, mode, policy)
        for name in checks_of(kind, mode, case):
            found = result.checks.get(name, ('not reported', result.text()))
            assert found[0] == 'ok', f'{policy}: {name}: {found[1]}'


@pytest.mark.parametrize('kind, mode', RUNS)
def test_end(kind, mode):
    """The payload came to its end, and reported nothing else."""
    for policy in POLICIES[mode]:
        result = run(kind, mode, policy)
        assert result.ended_well(), result.text()
        assert set(result.checks) == set(
            guest.check_names(PAYLOADS[mode], kind))


@pytest.mark.parametrize('kind, mode', [run for run in RUNS
                                        if run[0] != 'snp'])
def test_flips(kind, mode):
    """A guest that uses all it has through both views in turn harms nobody."""
    result = guest.run('flips', kind=kind, mode=mode, smp=2)
    for name in guest.check_names('flips', kind):
        assert result.checks.get(name, ['missing'])[0] == 'ok', result.text()
    assert {'on': '# two halves', 'off': '# in place'}[mode] in result.lines
    assert result.ended_well(), result.text()


@pytest.mark.parametrize('accel', ['tcg', 'kvm'])
def test_snp_off(accel):
    """There is no SNP guest without private memory, whoever runs it."""
    words = guest.arguments('seeds', accel=accel)
    words = [re.sub('(sev-snp-guest.*)', r'\1,upm-mode=off', word)
             for word in words]
    done = subprocess.run([guest.qemu_binary(), *words, '-display', 'none'],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'upm-mode=off cannot hold for an SEV-SNP guest' in done.stderr


def manual_rows():
    """The rows of the manual's table: {case: cells}."""
    text = MANUAL.read_text()
    rows = re.findall(r'^(\w+) +((?:\S+ +){7}\S+)$', text, re.M)
    return {case: found.split() for case, found in rows if case in CASES}


# Column by column, of the guest world and of the host world: the payload of
# the cell's test.  A letter is for a test, a number for a reason.
COLUMNS = [('sev', 'seeds'), ('es', 'seeds'), ('snp', 'seeds'),
           ('sev', 'seeds_off'), ('es', 'seeds_off'),
           ('snp', 'seeds'), ('sev', 'seeds_plain'), ('es', 'seeds_plain')]


def has_checks(kind, payload, case):
    """Does a payload make checks of a case?"""
    return any(name.partition('/')[2].startswith(case + '-')
               for name in guest.check_names(payload, kind))


def test_manual():
    """The table has a test where there is one, and a reason elsewhere."""
    rows = manual_rows()
    text = MANUAL.read_text()
    assert list(rows) == list(CASES)
    for case, found in rows.items():
        for (kind, payload), cell in zip(COLUMNS, found):
            assert cell.isalpha() == has_checks(kind, payload, case), case
        for cell in found:
            assert re.search(rf'^\*\*{cell}\*\* ', text, re.M), cell


def test_manual_names():
    """The tests that the manual names are there."""
    text = MANUAL.read_text()
    names = re.findall(r'``((?:tests/\w+/)?test_\w+\.py)::(\w+)``', text)
    assert len(names) >= 6
    for path, function in names:
        file, = [found for found in (guest.TOP / 'tests').rglob('test_*.py')
                 if str(found).endswith('/' + path)]
        assert re.search(rf'^def {function}\(', file.read_text(), re.M), path


def test_image():
    for name in ('seeds_off', 'seeds_plain', 'flips', 'rate'):
        subprocess.run([str(guest.HERE / 'check_image.py'),
                        str(guest.image(name))], check=True)
