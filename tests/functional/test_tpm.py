# SPDX-License-Identifier: GPL-2.0-or-later
"""A TPM by swtpm: firmware measures the boot, and Linux has the log."""
import re
import shutil
import subprocess

import pytest

import tpm_log
from linux_guest import FIRMWARE, linux, plain, snp
from test_snp_boot import check_kernel

pytestmark = pytest.mark.skipif(
    not shutil.which('swtpm'),
    reason='swtpm is not installed: make check installs it')
# By libvirt's default, and with the older interface
MODELS = ['tpm-crb', 'tpm-tis']
SCRIPT = '''
mount -t securityfs none /sys/kernel/security
log=/sys/kernel/security/tpm0/binary_bios_measurements
echo "tpm version $(cat /sys/class/tpm/tpm0/tpm_version_major)"
echo "log $(wc -c <$log)"
cat $log >/tmp/log
dd if=/tmp/log of=/dev/vda bs=64k conv=sync 2>/dev/null
sync
for pcr in 0 1 2 3 4 5 6 7 8 9; do
    echo "pcr $pcr $(cat /sys/class/tpm/tpm0/pcr-sha256/$pcr)"
done
'''
# TCG PC Client Platform Firmware Profile: of the firmware's code, and what
# separates the firmware's part of the log from the rest
EV_SEPARATOR, EV_S_CRTM_VERSION = 4, 8
EV_EFI_PLATFORM_FIRMWARE_BLOB = (0x80000008, 0x8000000a)


@pytest.fixture(name='swtpm')
def fixture_swtpm(tmp_path):
    """Arguments for a TPM 2.0 that ends with the guest."""
    socket = tmp_path / 'socket'
    # pylint: disable=consider-using-with
    process = subprocess.Popen(
        ['swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={tmp_path}',
         '--ctrl', f'type=unixio,path={socket}', '--terminate', '--flags',
         'startup-clear'], stdin=subprocess.DEVNULL)
    yield ['-chardev', f'socket,id=swtpm,path={socket},reconnect-ms=0',
           '-tpmdev', 'emulator,id=tpm0,chardev=swtpm']
    process.kill()
    process.wait()


def measured(start, folder, *args):
    """Boot with a TPM; the log, PCRs as Linux reads them, and the console."""
    disk = folder / 'log'
    disk.write_bytes(bytes(1 << 20))
    guest = start(*args, '-drive', f'if=none,id=log,format=raw,file={disk}',
                  '-device', 'virtio-blk-pci,drive=log',
                  *linux(folder, SCRIPT, ['virtio_pci', 'virtio_blk']))
    serial = guest.finish()
    assert 'tpm version 2' in serial
    size = int(re.search(r'^log (\d+)', serial, re.M)[1])
    pcrs = {int(number): value.lower() for number, value in
            re.findall(r'^pcr (\d+) ([0-9A-F]{64})$', serial, re.M)}
    return disk.read_bytes()[:size], pcrs, serial


def check_log(log, pcrs):
    """What the firmware says that it has measured is what is in the TPM."""
    events = tpm_log.events(log)
    kinds = {event.kind for event in events}
    assert EV_S_CRTM_VERSION in kinds and EV_SEPARATOR in kinds
    assert kinds & set(EV_EFI_PLATFORM_FIRMWARE_BLOB)
    replayed = tpm_log.replay(events, 'sha256')
    assert set(range(8)) - set(replayed) == set()
    assert {number: pcrs[number] for number in replayed
            if number in pcrs} == {
                number: value for number, value in replayed.items()
                if number in pcrs}
    assert len(pcrs) == 10
    return events


@pytest.mark.parametrize('model', MODELS)
def test_snp(start, folder, swtpm, model):
    """An SNP guest's firmware and kernel drive the TPM by MMIO."""
    log, pcrs, serial = measured(start, folder, *snp(), *swtpm, '-device',
                                 f'{model},tpmdev=tpm0')
    check_kernel(serial)
    check_log(log, pcrs)
