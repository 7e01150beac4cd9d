# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux's own tests of SEV, as built from Debian's linux-source."""
import subprocess

import pytest

from l1 import TOP

pytestmark = pytest.mark.at_length
SELFTESTS = ('sev_smoke_test', 'sev_init2_tests', 'sev_migrate_tests')


@pytest.fixture(scope='module', name='folder')
def selftests():
    """Where they are; built the first time."""
    done = subprocess.run([TOP / 'scripts/lab-kernel', '-s'], check=True,
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize('name', SELFTESTS)
def test_selftest(host, folder, name):
    """It passes; 4 would be that it found no SEV and skipped all."""
    status, output = host.run(f'{folder}/{name}', 300)
    assert status == 0, output[-3000:]
