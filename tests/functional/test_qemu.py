# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own tests of what every command, device and object has to be."""
import os
import subprocess

import pytest

from linux_guest import BUILD, LIMIT, QEMU, Guest

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


def test_turin():
    """One EPYC-Turin, and one that is not QEMU's own is not migration-safe."""
    with Guest('turin', '-machine', 'none') as vm:
        vm.launch()
        listed = [model for model in vm.cmd('query-cpu-definitions')
                  if model['name'].startswith('EPYC-Turin')]
    model, = [model for model in listed if model['name'] == 'EPYC-Turin']
    own = len(listed) > 1
    assert model['migration-safe'] is own
    assert ('alias-of' in model) is own
    said = subprocess.run([QEMU, '-cpu', 'help'], text=True,
                          stdout=subprocess.PIPE, timeout=LIMIT, check=True)
    names = [line.split()[0] for line in said.stdout.splitlines()
             if 'EPYC-Turin' in line]
    assert sorted(names) == sorted(model['name'] for model in listed)
