# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that a firmware can boot from, made without root's rights.

The partition table is that of the PC's BIOS, which UEFI reads as well: an EFI
system partition, and behind it, where there is one, a root file system.
"""
import os
import pathlib
import struct
import subprocess
import uuid
import zlib

from debian import fetch_package, fetch_programs, program

SECTOR = 512
MIB = 1 << 20
# Where the first partition begins, and how long it is
START = MIB
ESP_SIZE = 128 * MIB
# Type of partition
EFI, LINUX = 0xef, 0x83

PARTITION_ENTRY = struct.Struct('<B3xB3xII')
EFI_LOADER = 'EFI/BOOT/BOOTX64.EFI'


def run(*command, **options):
    """Run a program that has to succeed."""
    done = subprocess.run([str(word) for word in command], check=False,
                          capture_output=True, text=True, **options)
    assert done.returncode == 0, f'{command}: {done.stderr}{done.stdout}'
    return done.stdout


def as_root(*command):
    """The same, where files have to seem to be root's."""
    return run(*([] if os.getuid() == 0 else ['fakeroot']), *command)


def mtools(name, *words):
    """Run one of mtools."""
    return run(*program('trixie', 'mtools', f'usr/bin/{name}'), *words,
               env=dict(os.environ, MTOOLS_SKIP_CHECK='1', LC_ALL='C'))


def esp(path, files):
    """Write an EFI system partition with {its path: content or file}."""
    path.unlink(missing_ok=True)
    mtools('mformat', '-i', path, '-C', '-F', '-T', ESP_SIZE // SECTOR, '::')
    made = set()
    for name, content in files.items():
        for folder in reversed(pathlib.PurePath(name).parents[:-1]):
            if folder not in made:
                mtools('mmd', '-i', path, f'::{folder}')
                made.add(folder)
        source = content
        if not isinstance(content, pathlib.Path):
            source = path.with_suffix('.file')
            source.write_text(content)
        mtools('mcopy', '-i', path, source, f'::{name}')
    return path


def copy_to(disk, offset, source):
    """Copy a file into a disk, but for its holes."""
    with source.open('rb') as file:
        while block := file.read(MIB):
            if block.strip(b'\0'):
                disk.seek(offset)
                disk.write(block)
            offset += len(block)


def write_disk(path, partitions):
    """Write a disk of partitions: (type, file with its content)."""
    sector, entries = START // SECTOR, b''
    with path.open('wb') as disk:
        for kind, source in partitions:
            sectors = source.stat().st_size // SECTOR
            entries += PARTITION_ENTRY.pack(0, kind, sector, sectors)
            copy_to(disk, sector * SECTOR, source)
            source.unlink()
            sector += sectors
        disk.truncate(sector * SECTOR)
        disk.seek(446)
        disk.write(entries.ljust(64, b'\0') + b'\x55\xaa')
    return path


# Type of a partition that systemd finds by itself, and a name of its own
ROOT = uuid.UUID('4f68bce3-e8cd-4db1-96e7-fbcaf984b709')
GPT_ENTRY = struct.Struct('<16s16sQQQ72s')
GPT_HEADER = struct.Struct('<8sIIIIQQQQ16sQIII')
GPT_ENTRIES = 128


def gpt_header(table, mine, other, where, last):
    """A header of a GPT, which has its own checksum."""
    def pack(checksum):
        return GPT_HEADER.pack(
            b'EFI PART', 0x10000, GPT_HEADER.size, checksum, 0, mine, other,
            2 + len(table) // SECTOR, last - 1 - len(table) // SECTOR,
            ROOT.bytes_le, where, GPT_ENTRIES, GPT_ENTRY.size,
            zlib.crc32(table))
    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b'\0')


