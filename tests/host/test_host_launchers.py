# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that start QEMU for their users, and insist on KVM, in L1."""
import re
import shlex

import pytest

import l2
from debian import fetch_programs
from disk_image import root_disk
from launchers import LINES
from linux_guest import FIRMWARE, KERNEL, QEMU, initramfs

pytestmark = pytest.mark.at_length
LIMIT = 540
OVMF = FIRMWARE / 'OVMF.amdsev.fd'
SCRIPT = f'''
exec >/dev/hvc0 2>&1
{l2.TELL}
echo virtio: $(cat /sys/bus/virtio/devices/*/device)
echo userspace: $(nproc) CPUs
echo userspace: end
'''
# Of virtio: what a device is, by its number
RNG, CONSOLE, VSOCK = '0x0004', '0x0003', '0x0013'

# The bus that systemd's programs want to be on; nobody else is there.
BUS = '''<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/tmp/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
'''
# How Debian's package ovmf-amdsev describes its file, for ours
DESCRIPTOR = '''{
    "description": "UEFI firmware for SEV",
    "interface-types": ["uefi"],
    "mapping": {"device": "memory", "filename": "%s"},
    "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
    "features": ["amd-sev", "amd-sev-es", "amd-sev-snp"],
    "tags": []
}
'''
# What systemd would have done before it starts a service, and its files
PREPARE = '''
mount -t cgroup2 cgroup /sys/fs/cgroup
unit=/sys/fs/cgroup/system.slice/vmspawn.service
mkdir -p $unit && echo $$ >$unit/cgroup.procs
mount -t tmpfs tmp /var/tmp
mkdir -p /tmp/bin && ln -sf {qemu} /tmp/bin/qemu-system-x86_64
cp {folder}/disk /tmp/disk
export PATH=/tmp/bin:$PATH DBUS_SYSTEM_BUS_ADDRESS=unix:path=/tmp/bus
{bus} --config-file={folder}/bus.conf --fork
'''


def program(path):
    """The words that run a program of systemd's packages."""
    folder = fetch_programs('sid', 'systemd-container', 'dbus-daemon')
    libraries = folder / 'usr/lib/x86_64-linux-gnu'
    return shlex.join(map(str, (
        libraries / 'ld-linux-x86-64.so.2', '--library-path',
        f'{libraries}:{libraries}/systemd', folder / 'usr/bin' / path)))


@pytest.fixture(name='folder')
def fixture_folder(host):
    """A folder that L1 can read, with an initramfs."""
    if not OVMF.exists():
        pytest.skip(f'{OVMF.name} is missing')
    folder = host.get().folder
    initramfs(folder / 'initrd', SCRIPT,
              ['virtio-rng', 'vmw_vsock_virtio_transport'])
    return folder


def check(output, *devices):
    """L2 is an SNP guest, and has what its launcher wants it to have."""
    output = output.replace('\r', '')
    l2.check_linux(output, 'snp')
    found = re.search(r'^virtio: (.*)', output, re.M)
    assert found and set(devices) <= set(found[1].split()), output[-2000:]


def test_vmspawn(host, folder):
    """systemd-vmspawn --coco=sev-snp, of Debian's newest systemd"""
    (folder / 'bus.conf').write_text(BUS)
    (folder / 'firmware.json').write_text(DESCRIPTOR % OVMF)
    root_disk(folder / 'disk')
    output = host.check(
        PREPARE.format(qemu=QEMU, folder=folder, bus=program('dbus-daemon')) +
        f'''{program('systemd-vmspawn')} --coco=sev-snp --no-pager \\
            --firmware={folder}/firmware.json --image=/tmp/disk --tpm=no \\
            --linux={KERNEL.resolve()} --initrd={folder}/initrd --ram=512M \\
            --register=no --keep-unit --console=read-only \\
            console=hvc0 panic=-1 {l2.QUIET} 2>&1''', LIMIT)
    check(output, RNG, CONSOLE)


LISTEN = '''
import socket, sys, time
for attempt in range(600):
    try:
        peer = socket.socket(socket.AF_UNIX)
        peer.connect('/tmp/console')
        break
    except OSError:
        time.sleep(0.1)
while more := peer.recv(4096):
    sys.stdout.buffer.write(more)
    sys.stdout.flush()
'''


def test_kata(host, folder):
    """kata's command line, as it is, with its vhost-vsock"""
    line = LINES['kata-snp']
    (folder / 'disk').write_bytes(bytes(1 << 20))
    words = line.words(
        'kvm', memory=512, kernel=KERNEL.resolve(), firmware=OVMF,
        initrd=folder / 'initrd', disk='/tmp/disk', vhostfd=9,
        append=f'panic=-1 {l2.QUIET}', console='/tmp/console',
        qmp='/tmp/qmp', pid='/tmp/pid')
    words = [word.replace('EPYC-v4', l2.CPU) for word in words]
    output = host.check(f'''
        modprobe vhost_vsock && cp {folder}/disk /tmp/disk
        rm -f /tmp/console
        exec 9<>/dev/vhost-vsock
        python3 -c {shlex.quote(LISTEN)} &
        {shlex.join(map(str, [QEMU, *words]))} 2>&1
        status=$?
        wait
        exit $status''', LIMIT)
    check(output, RNG, CONSOLE, VSOCK)
