# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-upm-doctor: what it finds here, and on hosts that are made up."""
import argparse
import json
import os
import struct
import subprocess
import sys

import pytest

from linux_guest import BUILD, LIMIT, QEMU, TOP

sys.path.append(str(TOP / 'tools'))
# pylint: disable=wrong-import-position
from upm_doctor import kvm_checks, qemu_checks  # noqa: E402
from upm_doctor.check import ALL, FAIL, PASS, SKIP, run_all  # noqa: E402
from upm_doctor.host import (SEV_PLATFORM_STATUS,  # noqa: E402
                             SNP_PLATFORM_STATUS, HostError)

DOCTOR = TOP / 'tools/qemu-upm-doctor'
GOOD_FILES = {
    '/proc/cpuinfo': 'processor : 0\nflags\t\t: fpu sev sev_es sev_snp',
    '/proc/meminfo': 'MemTotal: 67108864 kB\nMemAvailable: 33554432 kB',
    '/proc/sys/vm/nr_hugepages': '0',
    '/sys/kernel/mm/transparent_hugepage/shmem_enabled': 'always [never]',
    '/sys/fs/cgroup/misc.capacity': 'sev 410\nsev_es 99',
    '/sys/fs/cgroup/misc.current': 'sev 0\nsev_es 98',
    '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit': '65535',
    **{f'/sys/module/kvm_amd/parameters/{name}': 'Y'
       for name in ('sev', 'sev_es', 'sev_snp')},
    '/sys/module/kvm_amd/parameters/ciphertext_hiding_asids': '0',
}
GOOD_KVM = {201: 1 << 12, 231: 1, 232: 1, 233: 8, 234: 1, 235: 0x1f}
SNP_STATUS = struct.pack('<BBBBIIIQQ', 1, 55, 1, 1, 21, 0, 0, 0, 0)
SEV_STATUS = struct.pack('<BBBIBI', 1, 55, 1, 0, 21, 0)


class Made:
    """A host that answers what it is told to."""

    qemu_path = 'qemu-system-x86_64'

    def __init__(self, **changes):
        self.files = dict(GOOD_FILES)
        self.kvm = dict(GOOD_KVM)
        self.devices = {'/dev/kvm', '/dev/sev'}
        self.status = {SNP_PLATFORM_STATUS: SNP_STATUS,
                       SEV_PLATFORM_STATUS: SEV_STATUS}
        self.messages = 'AMD-Vi: IOMMU SNP support enabled.'
        self.limit = None
        self.help = {'-object': 'memory-backend-memfd-private',
                     '-accel': 'tcg\nkvm', '-L': '  /usr/share/qemu'}
        for name, value in changes.items():
            setattr(self, name, value)

    def text(self, path):
        """As Host.text()."""
        if path not in self.files:
            raise HostError(f'{path}: gone')
        return self.files[path]

    def open_device(self, path):
        """As Host.open_device()."""
        if path not in self.devices:
            raise HostError(f'{path}: Permission denied')

    def kvm_extension(self, number):
        """As Host.kvm_extension()."""
        return self.kvm.get(number, 0)

    def sev_command(self, command, size):
        """As Host.sev_command()."""
        answer = self.status[command]
        if isinstance(answer, str):
            raise HostError(answer)
        assert len(answer) == size
        return answer

    def log(self):
        """As Host.log()."""
        if self.messages is None:
            raise HostError('dmesg: not permitted')
        return self.messages

    def memlock(self):
        """As Host.memlock()."""
        return self.limit

    def qemu(self, first, *_):
        """As Host.qemu()."""
        return self.help.get(first, 'QEMU emulator version 10.0.13')


def without(base, *names, **more):
    """Return a copy that lacks some, and has others."""
    return {**{name: value for name, value in base.items()
               if name not in names}, **more}


def results(host, **options):
    """Return results by name."""
    given = argparse.Namespace(**{
        'kinds': ALL, 'memory': 128 << 20, 'guests': 1,
        'firmware': str(BUILD / 'firmware/OVMF.fd'), **options})
    first, last = qemu_checks.checks()
    return {check.name: result for check, result in
            run_all(first + kvm_checks.checks() + last, host, given)}


