# SPDX-License-Identifier: GPL-2.0-or-later
"""Real huge pages as the shared half; reserved here and given back."""
import pathlib

import pytest

import payload as guest
from test_guest import images  # noqa: F401  pylint: disable=unused-import

SIZE_MIB = 64
RESERVED = pathlib.Path('/sys/kernel/mm/hugepages/hugepages-2048kB/'
                        'nr_hugepages')


# Pages that are there, and what makes that many enough: the payload uses one
# and the launch another, while a mapping reserves them all.
RUNS = {'reserved': (SIZE_MIB // 2, ''), 'unreserved': (3, ',reserve=off')}


@pytest.fixture(scope='module', params=RUNS)
def result(request):
    """What the payload reports, on a machine that has the pages."""
    pages, option = RUNS[request.param]
    try:
        before = int(RESERVED.read_text())
        RESERVED.write_text(str(before + pages))
    except OSError as error:
        pytest.skip(f'huge pages can not be reserved here: {error}')
    try:
        if int(RESERVED.read_text()) < before + pages:
            pytest.skip('the kernel found too few huge pages')
        return guest.run('huge', size_mib=SIZE_MIB, policy='both',
                         backend=f',hugetlb=on,hugetlbsize=2M{option}')
    finally:
        RESERVED.write_text(str(before))


@pytest.mark.parametrize('name', guest.check_names('huge'))
def test_check(result, name):
    """One check of the payload."""
    assert result.checks.get(name, ('missing', result.text()))[0] == 'ok', \
        result.text()


def test_end(result):
    """It came to its end."""
    assert result.ended_well(), result.text()
