# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/libvirt/README.md, word by word, and its table of messages."""
import re

from libvirt_room import TOP
from test_libvirt import BAD

TEXT = (TOP / 'docs/libvirt/README.md').read_text()
BLOCKS = re.findall(r'^```sh\n(.*?)^```$', TEXT, re.M | re.S)
# The fixtures have started both.
STARTS_DAEMON = 'virtlogd --daemon\nlibvirtd --daemon\n'


def test_follow(room):
    """All blocks, one after the other."""
    assert STARTS_DAEMON in BLOCKS
    for block in BLOCKS:
        if block != STARTS_DAEMON:
            said = room.shell(block)
            if 'info upm' in block:
                assert 'ram0' in said and 'pc.ram' not in said
                assert 'emulated SEV-SNP processor' in said


def test_names(room):
    """Files that the text names exist."""
    for name in re.findall(r'\]\(([\w.-]+)\)', TEXT):
        assert (TOP / 'docs/libvirt' / name).exists()


def test_messages():
    """Messages in the table are ones that the tests have seen."""
    table = TEXT.split('| message |')[1].split('\n\n')[0]
    messages = re.findall(r'^\| `([^`]+)`', table, re.M)
    seen = [part for case in BAD.values() for part in case[2]]
    assert len(messages) == 8
    assert set(messages) - set(seen) == set()


def test_width():
    """80 columns, but for tables."""
    assert [line for line in TEXT.splitlines()
            if len(line) > 80 and line[0] != '|'] == []
