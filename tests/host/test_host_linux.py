# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux as a guest of L1's KVM: ordinary, SEV, SEV-ES and SEV-SNP."""
import os

import pytest

import l2
from debian import fetch_package
from linux_guest import FIRMWARE, PLAIN_QEMU

pytestmark = pytest.mark.at_length
OPTIONS = {'cpus': 4}
LIMIT = 540
# In a row, in one L1
BOOTS = int(os.environ.get('UPM_HOST_BOOTS', 20))

needs_amdsev = pytest.mark.skipif(
    not (FIRMWARE / 'OVMF.amdsev.fd').exists(),
    reason='OVMF.amdsev.fd was not to be had')


def boot(host, kind, vcpus=1, **options):
    """Boot it to its end and look at what it said."""
    folder = host.get().folder / f'{kind}-{vcpus}'
    output = host.check(l2.boot_linux(folder, kind, vcpus, **options), LIMIT)
    l2.check_linux(output, kind, vcpus)
    return output


@pytest.mark.parametrize('vcpus', [1, 2])
def test_plain(host, vcpus):
    """A guest without SEV runs as on any KVM."""
    boot(host, 'plain', vcpus)


@pytest.mark.parametrize('vcpus', [1, 2, 4])
def test_snp(host, vcpus):
    """Stock firmware and a stock kernel to userspace and power-off."""
    output = boot(host, 'snp', vcpus)
    assert 'SEV: SNP running at VMPL0.' in output
    assert 'SEV: Using SNP CPUID table' in output


def test_two_at_once(host):
    """Two guests do not see each other."""
    folder = host.get().folder
    commands = [l2.boot_linux(folder / name, 'snp', script='md5sum /modules')
                for name in ('left', 'right')]
    host.check(f'{commands[0]} >$LAB/left.txt 2>&1 & '
               f'{commands[1]} >$LAB/right.txt 2>&1 || exit; wait $!', LIMIT)
    for name in ('left', 'right'):
        output = (folder / f'{name}.txt').read_text(errors='replace')
        assert 'userspace: end' in output, output[-3000:]


@pytest.mark.parametrize('boot_number', range(BOOTS))
def test_again(host, boot_number):
    """It is no matter of luck."""
    boot(host, 'snp', 1 + boot_number % 2)


@needs_amdsev
def test_kernel_hashes(host):
    """The firmware checks kernel, initrd and command line."""
    boot(host, 'snp', firmware='OVMF.amdsev.fd', guest=',kernel-hashes=on')


@pytest.mark.parametrize('kind', ['sev', 'es'])
def test_sev(host, kind):
    """Policies 1 and 5, with OVMF to userspace."""
    boot(host, kind)


@pytest.mark.skipif(not PLAIN_QEMU.exists(),
                    reason='unpatched QEMU is not built here: make plain')
def test_unpatched_qemu(host):
    """A VMM that knows nothing of us boots the same guest."""
    boot(host, 'snp', qemu=PLAIN_QEMU, backend='memory-backend-memfd')


def test_old_firmware(host):
    """OVMF 2022.11 ends where it does in the guest world: it uses its APIC as
    private memory, which KVM leaves to QEMU, and QEMU has none there.
    """
    image = fetch_package('bookworm', 'ovmf') / 'usr/share/ovmf/OVMF.fd'
    command = l2.command(l2.machine('snp', firmware=str(image)))
    status, output = host.run(
        f'{command} >$LAB/old.txt 2>&1 & '
        'for i in $(seq 240); do sleep 1; '
        'grep -q "guest stopped" $LAB/old.txt && break; done; '
        'kill $!; cat $LAB/old.txt', LIMIT)
    assert status == 0
    assert ('guest stopped: a vCPU used memory as private, but QEMU cannot '
            'convert 0xfee00000 +0x1000 to private') in output, output
