# SPDX-License-Identifier: GPL-2.0-or-later
"""The firmware of the emulated AMD-SP, as L1's kernel and /dev/sev have it."""
import hashlib
import hmac
import pathlib
import re
import struct

import pytest

from linux_guest import FIRMWARE, QEMU

HERE = pathlib.Path(__file__).resolve().parent
ASK = HERE / 'dev_sev.py'
MEASURE = HERE / 'sev_measure.py'
# What sev-snp-measure computes
DIGESTS = HERE.parent / 'data/launch-digests-sev.tsv'
# API version and build, which are measured as well
VERSION = bytes((1, 55, 1))
POLICIES = {'sev': 1, 'seves': 5}
CERTS = '1003 1002 1000 | 1002 1001 1004 | 1001 1001 1000 | 1004 1000 1000'


@pytest.fixture(scope='module', name='answers')
def fixture_answers(host):
    """What dev_sev.py was told"""
    output = host.check(f'/usr/bin/python3 -B {ASK}')
    return re.findall(r'^(\w+): (.*)$', output, re.M)


def test_answers(answers):
    """Each question is answered, or refused as hardware refuses it."""
    told = dict(answers)
    assert re.fullmatch(r'ok api 1\.55 build 1 state 1 flags 0x100 guests 0',
                        told['status']), told
    tcb = re.fullmatch(r'ok api 1\.55 build 1 state 1 rmp 3 flags 0x8 guests 0'
                       r' tcb (\w{16}) (\w{16})', told['snp_status'])
    assert tcb and tcb.group(1) == tcb.group(2) != '0' * 16, told
    chip = bytes.fromhex(told['get_id'].removeprefix('ok '))
    assert chip.startswith(b'emulated by QEMU-UPM: no AMD-SP '), told
    assert told['export'] == f'ok {CERTS}', told
    assert told['csr'] == 'ok 1002 1000 1000', told
    assert told['pdh_gen'] == 'ok new True chain True', told
    assert told['config'] == told['commit'] == 'ok', told
    assert told['too_new'] == 'EIO 0x16', told


def test_reload(host):
    """ccp goes and comes back; the firmware starts anew each time."""
    for _ in range(2):
        host.check('rmmod kvm_amd && rmmod ccp')
        host.check('modprobe ccp && modprobe kvm_amd')
        host.check('test -c /dev/sev')
    console = host.console()
    assert len(re.findall(r'ccp .*: SEV-SNP API:1\.55 build:1', console)) == 3
    assert len(re.findall(r'ccp .*: SEV API:1\.55 build:1', console)) == 3
    assert not re.search(r'SNP IOMMU shutdown failed|not assigned in RMP table'
                         r'|SEV: failed to|WARNING: (CPU|\S+:\d+)|BUG: ',
                         console), console[-4000:]
    told = host.check(f'/usr/bin/python3 -B {ASK}')
    assert 'snp_status: ok api 1.55 build 1 state 1 rmp 3' in told, told


def rows():
    """Digests of firmware and of the vCPUs' first state"""
    for line in DIGESTS.read_text().splitlines():
        if not line.startswith('#'):
            mode, firmware, start, _, vcpus, digest = line.split('\t')
            yield pytest.param(mode, firmware.split()[-1], start, vcpus,
                               digest, id=f'{mode}-{firmware}-{vcpus}')


@pytest.mark.parametrize('mode, firmware, start, vcpus, digest', rows())
def test_measurement(host, mode, firmware, start, vcpus, digest):
    """What KVM has the firmware measure is what another tool computes."""
    image = FIRMWARE / firmware
    if not image.exists():
        pytest.skip(f'{image} was not to be had')
    assert hashlib.sha256(image.read_bytes()).hexdigest().startswith(start)
    policy = POLICIES[mode]
    output = host.check(
        f'/usr/bin/python3 -B {MEASURE} {policy} {image}'
        f' {"1" if vcpus == "-" else vcpus} {QEMU} -L {FIRMWARE}')
    measurement = bytes.fromhex(
        re.search(r'^measurement ([0-9a-f]{96})$', output, re.M).group(1))
    expected = hmac.digest(
        bytes(16), b'\x04' + VERSION + struct.pack('<I', policy) +
        bytes.fromhex(digest) + measurement[32:], 'sha256')
    assert measurement[:32] == expected, output
