# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified firmware and kernels run as SNP guests on the emulation."""
import re

import pytest

from linux_guest import FIRMWARE, linux, snp

# What Linux says of itself in every SNP guest, and since 6.12
OLD_KERNEL_LINES = [
    'Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP',
    'SEV: Using SNP CPUID table',
    'PCI-DMA: Using software bounce buffering for IO (SWIOTLB)',
    'SEV: SNP guest platform device',
]
KERNEL_LINES = OLD_KERNEL_LINES + [
    'SEV: Status: SEV SEV-ES SEV-SNP',
    'SEV: SNP running at VMPL0.',
]
FLAGS = "grep -m1 ^flags /proc/cpuinfo | sed 's/^/cpu /'"

HASHES_HINT = 'the firmware wants to check the kernel of -kernel'

needs_amdsev = pytest.mark.skipif(
    not (FIRMWARE / 'OVMF.amdsev.fd').exists(),
    reason='OVMF.amdsev.fd was not to be had')


def check_kernel(serial, vcpus=1, lines=None):
    """Check that Linux got to userspace and knows that it is an SNP guest."""
    missing = [line for line in lines or KERNEL_LINES if line not in serial]
    assert not missing
    assert f'userspace: {vcpus} CPUs' in serial
    assert not re.search(r'WARNING: (CPU|\S+:\d+)|Call Trace|kernel BUG',
                         serial)


@pytest.mark.parametrize('firmware', [
    'OVMF.fd', pytest.param('OVMF.amdsev.fd', marks=needs_amdsev)])
def test_boot_manager(start, firmware):
    """Stock firmware without a disk gets to its boot manager."""
    guest = start(*snp(firmware=firmware))
    guest.wait_for('BdsDxe')
    assert 'onfidential' in guest.messages(), 'no banner at start'


@pytest.mark.parametrize('vcpus', [1, 2, 4])
def test_linux(start, folder, vcpus):
    """Firmware and Linux to userspace and power-off."""
    guest = start(*snp(vcpus=vcpus), *linux(folder))
    serial = guest.finish()
    check_kernel(serial, vcpus)
    assert HASHES_HINT not in guest.messages()
    if vcpus > 1:
        assert 'replaced with wakeup_cpu_via_vmgexit()' in serial


@needs_amdsev
@pytest.mark.parametrize('vcpus', [1, 2])
def test_linux_kernel_hashes(start, folder, vcpus):
    """The firmware checks kernel, initrd and command line."""
    guest = start(*snp(vcpus=vcpus, firmware='OVMF.amdsev.fd',
                       guest=',kernel-hashes=on'), *linux(folder))
    check_kernel(guest.finish(), vcpus)
    assert HASHES_HINT not in guest.messages()


@needs_amdsev
def test_hint_at_kernel_hashes(start, folder):
    """Such firmware does not start a kernel without them, and QEMU says so."""
    guest = start(*snp(memory='512M', firmware='OVMF.amdsev.fd'),
                  *linux(folder))
    guest.wait_for('BdsDxe|Boot Manager|grub')
    assert HASHES_HINT in guest.messages()
    assert 'Use kernel-hashes=on' in guest.messages()
    assert 'userspace' not in guest.serial


# Where there is LA57, used or not, Linux 6.12 is wrong about it while it reads
# the flags of the boot processor anew, and a tick just then finds no APIC.
@pytest.mark.parametrize('cpu', ['EPYC-v4', 'EPYC-Milan',
                                 'EPYC-Genoa,la57=off',
                                 'EPYC-Turin,la57=off', 'max,la57=off'])
def test_cpu_model(start, folder, cpu):
    """CPU models need no flags to be added and keep their vector units."""
    guest = start(*snp(cpu=cpu), *linux(folder, FLAGS))
    serial = guest.finish()
    check_kernel(serial)
    flags = set(re.search('^cpu flags.*', serial, re.M)[0].split())
    assert {'avx2', 'xsavec'} <= flags


def test_memfd_backend(start, folder):
    """The backend that KVM's users know gets a private half as well."""
    args = [arg.replace('memfd-private', 'memfd') for arg in snp()]
    check_kernel(start(*args, *linux(folder)).finish())


def test_documented_command_line(start):
    """AMD's command line of 2022, but for the accelerator."""
    guest = start(
        '-accel', 'tcg', '-cpu', 'EPYC-v4', '-m', '1G', '-bios', 'OVMF.fd',
        '-object',
        'memory-backend-memfd-private,id=ram1,size=1G,share=true',
        '-object', 'sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,'
        'discard=both,init-flags=0',
        '-machine', 'q35,confidential-guest-support=sev0,'
        'memory-backend=ram1,kvm-type=protected')
    guest.wait_for('BdsDxe')


def test_cbit_47(start, folder):
    """The C-bit of older processors."""
    args = [arg.replace('cbitpos=51', 'cbitpos=47') for arg in snp()]
    check_kernel(start(*args, *linux(folder)).finish())


def test_vmpls(start, folder):
    """Linux at VMPL0 has no use for others, and does not mind them."""
    guest = start(*snp(vcpus=2, guest=',emulated-vmpls=4'), *linux(folder))
    serial = guest.finish()
    check_kernel(serial, 2)
    assert 'SNP running at VMPL0' in serial


def test_features(start, folder):
    """Linux runs with SEV_FEATURES, whose names it knows, and its APs do."""
    guest = start(*snp(memory='512M', vcpus=2, guest=''.join(
        f',{name}=on' for name in ('debug-swap', 'prevent-host-ibs',
                                   'btb-isolation', 'smt-protection'))),
                  *linux(folder))
    serial = guest.finish()
    check_kernel(serial, 2)
    assert ('SEV: Status: SEV SEV-ES SEV-SNP DebugSwap NoHostIBS BTBIsol '
            'SMTProt') in serial


def test_cpu_goes_and_comes(start, folder):
    """Linux takes the VMSA of a CPU back that it starts with another one.

    Once: 6.12 leaves a GHCB of such a CPU in use each time, and has two.
    """
    script = '''
mount -t sysfs sysfs /sys 2>/dev/null
cpu=/sys/devices/system/cpu/cpu1/online
echo 0 >$cpu; echo "offline $(cat $cpu)"
echo 1 >$cpu; echo "online $(cat $cpu)"
'''
    guest = start(*snp(vcpus=2), *linux(folder, script))
    serial = guest.finish()
    check_kernel(serial, 2)
    assert re.search(r'^offline 0\s+online 1', serial, re.M)
    assert 'VMSA page failed' not in serial


def test_unaccepted_memory(start, folder):
    """Linux accepts memory above 4 GiB when it comes to need it."""
    script = '''
grep Unaccepted /proc/meminfo | sed 's/^/before /'
mount -t tmpfs -o size=4g big /run
dd if=/dev/zero of=/run/big bs=1M count=1200 2>/dev/null
grep Unaccepted /proc/meminfo | sed 's/^/after /'
'''
    guest = start(*snp(memory='6G', vcpus=2), *linux(folder, script))
    serial = guest.finish()
    check_kernel(serial, 2)
    before, after = (int(re.search(fr'^{when} Unaccepted: *(\d+) kB', serial,
                                   re.M)[1]) for when in ('before', 'after'))
    assert before > 1 << 20
    assert after < before
