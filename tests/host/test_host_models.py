# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts of the other CPU models: Linux finds SEV-SNP, and a guest runs."""
import contextlib

import pytest

import l2
from runs import Runs

pytestmark = pytest.mark.at_length


@pytest.mark.parametrize('cpu', ['EPYC-Genoa', 'EPYC-Turin'])
def test_model(cpu):
    """The command line is the one of the manual, but for the model."""
    runs = Runs(f'models-{cpu}', extra=('-cpu', cpu))
    with contextlib.closing(runs):
        assert 'kvm_amd: SEV-SNP enabled' in runs.console()
        name = runs.check('grep -m1 "model name" /proc/cpuinfo')
        assert f'AMD {cpu} Processor' in name
        l2.check_hello(*runs.run(l2.hello()))
