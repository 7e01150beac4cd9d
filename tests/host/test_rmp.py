# SPDX-License-Identifier: GPL-2.0-or-later
"""The RMP, as a bare-metal host and its guests meet it."""
import metal
import pytest


@pytest.fixture(scope='module', autouse=True)
def images():
    metal.build()


@pytest.mark.parametrize('name', ['rmp', 'rmp_guest'])
@pytest.mark.parametrize('cpu', ['EPYC-Milan', 'EPYC-Genoa'])
def test_payload(name, cpu):
    metal.check(name, machine=('-machine', 'q35,snp-host=on', '-cpu', cpu))


def test_device():
    """A device behind the IOMMU writes no page that is not the host's."""
    metal.check('dma', '-device', 'edu,addr=5', machine=metal.HOST)
