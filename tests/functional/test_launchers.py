# SPDX-License-Identifier: GPL-2.0-or-later
"""Command lines that other people's programs make start QEMU unchanged, but
for the accelerator.
"""
import os
import pathlib
import re
import socket
import subprocess
import threading

import pytest

from launchers import LINES
from linux_guest import FIRMWARE, KERNEL, LIMIT, QEMU, initramfs
from patience import run

DISK = b'the disk of a launcher\n'
# What is said on the launcher's console, whichever that is
SCRIPT = '''
exec >/dev/{port} 2>&1
dmesg | grep 'Memory Encryption'
echo disk: $(head -n 1 /dev/{disk})
echo userspace: $(nproc) CPUs, the end
'''
BOOTS = [name for name, line in LINES.items() if not line.refused]


def firmware(line):
    """OVMF, the one with room for hashes where they are asked for"""
    name = 'OVMF.amdsev.fd' if 'kernel-hashes=on' in line.text else 'OVMF.fd'
    if not (FIRMWARE / name).exists():
        pytest.skip(f'{name} is missing')
    return FIRMWARE / name


@pytest.fixture(name='values')
def fixture_values(folder):
    """What stands for a launcher's {...}; sockets have short names."""
    disk = folder / 'disk'
    disk.write_bytes(DISK.ljust(1 << 20, b'\0'))
    names = {}
    for name in ('monitor', 'console', 'qmp', 'pid'):
        names[name] = os.path.relpath(folder / name)
        pathlib.Path(names[name]).unlink(missing_ok=True)
    yield dict(names, disk=disk, kernel=KERNEL, initrd=folder / 'initramfs',
               append='console=ttyS0 panic=-1 no_timer_check')
    disk.unlink()


def arguments(line, values, accel='tcg'):
    """All that QEMU is given."""
    initramfs(values['initrd'],
              SCRIPT.format(port=line.port, disk=line.disk), line.modules)
    return [QEMU, *line.words(accel, firmware=firmware(line), **values)]


class Listener(threading.Thread):
    """Reads what comes from a socket, from when there is one."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.text = b''
        self.over = threading.Event()

    def run(self):
        with socket.socket(socket.AF_UNIX) as peer:
            while not self.over.wait(0.1):
                try:
                    peer.connect(self.path)
                    break
                except OSError:
                    continue
            while not self.over.is_set():
                more = peer.recv(4096)
                if not more:
                    return
                self.text += more


@pytest.mark.parametrize('name', BOOTS)
def test_boots(name, values, folder):
    """The guest is what was asked for, and comes to its user space."""
    line = LINES[name]
    words = arguments(line, values)
    console = Listener(values['console'])
    if line.port == 'hvc0':
        console.start()
    done = run(words, LIMIT, stdin=subprocess.DEVNULL, cwd=os.getcwd())
    console.over.set()
    if line.port == 'hvc0':
        console.join(LIMIT)
    said = (done.stdout + console.text).decode(errors='replace')
    (folder / 'serial.log').write_text(said)
    (folder / 'qemu.log').write_bytes(done.stderr)
    assert done.returncode == 0, done.stderr
    said = said.replace('\r', '')
    assert re.search(f'Memory Encryption Features active: {line.kind}$', said,
                     re.M), said[-2000:]
    assert 'disk: ' + DISK.decode().strip() in said
    assert f'userspace: {line.vcpus} CPUs, the end' in said


@pytest.mark.parametrize('name', [name for name, line in LINES.items()
                                  if line.refused])
def test_refused(name, values):
    """What cannot be is said, at once."""
    done = run(arguments(LINES[name], values), LIMIT,
               stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert LINES[name].refused in done.stderr.decode()


@pytest.mark.skipif(os.path.exists('/dev/kvm'), reason='there is a KVM here')
@pytest.mark.parametrize('name', BOOTS)
def test_without_kvm(name, values):
    """As it stands, a line needs KVM and nothing else."""
    done = run(arguments(LINES[name], values, 'kvm'), LIMIT,
               stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    lines = [line for line in done.stderr.decode().splitlines()
             if 'warning: ' not in line]
    assert [line.partition(': ')[2] for line in lines] == [
        'Could not access KVM kernel module: No such file or directory',
        'failed to initialize kvm: No such file or directory'], lines