def root_disk(path, size=8 * MIB):
    """Write a disk with a GPT and one root partition, with nothing in it."""
    last = size // SECTOR - 1
    table = GPT_ENTRY.pack(
        ROOT.bytes_le, uuid.uuid4().bytes_le, START // SECTOR,
        last - START // SECTOR, 0, 'root'.encode('utf-16le'))
    table = table.ljust(GPT_ENTRIES * GPT_ENTRY.size, b'\0')
    behind = last - len(table) // SECTOR
    with path.open('wb') as disk:
        disk.seek(446)
        disk.write(PARTITION_ENTRY.pack(0, 0xee, 1, last))
        disk.seek(SECTOR - 2)
        disk.write(b'\x55\xaa' + gpt_header(table, 1, last, 2, last) + table)
        disk.seek(behind * SECTOR)
        disk.write(table + gpt_header(table, last, 1, behind, last))
    return path


def ext4(path, tree, size, files):
    """Write a file system of the files of a folder and of others: {path:
    (mode, content or file)}.
    """
    path.unlink(missing_ok=True)
    as_root('/sbin/mke2fs', '-q', '-t', 'ext4', '-L', 'root', '-d', tree,
            path, f'{size // MIB}M')
    scratch = path.with_suffix('.files')
    scratch.mkdir(exist_ok=True)
    commands = []
    for number, (name, (mode, content)) in enumerate(files.items()):
        for folder in reversed(pathlib.PurePath(name).parents[:-1]):
            if not (tree / folder).exists():
                commands.append(f'mkdir /{folder}')
        source = content
        if not isinstance(content, pathlib.Path):
            source = scratch / str(number)
            source.write_text(content)
        commands += [f'write {source} /{name}',
                     f'set_inode_field /{name} mode 0{0o100000 | mode:o}']
    script = scratch / 'commands'
    script.write_text('\n'.join(commands) + '\n')
    run('/sbin/debugfs', '-w', '-f', script, path)
    for file in scratch.iterdir():
        file.unlink()
    scratch.rmdir()
    return path


def ext4_state(disk, offset):
    """What the superblock of a file system says: (state, features)."""
    with disk.open('rb') as file:
        file.seek(offset + 1024)
        block = file.read(1024)
    assert block[56:58] == b'\x53\xef', 'no ext4'
    state, = struct.unpack_from('<H', block, 58)
    incompatible, = struct.unpack_from('<I', block, 96)
    return state, incompatible


def systemd_boot():
    """systemd's boot loader, as Debian has it."""
    return (fetch_package('trixie', 'systemd-boot-efi')
            / 'usr/lib/systemd/boot/efi/systemd-bootx64.efi')


def grub():
    """GRUB with its modules in it, the one that Debian signs."""
    return (fetch_package('trixie', 'grub-efi-amd64-unsigned')
            / 'usr/lib/grub/x86_64-efi/monolithic/grubx64.efi')


def unified_kernel(path, image, initrd, words):
    """Write a unified kernel image, by systemd's ukify."""
    stub = (fetch_package('trixie', 'systemd-boot-efi')
            / 'usr/lib/systemd/boot/efi/linuxx64.efi.stub')
    libraries = (fetch_package('trixie', 'python3-pefile')
                 / 'usr/lib/python3/dist-packages')
    ukify = fetch_package('trixie', 'systemd-ukify') / 'usr/bin/ukify'
    run('/usr/bin/python3', '-B', ukify, 'build', f'--linux={image}',
        f'--initrd={initrd}', f'--cmdline={words}', f'--stub={stub}',
        '--os-release=ID=debian\nPRETTY_NAME=Debian\n', '--uname=debian',
        f'--output={path}', env=dict(os.environ, PYTHONPATH=str(libraries)))
    return path


# A small Debian, unpacked and not installed
DEBIAN = ('systemd-sysv', 'udev', 'dbus', 'login', 'passwd', 'bash', 'dash',
          'coreutils', 'util-linux', 'mount', 'base-files', 'base-passwd',
          'libpam-runtime', 'libpam-modules', 'busybox-static', 'iproute2',
          'libnss-systemd', 'kmod', 'grep', 'sed', 'procps',
          'init-system-helpers', 'libc-bin')
PAM = {'auth': 'pam_unix.so nullok', 'account': 'pam_unix.so',
       'session': 'pam_unix.so', 'password': 'pam_unix.so'}


def debian_root(path, files):
    """Write a root file system of Debian's, with more files: root logs in
    without a password, and the network is asked for an address.
    """
    tree = fetch_programs('trixie', *DEBIAN)
    users = (tree / 'usr/share/base-passwd/passwd.master').read_text()
    settings = {
        'etc/passwd': users.replace('root:*:', 'root:x:'),
        'etc/group': (tree / 'usr/share/base-passwd/group.master').read_text(),
        'etc/shadow': 'root::20000:0:99999:7:::\n',
        'etc/hostname': 'debian\n',
        # Without one it is the first boot, with questions.
        'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
        'etc/fstab': '/dev/vda2 / ext4 defaults 0 1\n',
        'etc/systemd/network/all.network':
            '[Match]\nName=e*\n[Network]\nDHCP=ipv4\n',
        **{f'etc/pam.d/common-{kind}': f'{kind} required {module}\n'
           for kind, module in PAM.items()},
        'etc/pam.d/common-session-noninteractive':
            'session required pam_unix.so\n',
        'etc/systemd/system/multi-user.target.d/network.conf':
            '[Unit]\nWants=systemd-networkd.service\n'}
    return ext4(path, tree, 384 * MIB, {
        **{name: (0o600 if name == 'etc/shadow' else 0o644, text)
           for name, text in settings.items()}, **files})
