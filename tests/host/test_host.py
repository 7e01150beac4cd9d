# SPDX-License-Identifier: GPL-2.0-or-later
"""An unmodified Debian kernel finds an SNP host, and runs an SNP guest."""
import json
import re
import shlex

import pytest

import payloads
from l1 import TOP
from linux_guest import FIRMWARE, QEMU

# One command that starts a few programs, in seconds
LIMIT = 300

# What L1's kernel says, in the order of its boot
LINES = {
    'rmp-table': r'SEV-SNP: RMP table physical range '
                 r'\[0x[0-9a-f]{16} - 0x[0-9a-f]{16}\]',
    'iommu': r'AMD-Vi: IOMMU SNP support enabled\.',
    'ccp-sev': r'ccp [0-9a-f:.]+: sev enabled',
    'ccp-snp-api': r'ccp [0-9a-f:.]+: SEV-SNP API:1\.\d+ build:\d+',
    'ccp-sev-api': r'ccp [0-9a-f:.]+: SEV API:1\.\d+ build:\d+',
    'kvm-sev': r'kvm_amd: SEV enabled \(ASIDs \d+ - \d+\)',
    'kvm-sev-es': r'kvm_amd: SEV-ES enabled \(ASIDs 1 - \d+\)',
    'kvm-sev-snp': r'kvm_amd: SEV-SNP enabled \(ASIDs 1 - \d+\)',
}
COMPLAINTS = r'WARNING: (CPU|\S+:\d+)|BUG: |Call Trace|Unknown symbol|unchecked MSR|' \
    r'SNP: .* cannot be supported|RMP table .* not reserved'


def said(console, pattern):
    """The lines of a kernel that a pattern is found in."""
    return [line for line in console.splitlines() if re.search(pattern, line)]


def test_kernel(host):
    """It is the kernel of Debian's package, and nothing on its command line
    is about SEV or the IOMMU."""
    version = host.check('cat /proc/version')
    assert re.match(r'Linux version \d+\.\d+\.\d+\+deb13-amd64 '
                    r'\(debian-kernel@', version), version
    words = host.check('cat /proc/cmdline').split()
    assert not [word for word in words if re.search(
        r'sev|snp|kvm|iommu|mem', word)], words


@pytest.mark.parametrize('line', LINES)
def test_line(host, line):
    """L1's kernel says what it says on SNP hardware."""
    assert said(host.console(), LINES[line]), \
        '\n'.join(host.get().sev_lines())


def test_no_complaint(host):
    """... and nothing about what it misses."""
    assert not said(host.console(), COMPLAINTS)


def test_rmp_is_reserved(host):
    """The firmware's memory map keeps the RMP table from being used."""
    table = re.search(r'RMP table physical range \[0x(\w+) - 0x(\w+)\]',
                      host.console())
    assert table, '\n'.join(host.get().sev_lines())
    start, end = (int(word, 16) for word in table.groups())
    reserved = [tuple(int(word, 16) for word in found) for found in re.findall(
        r'BIOS-e820: \[mem 0x(\w+)-0x(\w+)\]\s+(?:device )?reserved',
        host.console())]
    assert [pair for pair in reserved if pair[0] <= start and end <= pair[1]]


def test_devices(host):
    """KVM and the AMD-SP can be opened."""
    host.check('test -c /dev/kvm && test -c /dev/sev && : 3<>/dev/kvm '
               '4<>/dev/sev')


def test_parameters(host):
    """kvm_amd has all three switched on."""
    for name in ('sev', 'sev_es', 'sev_snp'):
        assert host.check(
            f'cat /sys/module/kvm_amd/parameters/{name}').strip() == 'Y'


def test_hello(host):
    """An SNP guest runs: all of its checks are as in the guest world."""
    status, output = host.run(payloads.command('hello'))
    record = payloads.parse(output)
    assert record, f'{status}: {output}'
    assert payloads.compare(record, []) == ([], [])


def test_doctor(host):
    """qemu-upm-doctor finds all in order, and skips nothing."""
    words = ['/usr/bin/python3', '-B', str(TOP / 'tools/qemu-upm-doctor'),
             '--json', '--memory', '64M', '--qemu', str(QEMU),
             '--firmware', str(FIRMWARE / 'OVMF.fd')]
    status, output = host.run(
        'modprobe vfio_iommu_type1; mountpoint -q /sys/fs/cgroup || '
        'mount -t cgroup2 none /sys/fs/cgroup; ulimit -l unlimited; ' +
        shlex.join(words), LIMIT)
    answer = re.search(r'^\{.*\}', output.replace('\r', ''), re.M)
    assert answer, output
    answer = json.loads(answer[0])
    assert [check for check in answer['checks']
            if check['status'] != 'pass'] == []
    assert set(answer['possible'].values()) == {True}
    assert '-accel kvm' in answer['command-line']
    assert status == 0


def test_power_off(host):
    """The last test: L1 leaves SNP as it powers off, without a complaint."""
    console = host.get()
    assert console.power_off() == 0
    assert 'reboot: Power down' in console.console()
    assert not said(console.console(),
                    COMPLAINTS + '|SNP IOMMU shutdown failed|'
                    'not assigned in RMP table')
