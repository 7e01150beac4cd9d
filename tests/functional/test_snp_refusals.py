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


def test_no_kernel_to_hash(refusal):
    """Hashes of a kernel need one."""
    message = refusal(*snp(firmware='OVMF.amdsev.fd',
                           guest=',kernel-hashes=on'))
    assert 'kernel-hashes=on needs a kernel' in message


def test_no_machine(refusal):
    """A machine that is no PC has no SEV."""
    message = refusal('-accel', 'tcg', '-machine',
                      'none,confidential-guest-support=sev0', '-object',
                      'sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1')
    assert 'needs a PC' in message


def test_plain_cpu_model(start):
    """A model that firmware will refuse is pointed out."""
    guest = start(*snp(cpu='qemu64'), '-S')
    assert 'has no XSAVEC' in guest.messages()
