# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own tests of what every command, device and object has to be."""
import os
import subprocess

import pytest

from linux_guest import BUILD, LIMIT, QEMU

OUT = BUILD / 'qemu/build'


@pytest.mark.parametrize('name', ['qmp-cmd-test', 'test-hmp',
                                  'device-introspect-test',
                                  'machine-none-test'])
def test_program(name):
    """All of its cases pass with ours in them."""
    done = subprocess.run(
        [OUT / 'tests/qtest' / name, '-k'], stdin=subprocess.DEVNULL,
        env={**os.environ, 'QTEST_QEMU_BINARY': str(QEMU)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT,
        check=False)
    assert not done.returncode, done.stdout[-3000:]


def test_storage_daemon():
    """Programs without our commands have the options of our objects."""
    done = subprocess.run(
        [OUT / 'storage-daemon/qemu-storage-daemon', '--help'], text=True,
        stdout=subprocess.PIPE, timeout=LIMIT, check=True)
    assert '--object' in done.stdout
