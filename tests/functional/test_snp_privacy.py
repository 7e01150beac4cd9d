# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing but the guest sees what a private page holds."""
import os
import re
import secrets
import socket

import pytest

from linux_guest import LIMIT, linux, snp

MEMORY = 512 << 20
# Names that QEMU gives its memfds.
SHARED_HALF = '/memfd:memory-backend-memfd-private'
PRIVATE_HALF = '/memfd:snp-private'
CHUNK = 8 << 20
# The guest joins two halves, so that no file of the host's has the marker.
SCRIPT = '''
join() { echo "$1$2"; }
marker=$(join %s %s)
i=0
while [ $i -lt 2000 ]; do echo $marker; i=$((i+1)); done >/tmp/secret
echo secret is kept
sleep 1000
'''


@pytest.fixture
def keeper(start, folder):
    """A guest that keeps a secret: (guest, marker)."""
    halves = secrets.token_hex(12), secrets.token_hex(12)
    guest = start(*snp(memory='512M'), '-gdb', f'unix:{folder}/gdb,server=on,'
                  'wait=off', *linux(folder, SCRIPT % halves))
    guest.wait_for('secret is kept')
    return guest, ''.join(halves).encode()


def memfds(pid):
    """Yield (name, open file) of each memfd of a process, once."""
    folder, seen = f'/proc/{pid}/fd', set()
    for fd in os.listdir(folder):
        path = f'{folder}/{fd}'
        name, inode = os.readlink(path), os.stat(path).st_ino
        if name.startswith('/memfd:') and inode not in seen:
            seen.add(inode)
            with open(path, 'rb') as memfd:
                yield name.split(' ')[0], memfd


def find(memfd, marker):
    """Return the offset of a marker in a sparse file, or None."""
    end = os.fstat(memfd.fileno()).st_size
    offset = 0
    while offset < end:
        try:
            offset = os.lseek(memfd.fileno(), offset, os.SEEK_DATA)
        except OSError:
            return None
        stop = os.lseek(memfd.fileno(), offset, os.SEEK_HOLE)
        while offset < stop:
            data = os.pread(memfd.fileno(), CHUNK + len(marker), offset)
            if marker in data:
                return offset + data.index(marker)
            offset += CHUNK
        offset = max(offset, stop)
    return None


def secret_offset(guest, marker):
    """Return where the private half has the marker; no other memfd has."""
    places = [(name, place) for name, memfd in memfds(guest.get_pid())
              if (place := find(memfd, marker)) is not None]
    assert [name for name, _ in places] == [PRIVATE_HALF]
    return places[0][1]


def test_scan(keeper):
    """The shared half has no secret of the guest; the private one has."""
    guest, marker = keeper
    secret_offset(guest, marker)
    # The scan did see the shared half, and something was in it.
    shared = [os.fstat(memfd.fileno()).st_blocks
              for name, memfd in memfds(guest.get_pid())
              if name == SHARED_HALF]
    assert len(shared) == 1 and shared[0] > 0


def test_monitor(keeper, folder):
    """dump-guest-memory, pmemsave and xp do not see private pages."""
    guest, marker = keeper
    place = secret_offset(guest, marker)
    shared = sum(block['shared-bytes']
                 for block in guest.cmd('query-upm')['blocks'])
    # A dump has the shared pages only.
    sizes = {folder / 'dump': shared, folder / 'pmem': MEMORY}
    dump, pmem = sizes
    guest.cmd('dump-guest-memory', paging=False, protocol=f'file:{dump}')
    guest.cmd('pmemsave', val=0, size=MEMORY, filename=str(pmem))
    for path, size in sizes.items():
        with path.open('rb') as saved:
            assert os.fstat(saved.fileno()).st_size >= size > 0
            assert find(saved, marker) is None, path.name
        path.unlink()
    text = guest.cmd('human-monitor-command',
                     **{'command-line': f'xp /{len(marker)}bx {place:#x}'})
    seen = bytes(int(byte, 16) for byte in re.findall(r'0x(..)\b', text))
    assert len(seen) == len(marker)
    assert seen != marker


class Gdb:
    """As much of gdb's remote protocol as reads memory."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        self.socket.connect(str(path))

    def ask(self, text):
        """Send a packet, return the answer to it."""
        self.socket.sendall(f'${text}#{sum(text.encode()) & 255:02x}'.encode())
        answer = b''
        while not re.search(rb'\$([^#]*)#..', answer):
            data = self.socket.recv(4096)
            assert data, 'gdbstub closed the connection'
            answer += data
        self.socket.sendall(b'+')
        return re.search(rb'\$([^#]*)#..', answer)[1].decode()


def test_gdbstub(keeper, folder):
    """The gdbstub's physical reads do not see private pages."""
    guest, marker = keeper
    place = secret_offset(guest, marker)
    gdb = Gdb(folder / 'gdb')
    assert gdb.ask('Qqemu.PhyMemMode:1') == 'OK'
    answer = gdb.ask(f'm{place:x},{len(marker):x}')
    assert bytes.fromhex(answer) != marker
