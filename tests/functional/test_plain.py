# SPDX-License-Identifier: GPL-2.0-or-later
"""The same build still runs guests that are not confidential."""
import os

import pytest

from linux_guest import linux, plain


@pytest.mark.parametrize('vcpus', [1, 2])
def test_plain_linux(start, folder, vcpus):
    """OVMF and Linux to userspace and power-off."""
    guest = start(*plain(vcpus=vcpus), *linux(folder))
    serial = guest.finish()
    assert f'userspace: {vcpus} CPUs' in serial
    assert 'SEV' not in serial


def test_plain_seabios(start, folder):
    """SeaBIOS and Linux on the default machine."""
    guest = start('-accel', 'tcg', '-m', '512M', *linux(folder))
    assert 'userspace: 1 CPUs' in guest.finish()


@pytest.mark.skipif(not os.access('/dev/kvm', os.R_OK | os.W_OK),
                    reason='this machine has no KVM')
@pytest.mark.parametrize('machine', ['q35', 'pc'])
def test_plain_kvm(start, machine):
    """KVM takes a plain machine; no vCPU runs, as KVM here may be a slow one.
    """
    guest = start('-accel', 'kvm', '-machine', machine, '-S')
    assert guest.cmd('query-kvm')['enabled']
    assert guest.cmd('query-status')['status'] == 'prelaunch'
