# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts of the other CPU models: Linux finds SEV-SNP, and a guest runs.

Later kernels read the RMP of EPYC-Turin by the instruction RMPREAD.
"""
import contextlib

import pytest

import l2
from runs import Runs

pytestmark = pytest.mark.at_length


@pytest.mark.parametrize('cpu, suite', [
    ('EPYC-Genoa', None), ('EPYC-Turin', None),
    ('EPYC-Turin', 'trixie-backports')])
def test_model(cpu, suite):
    """The command line is the one of the manual, but for the model."""
    runs = Runs(f'models-{cpu}', suite,
                extra=('-cpu', cpu, '-trace', 'snp_host_rmpread'))
    with contextlib.closing(runs):
        assert 'kvm_amd: SEV-SNP enabled' in runs.console()
        name = runs.check('grep -m1 "model name" /proc/cpuinfo')
        assert f'AMD {cpu} Processor' in name
        l2.check_hello(*runs.run(l2.hello()))
        said = (runs.host.folder / 'qemu.log').read_text()
        assert ('snp_host_rmpread ' in said) == bool(suite)
