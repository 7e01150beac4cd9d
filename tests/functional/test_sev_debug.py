# SPDX-License-Identifier: GPL-2.0-or-later
"""What a debugger finds at the virtual addresses of an SEV guest: what the
guest finds there, where its policy allows it."""
import os
import re
import secrets

import pytest

from linux_guest import FIRMWARE, linux, sev
from test_sev_off import in_flash, off
from test_snp_privacy import PRIVATE_HALF, SCRIPT, Gdb, find, memfds

# Where Linux maps all of its memory, if nothing is random
DIRECT_MAP = 0xffff888000000000
# Bit 0 of the policy: no debugging.  Bit 2: SEV-ES
NODBG = 1
MODES = {'on': (sev, '/memfd:memory-backend-memfd-private'),
         'off': (off, '/memfd:memory-backend-memfd')}


def keep(start, folder, policy, mode):
    """Start a guest that keeps a secret: (guest, marker)."""
    halves = secrets.token_hex(12), secrets.token_hex(12)
    guest = start(*MODES[mode][0](policy), '-gdb',
                  f'unix:{folder}/gdb,server=on,wait=off',
                  *linux(folder, SCRIPT % halves, append='nokaslr'))
    guest.wait_for('secret is kept')
    return guest, ''.join(halves).encode()


def place_of(guest, marker):
    """Where the private half has it"""
    return next(place for name, memfd in memfds(guest.get_pid())
                if name == PRIVATE_HALF
                and (place := find(memfd, marker)) is not None)


def shared_page(guest):
    """The last page of what Linux shares for its devices, which is unused"""
    end = re.search(r'software IO TLB: mapped \[mem 0x\w+-0x(\w+)\]',
                    guest.serial)[1]
    return int(end, 16) - 0x1000


def write_shared(guest, mode, place, data):
    """Write as a device would."""
    for name, memfd in memfds(guest.get_pid()):
        if name == MODES[mode][1]:
            with open(f'/proc/self/fd/{memfd.fileno()}', 'r+b',
                      buffering=0) as shared:
                assert os.pwrite(shared.fileno(), data, place) == len(data)


def saved(guest, folder, address, size):
    """What memsave finds at a virtual address"""
    path = folder / 'saved'
    guest.cmd('memsave', val=address, size=size, filename=str(path))
    return path.read_bytes()


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('policy', [0, 4])
def test_both_halves(start, folder, policy, mode):
    """The C-bit of a page decides what is read."""
    guest, marker = keep(start, folder, policy, mode)
    shared = shared_page(guest)
    written = secrets.token_bytes(32)
    write_shared(guest, mode, shared, written)
    gdb = Gdb(folder / 'gdb')
    for place, content in ((place_of(guest, marker), marker),
                           (shared, written)):
        address = DIRECT_MAP + place
        assert saved(guest, folder, address, len(content)) == content
        answer = gdb.ask(f'm{address:x},{len(content):x}')
        assert bytes.fromhex(answer) == content
        text = guest.cmd('human-monitor-command',
                         command_line=f'x /{len(content)}xb {address:#x}')
        assert bytes(int(byte, 16)
                     for byte in re.findall(r'0x(..)\b', text)) == content


@pytest.mark.parametrize('policy', [NODBG, NODBG | 4])
def test_forbidden(start, folder, policy):
    """Where the policy forbids it there is nothing to find."""
    guest, marker = keep(start, folder, policy, 'off')
    address = DIRECT_MAP + place_of(guest, marker)
    text = guest.cmd('human-monitor-command',
                     command_line=f'x /4xb {address:#x}')
    assert 'Cannot access memory' in text
    assert Gdb(folder / 'gdb').ask(f'm{address:x},8').startswith('E')


def test_flash(start, folder):
    """What has no private half is there, whatever the C-bit."""
    guest = start('-S', *in_flash(off(0), f'{FIRMWARE / "OVMF.fd"},readonly=on'))
    image = (FIRMWARE / 'OVMF.fd').read_bytes()
    assert saved(guest, folder, 0xfffffff0, 16) == image[-16:]
