# SPDX-License-Identifier: GPL-2.0-or-later
"""The RMP, as a bare-metal host and its guests meet it."""
import metal
import pytest

TURIN = ('-machine', 'q35,snp-host=on', '-cpu', 'EPYC-Turin')


@pytest.mark.parametrize('name', ['rmp', 'rmp_guest', 'rmp_walk'])
@pytest.mark.parametrize('cpu', ['EPYC-Milan', 'EPYC-Genoa'])
def test_payload(name, cpu):
    metal.check(name, machine=('-machine', 'q35,snp-host=on', '-cpu', cpu))


def test_read():
    """RMPREAD, of the models that have it."""
    metal.check('rmp_read', machine=TURIN)


def test_two():
    """What another processor may write is taken away."""
    metal.check('rmp_two', '-smp', '2', machine=metal.HOST)


def test_device():
    """A device behind the IOMMU writes no page that is not the host's."""
    metal.check('dma', '-device', 'edu,addr=5', machine=metal.HOST)


# "make check" has the first part of a million rounds.
@pytest.mark.parametrize('part', [0, *(
    pytest.param(part, marks=pytest.mark.at_length) for part in range(1, 10))])
def test_chance(part):
    """Whatever an RMP says, QEMU goes on."""
    machine = metal.HOST if part % 2 else TURIN
    print(part, metal.chance('rmp_chance', 100000, machine=machine))