def test_all_good():
    """On a host that has everything nothing is skipped."""
    assert {result.status for result in results(Made()).values()} == {PASS}


PARAMETERS = '/sys/module/kvm_amd/parameters'
FLAWS = {
    'no-kvm': ({'devices': {'/dev/sev'}}, {},
               {'kvm': FAIL, 'type-snp': SKIP, 'memory': SKIP}),
    'no-sev-device': ({'devices': {'/dev/kvm'}}, {},
                      {'sev': FAIL, 'firmware': SKIP, 'snp-firmware': SKIP}),
    'no-snp-cpu': ({'files': without(GOOD_FILES, **{
        '/proc/cpuinfo': 'flags : sev sev_es'})}, {},
        {'cpu-snp': FAIL, 'cpu-sev-es': PASS, 'parameter-snp': SKIP,
         'iommu': SKIP}),
    'snp-off': ({'files': without(GOOD_FILES, **{
        f'{PARAMETERS}/sev_snp': 'N'})}, {},
        {'parameter-snp': FAIL, 'hiding': SKIP}),
    'old-kernel': ({'kvm': without(GOOD_KVM, 234, 235)}, {},
                   {'type-sev': FAIL, 'type-snp': FAIL, 'memory': FAIL}),
    'no-private-attribute': ({'kvm': {**GOOD_KVM, 233: 0}}, {},
                             {'memory': FAIL}),
    'no-hypercall-exit': ({'kvm': {**GOOD_KVM, 201: 1 << 11}}, {},
                          {'hypercall': FAIL}),
    'old-firmware': ({'status': {
        SNP_PLATFORM_STATUS: b'\x01\x32' + SNP_STATUS[2:],
        SEV_PLATFORM_STATUS: SEV_STATUS}}, {}, {'snp-firmware': FAIL}),
    'no-rmp': ({'status': {
        SNP_PLATFORM_STATUS: SNP_STATUS[:3] + b'\0' + SNP_STATUS[4:],
        SEV_PLATFORM_STATUS: SEV_STATUS}}, {}, {'snp-firmware': FAIL}),
    'firmware-refuses': ({'status': {
        SNP_PLATFORM_STATUS: 'status 0x3', SEV_PLATFORM_STATUS: 'EIO'}}, {},
        {'snp-firmware': SKIP, 'firmware': SKIP}),
    'no-iommu': ({'messages': 'AMD-Vi: Disabled'}, {}, {'iommu': FAIL}),
    'no-log': ({'messages': None}, {}, {'iommu': SKIP}),
    'log-too-late': ({'messages': 'eth0: up'}, {}, {'iommu': SKIP}),
    'no-asid-left': ({}, {'guests': 2},
                     {'asids-es': FAIL, 'asids-sev': PASS}),
    'no-asids': ({'files': without(GOOD_FILES, **{
        '/sys/fs/cgroup/misc.capacity': 'sev_es 99'})}, {},
        {'asids-sev': FAIL}),
    'no-misc-controller': ({'files': without(
        GOOD_FILES, '/sys/fs/cgroup/misc.capacity')}, {},
        {'asids-sev': SKIP}),
    'hiding': ({'files': without(GOOD_FILES, **{
        f'{PARAMETERS}/ciphertext_hiding_asids': '12'})}, {},
        {'hiding': PASS}),
    'no-hiding': ({'files': without(
        GOOD_FILES, f'{PARAMETERS}/ciphertext_hiding_asids')}, {},
        {'hiding': PASS}),
    'little-memory': ({}, {'memory': 33 << 30}, {'ram': FAIL}),
    'many-guests': ({}, {'memory': 1 << 30, 'guests': 33}, {'ram': FAIL}),
    'entry-limit': ({}, {'memory': 257 << 20},
                    {'vfio_iommu_type1': FAIL, 'ram': PASS}),
    'locked': ({'limit': 8 << 20}, {}, {'memlock': FAIL}),
    'other-qemu': ({'help': {'-object': 'memory-backend-ram'}}, {},
                   {'qemu': FAIL, 'tcg': SKIP, 'ovmf': SKIP}),
    'no-tcg': ({'help': {'-object': 'memory-backend-memfd-private',
                         '-accel': 'kvm', '-L': ''}}, {},
               {'tcg': FAIL, 'qemu-kvm': PASS}),
    'no-firmware': ({}, {'firmware': 'nothing.fd'}, {'ovmf': FAIL}),
    'other-firmware': ({}, {'firmware': str(BUILD / 'firmware/bios.bin')},
                       {'ovmf': FAIL}),
}


