# SPDX-License-Identifier: GPL-2.0-or-later
"""-sandbox on, as libvirt gives it, holds while an emulated guest runs."""
import pathlib

import pytest

from linux_guest import linux, snp
from test_snp_boot import check_kernel

SANDBOX = ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
           'resourcecontrol=deny']


def threads(pid):
    """Seccomp modes of a process's threads; 2 is a filter."""
    found = []
    for status in pathlib.Path(f'/proc/{pid}/task').glob('*/status'):
        lines = dict(line.split(':', 1) for line in
                     status.read_text().splitlines() if ':' in line)
        found.append(int(lines['Seccomp']))
    return found


@pytest.mark.parametrize('backend', ['', ',prealloc=on,prealloc-threads=2'],
                         ids=['', 'prealloc'])
def test_snp(start, folder, backend):
    """Threads, mappings and discards of a guest that boots are allowed."""
    guest = start(*SANDBOX, *snp(vcpus=2, backend=backend), *linux(folder))
    modes = threads(guest.get_pid())
    assert len(modes) > 2 and set(modes) == {2}
    upm = guest.cmd('query-upm')
    serial = guest.finish()
    check_kernel(serial, 2)
    assert upm['blocks'][0]['id'] == 'ram0'
