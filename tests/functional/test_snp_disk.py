# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices reach an SNP guest through its shared pages only."""
import hashlib
import os
import re

from linux_guest import linux, snp

SIZE = 32 << 20
SCRIPT = '''
echo read $(sha256sum /dev/vda)
tr 'a-z' 'n-za-m' </dev/vda >/dev/vdb
sync
echo written $(sha256sum /dev/vdb)
'''


def sha256(path):
    """Return the sum of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_virtio_blk(start, folder):
    """A disk read, and another written, have equal sums on both sides."""
    disks, source, target = [], folder / 'source.raw', folder / 'target.raw'
    source.write_bytes(os.urandom(SIZE))
    target.write_bytes(bytes(SIZE))
    empty = sha256(target)
    for disk in (source, target):
        disks += ['-drive', f'if=none,id={disk.stem},format=raw,file={disk}',
                  '-device', f'virtio-blk-pci,drive={disk.stem}']
    guest = start(*snp(), *disks,
                  *linux(folder, SCRIPT, modules=['virtio_blk']))
    serial = guest.finish()
    sums = dict(re.findall(r'^(read|written) ([0-9a-f]{64})', serial, re.M))
    assert sums['read'] == sha256(source)
    assert sums['written'] == sha256(target) != empty
    source.unlink()
    target.unlink()
