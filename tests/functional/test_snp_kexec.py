# SPDX-License-Identifier: GPL-2.0-or-later
"""SNP guests that start another kernel by themselves: kexec, and kdump.

Debian's kexec loads Debian's kernels; the next one has the same initramfs,
which the guest packs up itself.
"""
import mmap
import re
import secrets
import struct
import time

import pytest

from debian import debian_kernel, fetch_programs
from linux_guest import COMMAND_LINE, LIMIT, linux, snp
from patience import Patience
from test_snp_boot import check_kernel

pytestmark = pytest.mark.at_length

LIBRARIES = 'usr/lib/x86_64-linux-gnu'
LIVES = 3
MARK = 'what the first kernel had in memory: '

START = r'''
life=$(sed 's/.*life=\([^ ]*\).*/\1/' /proc/cmdline)
echo "life $life of $(uname -r)"
load() {
    cd /
    { find bin init modules usr lib64 vmlinuz *.ko 2>/dev/null
      printf '%s\n' dev proc sys tmp run; } |
        cpio -o -H newc >/tmp/initrd 2>/dev/null
    words="$1 $3"
    kexec -s $2 /vmlinuz --initrd=/tmp/initrd --append="$words"
    echo "loaded $?"
}
'''
NEXT = START + f'''
[ $life = {LIVES} ] && {{ echo userspace: end; poweroff -f; }}
load '{COMMAND_LINE}' -l life=$((life + 1))
kexec -e
'''


def kexec_files(image):
    """Entries of an initramfs: a kernel, and a program that loads it."""
    folder = fetch_programs('trixie', 'kexec-tools')
    names = [f'{LIBRARIES}/{path.name}' for pattern in
             ('libc.so.6', 'libxen*.so.*')
             for path in sorted((folder / LIBRARIES).glob(pattern))]
    return [
        *((name, 0o40755, b'') for name in
          ('lib64', 'usr', 'usr/lib', LIBRARIES)),
        ('vmlinuz', 0o100644, image.read_bytes()),
        ('bin/kexec', 0o100755, (folder / 'usr/sbin/kexec').read_bytes()),
        ('lib64/ld-linux-x86-64.so.2', 0o100755,
         (folder / LIBRARIES / 'ld-linux-x86-64.so.2').read_bytes()),
        *((name, 0o100755, (folder / name).read_bytes()) for name in names)]


def boot(folder, script, suite, flavour='cloud-amd64', modules=(), append=''):
    """Arguments of a guest that can start its kernel again."""
    kernel = debian_kernel(suite, flavour)
    return linux(folder, script, modules, f'{append} life=1'.lstrip(), kernel,
                 kexec_files(kernel[0]))



# Linux writes DR7 when it has given up its GHCBs.  Without debug swap that is
# intercepted, and how it answers is test_without_debug_swap()'s.
SWAP = ',debug-swap=on'
# Where in a GHCB the code of an event is, seen from address 0
CODE = 0x390


@pytest.mark.parametrize('vcpus', [1, 2])
def test_kexec(start, folder, vcpus):
    """Linux 7 follows itself, twice, with all of its processors."""
    guest = start(*snp(vcpus=vcpus, guest=SWAP),
                  *boot(folder, NEXT, 'trixie-backports'))
    serial = guest.finish()
    lives = re.findall(r'^life (\d)', serial, re.M)
    assert lives == [str(life) for life in range(1, LIVES + 1)]
    assert re.findall(r'^loaded (\d+)', serial, re.M) == ['0'] * (LIVES - 1)
    assert serial.count(f'userspace: {vcpus} CPUs') == LIVES
    check_kernel(serial, vcpus)


def registers(guest):
    """What the monitor says of the registers."""
    return guest.cmd('human-monitor-command',
                     **{'command-line': 'info registers'})


def test_without_debug_swap(start, folder):
    """It hangs, under KVM as well: its handler of #VC has no GHCB any more,
    writes to one at address 0, and the page fault is answered by the same.
    """
    guest = start(*snp(), *boot(folder, NEXT, 'trixie-backports'))
    guest.wait_for('^loaded 0')
    patience = Patience(LIMIT, guest.get_pid())
    while f'CR2={CODE:016x}' not in registers(guest):
        assert guest.is_running(), guest.last_words()
        assert not patience.over(), guest.last_words()
        time.sleep(0.5)
    assert guest.cmd('query-status')['status'] == 'running'
    assert guest.serial.count('userspace: ') == 1


