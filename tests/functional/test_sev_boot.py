# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified firmware and kernels run as SEV and SEV-ES guests, emulated."""
import base64
import re

import pytest

from linux_guest import linux, sev

MIB = 1 << 20
# Bits of the policy: 0 no debugging, 2 SEV-ES
SEV, ES = 1, 5
FEATURES = {SEV: 'AMD SEV', ES: 'AMD SEV SEV-ES'}
# What the first guest of each kind says when it starts
NAMES = {SEV: 'SEV', ES: 'SEV-ES'}


def check_kernel(serial, policy, vcpus=1):
    """Check that Linux got to userspace and knows what kind of guest it is."""
    line = re.search('Memory Encryption Features active: (.*)', serial)
    assert line and line[1].strip() == FEATURES[policy]
    assert 'Hypervisor detected: KVM' in serial
    assert f'userspace: {vcpus} CPUs' in serial
    assert not re.search(r'WARNING: CPU|Call Trace|kernel BUG', serial)


def power_off(guest):
    """Let the guest come to its end; QEMU stays to be asked."""
    guest.wait_for('userspace: end')
    event = guest.wait_event('SHUTDOWN')
    assert event['data']['reason'] == 'guest-shutdown'


def by_cause(guest):
    """What was converted, by cause."""
    return {entry['cause']: entry
            for entry in guest.cmd('query-upm')['conversions']}


@pytest.mark.parametrize('vcpus', [1, 4])
@pytest.mark.parametrize('policy', [SEV, ES])
def test_linux(start, folder, policy, vcpus):
    """Firmware and Linux to userspace and power-off, private memory.

    Linux tells of all that it shares, 64 MiB for devices at least: hypercalls
    are what moves pages.
    """
    guest = start(*sev(policy, vcpus=vcpus), *linux(folder), '-no-shutdown')
    power_off(guest)
    check_kernel(guest.serial, policy, vcpus)
    assert (f'{NAMES[policy]} is emulated: nothing in this guest is '
            'confidential') in guest.messages()
    info = guest.cmd('query-upm')
    assert info['shared-bytes'] >= 64 * MIB
    found = by_cause(guest)
    assert found['hypercall']['kind'] == 'explicit'
    assert found['hypercall']['to-shared-bytes'] >= 64 * MIB
    assert 'ghcb' not in found
    # What is shared without a word: GHCBs, and what firmware hands over
    if 'fault' in found:
        assert found['fault']['to-shared-bytes'] < MIB * 16


@pytest.mark.parametrize('policy', [SEV, ES])
def test_boot_manager(start, policy):
    """Stock firmware without a disk gets to its boot manager."""
    guest = start(*sev(policy))
    guest.wait_for('BdsDxe')


@pytest.mark.parametrize('policy', [SEV, ES])
def test_cbit_47(start, folder, policy):
    """The C-bit of older processors."""
    args = [arg.replace('cbitpos=51', 'cbitpos=47') for arg in sev(policy)]
    guest = start(*args, *linux(folder))
    check_kernel(guest.finish(), policy)


def test_reboot(start, folder):
    """A guest with SEV alone can be reset, as registers are QEMU's."""
    script = 'echo again: $(cat /proc/uptime)'
    guest = start(*sev(SEV), *linux(folder, script), '-no-shutdown',
                  '-action', 'reboot=reset')
    power_off(guest)
    guest.cmd('system_reset')
    guest.wait_event('RESET')
    guest.cmd('cont')
    guest.wait_for(r'(?s)userspace: end.*userspace: end')
    assert guest.serial.count('again: ') == 2
    check_kernel(guest.serial, SEV)


def digest(guest):
    """What QEMU has launched, which the firmware has measured."""
    ours = guest.cmd('query-sev')['launch']['digest']
    report = base64.b64decode(guest.cmd(
        'query-sev-attestation-report',
        mnonce=base64.b64encode(bytes(16)).decode())['data'])
    assert report[16:48].hex() == ours
    return ours


def check_reboots(start, folder, args):
    """A guest with SEV-ES is launched again, by itself and from outside."""
    guest = start(*args, *linux(folder, 'reboot -f\nsleep 1000\n'),
                  '-action', 'reboot=reset')
    guest.wait_for('userspace: ')
    before = digest(guest)
    for _ in range(2):
        guest.wait_event('RESET')
        assert digest(guest) == before
    guest.wait_for(r'(?s)userspace: .*userspace: ')
    guest.cmd('system_reset')
    guest.wait_for(r'(?s)(userspace: .*){3}')
    assert guest.serial.count(FEATURES[ES]) >= 3
    assert (f'SEV-ES: the guest was launched again, launch digest {before}'
            in guest.messages())
    guest.shutdown()


def test_es_reboots(start, folder):
    """With private memory."""
    check_reboots(start, folder, sev(ES, memory='512M'))


def test_hidden_kvm(start, folder):
    """Without KVM's leaves a kernel tells nothing, and boots all the same."""
    guest = start(*sev(SEV, cpu='EPYC-v4,kvm=off'), *linux(folder),
                  '-no-shutdown')
    guest.wait_for('userspace: end')
    assert 'Hypervisor detected: KVM' not in guest.serial
    found = by_cause(guest)
    assert 'hypercall' not in found
    assert found['fault']['to-shared-bytes']


def test_no_smm(refusal):
    """C-bit addresses do not exist in SMM's address space."""
    args = [arg.replace('q35,', 'q35,smm=on,') for arg in sev(SEV)]
    assert 'no SMM under TCG; use -machine smm=off' in refusal(*args)
