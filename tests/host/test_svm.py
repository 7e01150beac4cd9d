# SPDX-License-Identifier: GPL-2.0-or-later
"""SVM as a bare-metal host sees it: TCG's own, and of encrypted guests."""
import metal
import pytest


@pytest.fixture(scope='module', autouse=True)
def images():
    metal.build()


@pytest.mark.parametrize('name', ['svm_assist', 'svm_tlb', 'edge', 'walk_device'])
def test_payload(name):
    metal.check(name)


@pytest.mark.parametrize('name', ['es', 'snp', 'rmp', 'hostile'])
def test_encrypted(name):
    metal.check(name, machine=metal.HOST)


@pytest.mark.parametrize('machine', [metal.PLAIN, metal.HOST])
def test_once(machine):
    """An injected interrupt is delivered once, whatever the vCPU is asked."""
    metal.check('svm_once', machine=machine)


def test_two_cpus():
    """One writes to the VMCB that the other runs, and interrupts it."""
    metal.check('svm_two', '-smp', '2', machine=metal.HOST)


@pytest.mark.at_length
@pytest.mark.parametrize('machine', [metal.PLAIN, metal.HOST])
def test_chance(machine):
    done, starts, resets = metal.chance('svm_chance', 20, 100,
                                        machine=machine)
    print(f'{done} rounds, {starts} starts, {resets} resets')
