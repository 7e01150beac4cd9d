# SPDX-License-Identifier: GPL-2.0-or-later
"""The launch digest is what the owner of a guest computes beforehand."""
import hashlib
import pathlib

import launch_digest as oracle
import pytest

from linux_guest import (COMMAND_LINE, FIRMWARE, KERNEL, initramfs,
                         launch_digest, snp)

TABLE = pathlib.Path(__file__).parents[1] / 'data/launch-digests.tsv'
COLUMNS = 'firmware cpu vcpus features hashes digest'.split()
SIGNATURES = {'EPYC-v4': 0x800f12, 'EPYC-Milan': 0xa00f11}
# SEV_FEATURES of the table, as options
FEATURES = {'0x1': '', '0x21': ',debug-swap=on'}
# What the table was computed for, see its head.
TINY_KERNEL = (b'a kernel of one line\n', b'an initrd of one line\n',
               b'console=ttyS0 panic=-1')


def table():
    """Yield the fields of each line of the table."""
    for line in TABLE.read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            yield line.split('\t')


def rows():
    """Yield a dictionary for each digest."""
    for fields in table():
        if len(fields) == len(COLUMNS):
            yield dict(zip(COLUMNS, fields))


def name(row):
    """A row's name as a test."""
    return '-'.join(row[column] for column in COLUMNS[:-1])


def image_of(firmware):
    """Return a firmware; skip where it is not the one of the table."""
    known = {fields[1]: fields[2] for fields in table()
             if fields[0] == 'firmware'}
    path = FIRMWARE / firmware
    if not path.exists():
        pytest.skip(f'{firmware} was not to be had')
    image = path.read_bytes()
    if hashlib.sha256(image).hexdigest() != known[firmware]:
        pytest.skip(f'{firmware} is another version than the table is for')
    return image


@pytest.mark.parametrize('row', rows(), ids=name)
def test_oracle(row):
    """Our own computation agrees with the table, made with another tool."""
    assert row['digest'] == oracle.launch(
        image_of(row['firmware']), SIGNATURES[row['cpu']], int(row['vcpus']),
        int(row['features'], 0),
        TINY_KERNEL if row['hashes'] == 'on' else None)


# QEMU takes no kernel of one line; tests/unit/test-sev-firmware-reference.c
# launches those rows.
@pytest.mark.parametrize(
    'row', [row for row in rows() if row['hashes'] == 'off'], ids=name)
def test_firmware_digest(start, row):
    """Firmware, CPU model, vCPUs and SEV_FEATURES are in the digest."""
    image_of(row['firmware'])
    guest = start('-S', *snp(memory='512M', vcpus=int(row['vcpus']),
                             cpu=row['cpu'], firmware=row['firmware'],
                             guest=FEATURES[row['features']]))
    guest.cmd('cont')
    assert launch_digest(guest) == row['digest']


def test_features_digest(start):
    """So are the features that the table has none of."""
    image = image_of('OVMF.fd')
    guest = start('-S', *snp(memory='512M', vcpus=2, guest=''.join(
        f',{feature}=on' for feature in ('prevent-host-ibs', 'btb-isolation',
                                         'smt-protection'))))
    guest.cmd('cont')
    launch = guest.cmd('query-sev')['launch']
    assert launch['sev-features'] == 0x80c1
    assert launch_digest(guest) == oracle.launch(
        image, SIGNATURES['EPYC-v4'], 2, 0x80c1, None)


@pytest.mark.parametrize('vcpus', [1, 2, 4])
@pytest.mark.parametrize('cpu', SIGNATURES)
def test_kernel_hashes_digest(start, folder, cpu, vcpus):
    """So are kernel, initrd and command line with kernel-hashes=on."""
    image = image_of('OVMF.amdsev.fd')
    initrd = initramfs(folder / 'initramfs')
    guest = start('-S', *snp(memory='512M', vcpus=vcpus, cpu=cpu,
                             firmware='OVMF.amdsev.fd',
                             guest=',kernel-hashes=on'),
                  '-kernel', KERNEL, '-initrd', initrd,
                  '-append', COMMAND_LINE)
    guest.cmd('cont')
    assert launch_digest(guest) == oracle.launch(
        image, SIGNATURES[cpu], vcpus, 1,
        (KERNEL.read_bytes(), initrd.read_bytes(), COMMAND_LINE.encode()))
