# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that Debian has, of its newest suite, on the emulated host.

Nobody here wrote them: what they say of the host is what they would say of
hardware, and they launch guests as they do there.
"""
import pathlib
import re
import shlex

import pytest

import l2
from debian import fetch_programs
from linux_guest import FIRMWARE

pytestmark = pytest.mark.at_length
SUITE = 'sid'
LIMIT = 540


def program(package, name):
    """The words that run a program with its own libraries."""
    folder = pathlib.Path(fetch_programs(SUITE, package)) / 'usr'
    libraries = folder / 'lib/x86_64-linux-gnu'
    return [str(libraries / 'ld-linux-x86-64.so.2'), '--library-path',
            str(libraries), str(folder / 'bin' / name)], folder


@pytest.fixture(scope='module', name='qemu')
def fixture_qemu():
    """Debian's QEMU, with its own ROMs and our firmware's folder"""
    words, folder = program('qemu-system-x86', 'qemu-system-x86_64')
    for data in (folder / 'share/qemu', folder / 'share/seabios', FIRMWARE):
        words += ['-L', str(data)]
    return words


def test_snphost(host):
    """It finds everything in order."""
    words, _ = program('snphost', 'snphost')
    status, output = host.run(f'modprobe -a msr cpuid && {shlex.join(words)} '
                              'ok', LIMIT)
    said = re.findall(r'\[ \S*?(PASS|FAIL|SKIP)\S* \] *- (.*)', output)
    assert [what for state, what in said if state != 'PASS'] == [], output
    assert status == 0 and len(said) > 25, output


def test_qemu_hello(host, qemu):
    """A guest of its KVM says what it says in the guest world."""
    words = l2.payload_words('hello', qemu)
    l2.check_hello(*host.run(l2.command(words, qemu), LIMIT))


def test_qemu_linux(host, qemu):
    """Stock firmware and a stock kernel to userspace and power-off."""
    folder = host.get().folder / 'debian'
    output = host.check(l2.boot_linux(folder, 'snp', qemu=qemu,
                                      backend='memory-backend-memfd'), LIMIT)
    l2.check_linux(output, 'snp')
