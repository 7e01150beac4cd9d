# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot hold is refused, with the reason."""
import pytest

from qemu.qmp import QMPError

from linux_guest import snp


def test_no_silent_emulation(refusal):
    """An accelerator list does not fall back to emulation by itself."""
    kvm = ['-accel', 'kvm,device=/dev/null']
    message = refusal(*kvm, *snp())
    assert 'emulated=on' in message


def test_emulation_on_request(start):
    """It does where the guest object says so."""
    kvm = ['-accel', 'kvm,device=/dev/null']
    guest = start(*kvm, *snp(guest=',emulated=on'))
    guest.wait_for('BdsDxe')


def test_record_replay(refusal, folder):
    """Recording needs a memory that can be saved."""
    message = refusal('-icount', f'shift=auto,rr=record,rrfile={folder}/rr',
                      *snp())
    assert 'SEV' in message or 'SNP' in message


def test_migration(start, folder):
    """Neither migration nor snapshots."""
    guest = start(*snp())
    with pytest.raises(QMPError, match='SEV|SNP'):
        guest.cmd('migrate', uri=f'file:{folder}/state')
    message = guest.cmd('human-monitor-command',
                        **{'command-line': 'savevm one'})
    assert 'SEV' in message or 'SNP' in message
    assert guest.cmd('query-status')['running']
