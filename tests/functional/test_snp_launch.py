# SPDX-License-Identifier: GPL-2.0-or-later
"""The launch digest is what the owner of a guest computes beforehand."""
import pathlib

import pytest

from guest import FIRMWARE, snp

TABLE = pathlib.Path(__file__).parents[1] / 'data/launch-digests.tsv'
COLUMNS = 'firmware cpu vcpus features hashes digest'.split()
# What the table was computed for, see its head.
KERNEL = b'a kernel of one line\n'
INITRD = b'an initrd of one line\n'
COMMAND_LINE = 'console=ttyS0 panic=-1'


def rows():
    """Yield a dictionary for each line of the table."""
    for line in TABLE.read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            yield dict(zip(COLUMNS, line.split('\t')))


def name(row):
    """A row's name as a test."""
    return '-'.join(row[column] for column in COLUMNS[:-1])


def launch_digest(guest):
    """Return the measurement that QEMU reports, in hexadecimal."""
    return guest.cmd('qom-get', path='sev0', property='launch-digest')


@pytest.mark.parametrize('row', rows(), ids=name)
def test_digest(start, folder, row):
    """Firmware, kernel hashes, CPU model and vCPUs are in the digest."""
    if not (FIRMWARE / row['firmware']).exists():
        pytest.skip(f'{row["firmware"]} was not to be had')
    options, kernel = '', []
    if row['hashes'] == 'on':
        options = ',kernel-hashes=on'
        (folder / 'kernel').write_bytes(KERNEL)
        (folder / 'initrd').write_bytes(INITRD)
        kernel = ['-kernel', folder / 'kernel', '-initrd', folder / 'initrd',
                  '-append', COMMAND_LINE]
    guest = start('-S', *snp(memory='512M', vcpus=int(row['vcpus']),
                             cpu=row['cpu'], firmware=row['firmware'],
                             guest=options), *kernel)
    guest.cmd('cont')
    assert launch_digest(guest) == row['digest']
