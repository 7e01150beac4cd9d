# SPDX-License-Identifier: GPL-2.0-or-later
"""The RMP, as a bare-metal host and its guests meet it."""
import metal
import pytest


@pytest.fixture(scope='module', autouse=True)
def images():
    metal.build()


@pytest.mark.parametrize('name', ['rmp', 'rmp_guest', 'rmp_walk'])
@pytest.mark.parametrize('cpu', ['EPYC-Milan', 'EPYC-Genoa'])
def test_payload(name, cpu):
    metal.check(name, machine=('-machine', 'q35,snp-host=on', '-cpu', cpu))
