# SPDX-License-Identifier: GPL-2.0-or-later
"""What management software and its users name on a command line is built."""
import json
import subprocess

import pytest

from linux_guest import LIMIT, QEMU

PLAIN = ['-nodefaults', '-display', 'none', '-machine', 'q35', '-m', '64M']
DEVICES = ('tpm-crb', 'tpm-tis', 'vhost-vsock-pci', 'vhost-user-fs-pci',
           'vhost-user-blk-pci', 'vhost-vdpa-device-pci', 'usb-redir',
           'usb-host', 'virtio-rng-pci', 'virtio-balloon-pci')


def run(*arguments, feed='', status=0):
    """Return what QEMU prints; it has to end with this exit status."""
    done = subprocess.run([QEMU, *arguments], input=feed, capture_output=True,
                          text=True, timeout=LIMIT, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def monitor(*arguments, commands=()):
    """Start a machine, stopped, give commands, and return the answers."""
    lines = [{'execute': 'qmp_capabilities'}, *commands, {'execute': 'quit'}]
    said = run(*PLAIN, '-S', '-qmp', 'stdio', *arguments,
               feed='\n'.join(map(json.dumps, lines)))
    answers = [json.loads(line) for line in said.splitlines()
               if line.startswith('{')]
    assert not [answer for answer in answers if 'error' in answer], said
    return answers


def test_tpm():
    """libvirt's default TPM, and systemd-vmspawn's"""
    said = run('-tpmdev', 'help', status=1)
    assert 'emulator' in said and 'passthrough' in said


@pytest.mark.parametrize('name', DEVICES)
def test_device(name):
    """The device is there."""
    assert f'name "{name}"' in run('-device', 'help')


def test_sandbox():
    """libvirt gives it to every guest."""
    monitor('-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
            'resourcecontrol=deny')


def test_screendump(tmp_path):
    """virsh screenshot"""
    path = tmp_path / 'screen.png'
    monitor('-vga', 'std', commands=[
        {'execute': 'screendump',
         'arguments': {'filename': str(path), 'format': 'png'}}])
    assert path.read_bytes().startswith(b'\x89PNG')


def test_vvfat(tmp_path):
    """A folder as a disk"""
    (tmp_path / 'file').write_text('text')
    monitor('-drive', f'if=virtio,format=raw,read-only=on,'
            f'file=fat:{tmp_path}')


@pytest.mark.parametrize('aio', ['native', 'io_uring'])
def test_aio(tmp_path, aio):
    """The host's own ways to read and write"""
    disk = tmp_path / 'disk'
    disk.write_bytes(bytes(1 << 20))
    monitor('-drive', f'if=virtio,format=raw,cache=none,aio={aio},'
            f'file={disk}')


@pytest.mark.parametrize('form', ['qcow2', 'vmdk', 'vdi', 'vhdx', 'vpc'])
def test_disk(tmp_path, form):
    """What a domain's disk may be"""
    disk = tmp_path / 'disk'
    subprocess.run([QEMU.resolve().parent / 'qemu-img', 'create', '-q', '-f',
                    form, disk, '1M'], check=True, timeout=LIMIT)
    monitor('-drive', f'if=virtio,format={form},file={disk}')


def test_compression(tmp_path):
    """qcow2 with zstd"""
    disk = tmp_path / 'disk'
    subprocess.run([QEMU.resolve().parent / 'qemu-img', 'create', '-q', '-f',
                    'qcow2', '-o', 'compression_type=zstd', disk, '1M'],
                   check=True, timeout=LIMIT)
    monitor('-drive', f'if=virtio,format=qcow2,file={disk}')


def test_vnc(tmp_path):
    """A password of the host's users, as libvirt's vnc_sasl has it"""
    monitor('-vnc', f'unix:{tmp_path}/vnc,sasl=on')


def test_no_tpm(refusal):
    """What is passed through has to be a TPM."""
    said = refusal('-tpmdev', 'passthrough,id=tpm0,path=/dev/null',
                   '-device', 'tpm-tis,tpmdev=tpm0')
    assert 'TPM' in said