# On the boot processor: the crash kernel of any other would read the page of
# the VMSA that it runs with, which is in use, and wait for ever.
CRASH = START + rf"""
if [ $life = dump ]; then
    dd if=/proc/vmcore of=/dev/vda bs=1M 2>/dev/null
    sync
    echo vmcore $(stat -c %s /proc/vmcore)
else
    echo "{MARK}$(sed 's/.*mark=\([^ ]*\).*/\1/' /proc/cmdline)" >/tmp/mark
    load '{COMMAND_LINE} nr_cpus=1 reset_devices' -p life=dump
    taskset 1 sh -c 'echo c >/proc/sysrq-trigger'
fi
"""


def crash(start, folder, suite, guest=''):
    """Start a guest that crashes, with a disk for its memory; the guest, the
    disk, and a text that was in its memory.
    """
    disk = folder / 'vmcore'
    with disk.open('wb') as file:
        file.truncate(1 << 30)
    mark = secrets.token_hex(16)
    return start(
        *snp(memory='768M', vcpus=2, guest=guest),
        *boot(folder, CRASH, suite, modules=['virtio_blk'],
              append=f'crashkernel=256M mark={mark}'),
        '-drive', f'if=none,id=disk,format=raw,file={disk}',
        '-device', 'virtio-blk-pci,drive=disk'), disk, MARK + mark


def segments(core):
    """(type, offset, size) of the segments of an ELF core file."""
    assert core[:4] == b'\x7fELF' and core[16:18] == b'\x04\0', core[:64]
    offset, = struct.unpack_from('<Q', core, 32)
    size, number = struct.unpack_from('<HH', core, 54)
    for entry in range(offset, offset + size * number, size):
        kind, _, where, _, _, length = struct.unpack_from('<IIQQQQ', core,
                                                          entry)
        yield kind, where, length


def test_kdump(start, folder):
    """After a panic the crash kernel reads all of the memory of before."""
    guest, disk, mark = crash(start, folder, 'trixie-backports', SWAP)
    serial = guest.finish()
    size = int(re.search(r'^vmcore (\d+)', serial, re.M)[1])
    with disk.open('rb') as file, \
            mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as core:
        parts = list(segments(core))
        assert max(where + length for _, where, length in parts) == size
        assert sum(length for kind, _, length in parts if kind == 1) > 400 << 20
        notes = next((where, length) for kind, where, length in parts
                     if kind == 4)
        release = debian_kernel('trixie-backports', 'cloud-amd64')[1].name
        assert core.find(f'OSRELEASE={release}'.encode(), notes[0],
                         sum(notes)) > 0
        assert core.find(mark.encode()) > 0
    disk.unlink()


# How those end that cannot: they meet a page that the kernel before has left
# shared, and cannot handle #VC 404h.
TERMINATED = 'general termination request (set 0x0 code 0x0)'


def test_kexec_of_old_kernel(start, folder):
    """6.12 leaves pages shared, and the kernel behind it gives up, or meets one
    before it can: a triple fault.
    """
    guest = start(*snp(vcpus=2), *boot(folder, NEXT, 'trixie'))
    guest.wait_for('^loaded 0')
    end = guest.wait_event('SHUTDOWN')
    guest.wait(timeout=LIMIT)
    reason = end['data']['reason']
    assert reason in ('guest-panic', 'guest-reset')
    assert (TERMINATED in guest.messages()) == (reason == 'guest-panic')
    assert guest.serial.count('userspace: ') == 1


def test_kdump_of_old_kernel(start, folder):
    """The crash kernel of 6.12, in memory of its own, gets on until it reads
    such a page.
    """
    guest, disk, _ = crash(start, folder, 'trixie')
    guest.wait_for('^life dump')
    guest.wait(timeout=LIMIT)
    disk.unlink()
    assert TERMINATED in guest.messages()
    assert not re.search('^vmcore', guest.serial, re.M)
