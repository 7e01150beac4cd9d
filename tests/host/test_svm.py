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


@pytest.mark.at_length
@pytest.mark.parametrize('machine', [metal.PLAIN, metal.HOST])
def test_chance(machine):
    done, starts, resets = metal.chance('svm_chance', 10000, machine=machine)
    print(f'{done} rounds, {starts} starts, {resets} resets')
