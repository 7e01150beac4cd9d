# SPDX-License-Identifier: GPL-2.0-or-later
"""SNP guests start from a disk, by the boot loaders of Debian."""
import functools
import hashlib
import http.server
import re
import secrets
import threading

import pytest

import disk_image
from debian import debian_kernel
from linux_guest import COMMAND_LINE, LIMIT, initramfs, snp
from test_snp_boot import check_kernel

pytestmark = pytest.mark.at_length

TELL = 'echo words $(cat /proc/cmdline)'
# What the initramfs does instead of ending the guest
ROOT = '''
mkdir /root
mount -t ext4 $(sed 's/.*root=\\([^ ]*\\).*/\\1/' /proc/cmdline) /root
umount /tmp
for folder in proc sys dev; do mount --move /$folder /root/$folder; done
exec switch_root /root /sbin/init
'''
GRUB_STUB = '''search --no-floppy --label --set=root root
configfile ($root)/boot/grub/grub.cfg
'''
GRUB = '''set timeout=0
menuentry 'Debian' {{
    linux /boot/vmlinuz {words}
    initrd /boot/initrd.img
}}
'''
# Bits of ext4's superblock: unmounted in order; a journal to be replayed
CLEAN = 1
NEEDS_RECOVERY = 4


def drive(disk):
    """Arguments for a disk."""
    return ['-drive', f'if=none,id=disk,format=raw,file={disk}',
            '-device', 'virtio-blk-pci,drive=disk,bootindex=0']


def test_unified_kernel(start, folder):
    """systemd-boot finds a unified kernel image on a FAT disk."""
    image, _ = debian_kernel('trixie', 'cloud-amd64')
    words = f'{COMMAND_LINE} mark={secrets.token_hex(8)}'
    kernel = disk_image.unified_kernel(
        folder / 'linux.efi', image, initramfs(folder / 'initramfs', TELL),
        words)
    disk = disk_image.write_disk(folder / 'disk', [
        (disk_image.EFI, disk_image.esp(folder / 'esp', {
            disk_image.EFI_LOADER: disk_image.systemd_boot(),
            'EFI/Linux/debian.efi': kernel}))])
    kernel.unlink()
    guest = start(*snp(vcpus=2), *drive(disk))
    serial = guest.finish()
    check_kernel(serial, 2)
    assert f'words {words}' in serial
    disk.unlink()


class Answers(http.server.BaseHTTPRequestHandler):
    """What the guest can fetch from here"""

    def __init__(self, content, *args):
        self.content = content
        super().__init__(*args)

    def do_GET(self):  # pylint: disable=invalid-name
        """Give it the one thing there is."""
        self.send_response(200)
        self.send_header('Content-Length', str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_):
        """Be quiet."""


@pytest.fixture(name='site')
def fixture_site():
    """(port of a server of this machine, sum of what it has)"""
    content = secrets.token_bytes(4 << 20)
    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), functools.partial(Answers, content))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, hashlib.sha256(content).hexdigest()
    server.shutdown()
    server.server_close()


def debian_disk(folder, suite='trixie', flavour='cloud-amd64'):
    """A disk with GRUB, and Debian on a file system of its own."""
    image, modules = debian_kernel(suite, flavour)
    initrd = initramfs(folder / 'initramfs', ROOT,
                       ['virtio_blk', 'virtio_net', 'ext4', 'msr', 'autofs4'],
                       modules)
    words = f'{COMMAND_LINE} rw root=/dev/vda2'
    root = disk_image.debian_root(folder / 'root', {
        'boot/vmlinuz': (0o644, image),
        'boot/initrd.img': (0o644, initrd),
        'boot/grub/grub.cfg': (0o644, GRUB.format(words=words))})
    return disk_image.write_disk(folder / 'disk', [
        (disk_image.EFI, disk_image.esp(folder / 'esp', {
            disk_image.EFI_LOADER: disk_image.grub(),
            'EFI/debian/grub.cfg': GRUB_STUB})),
        (disk_image.LINUX, root)])


def test_debian(start, folder, site):
    """GRUB starts Debian from a disk: login, network, an orderly end."""
    port, digest = site
    disk = debian_disk(folder)
    guest = start(*snp(vcpus=2), *drive(disk), '-nic', 'user,model=virtio',
                  keyboard=True)
    guest.wait_for('login: $', 2 * LIMIT)
    guest.type('root\n')
    guest.wait_for(r'bash\S*# $')
    guest.type('echo "cvm $(systemd-detect-virt --cvm)"\n')
    assert guest.wait_for(r'^cvm (\S+)\n')[1] == 'sev-snp'
    guest.type('systemctl --failed --no-pager\n')
    assert guest.wait_for(r'^(\d+) loaded units')[1] == '0'
    guest.type('until ip route | grep -q default; do sleep 1; done; '
               f'echo "got $(busybox wget -qO- http://10.0.2.2:{port}/ | '
               'sha256sum)"\n')
    assert guest.wait_for('^got ([0-9a-f]{64})')[1] == digest
    guest.type('echo "written $(date)" >/root/note; poweroff\n')
    guest.wait(timeout=LIMIT)
    serial = guest.serial
    assert guest.exitcode() == 0, guest.last_words()
    assert 'reboot: Power down' in serial
    assert not re.search(r'Call Trace|kernel BUG', serial)
    offset = disk_image.START + disk_image.ESP_SIZE
    state, features = disk_image.ext4_state(disk, offset)
    assert state & CLEAN and not features & NEEDS_RECOVERY
    disk.unlink()
