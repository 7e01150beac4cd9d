# SPDX-License-Identifier: GPL-2.0-or-later
"""SVM as a bare-metal host sees it: TCG's own, and of encrypted guests."""
import metal
import pytest


@pytest.mark.parametrize('name', ['svm_assist', 'svm_tlb', 'edge', 'walk_device'])
def test_payload(name):
    metal.check(name)


@pytest.mark.parametrize('name', ['es', 'snp', 'hostile'])
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
@pytest.mark.parametrize('part', range(10))
@pytest.mark.parametrize('machine', [metal.PLAIN, metal.HOST])
def test_chance(machine, part):
    """Whatever a VMCB says, QEMU goes on."""
    print(part, metal.chance('svm_chance', 100000, machine=machine))