@pytest.mark.parametrize('name', FLAWS)
def test_flaw(name):
    """Each thing that a host can lack is found, and the rest is fine."""
    changes, options, wanted = FLAWS[name]
    found = results(Made(**changes), **options)
    assert {check: found[check].status for check in wanted} == wanted
    for result in found.values():
        assert result.says
        assert result.hint or result.status != FAIL


def run(*arguments, status, **environment):
    """Return what the program prints."""
    done = subprocess.run([sys.executable, '-B', DOCTOR, *arguments],
                          env={**os.environ, **environment},
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=LIMIT, check=False)
    assert done.returncode == status, done.stderr
    assert 'Traceback' not in done.stderr
    return done.stdout if status != 2 else done.stderr


def test_emulation_here():
    """This QEMU can emulate; the line that is told is the manual's."""
    text = run('--for', 'emulation', '--qemu', QEMU, '--memory', '128M',
               status=0)
    assert 'FAIL' not in text and 'SKIP' not in text
    assert 'yes  emulation' in text
    assert '-accel tcg' in text and 'ram0,size=128M' in text


def test_line_starts(tmp_path):
    """The line that is told starts a guest."""
    line = json.loads(run('--for', 'emulation', '--qemu', QEMU, '--json',
                          '--memory', '128M', status=0))['command-line']
    line = line.replace('-nographic', '-display none -nodefaults -S '
                        '-monitor stdio')
    done = subprocess.run(['sh', '-c', line], input='info status\nquit\n',
                          capture_output=True, text=True, timeout=LIMIT,
                          check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'VM status: paused' in done.stdout


def test_json():
    """The same in JSON, whatever this host is."""
    answer = json.loads(run('--json', '--for', 'emulation', '--memory',
                            '128M', '--qemu', QEMU, status=0))
    assert {check['status'] for check in answer['checks']} == {PASS}
    assert answer['possible'] == {'emulation': True}


@pytest.mark.skipif(os.path.exists('/dev/kvm'), reason='there is KVM here')
def test_without_kvm():
    """Without KVM that is what is said; nothing that needs it is guessed."""
    text = run('--qemu', QEMU, '--memory', '128M', status=1)
    assert '[ FAIL ] /dev/kvm: /dev/kvm: No such file' in text
    assert '[ SKIP ] private memory: without kvm' in text
    for kind in 'snp', 'sev-es', 'sev':
        assert f'no   {kind}\n' in text


def test_wrong_qemu(tmp_path):
    """A QEMU that is none, or says nothing, is told with its reason."""
    gone = tmp_path / 'gone'
    text = run('--for', 'emulation', '--qemu', gone, status=1)
    assert f'[ FAIL ] QEMU with private memory: {gone}: No such file' in text
    assert 'no   emulation' in text
    text = run('--for', 'emulation', '--qemu', '/bin/false', status=1)
    assert 'status 1' in text


@pytest.mark.parametrize('arguments', [
    ('--for', 'tdx'), ('--memory', '0'), ('--memory', '1K'),
    ('--guests', '-1'), ('surplus',)])
def test_usage(arguments):
    """Wrong options: usage, status 2."""
    assert run(*arguments, status=2).startswith('usage: qemu-upm-doctor')
