# SPDX-License-Identifier: GPL-2.0-or-later
"""Launches of SNP guests by L1's KVM, and L1's drivers without a guest."""
import re
import shlex
import subprocess

import pytest

import id_block
import l2
import payloads
from linux_guest import BUILD, LOGS, PLAIN_QEMU, TOP
from test_host import COMPLAINTS, LINES, said
from test_snp_launch import image_of, rows

pytestmark = pytest.mark.at_length
POLICY = 0x30000
KEY = id_block.new_key()
ROWS = [row for row in rows() if row['cpu'] == l2.CPU and
        row['hashes'] == 'off' and row['features'] == '0x1']


def launch(host, digest, vcpus, before=''):
    """Launch OVMF with an ID block for a digest; status and messages.

    before is what stands before QEMU on the command line.

    The firmware refuses any other digest than that of what it has measured.
    """
    block = id_block.block(digest, POLICY)
    guest = f',policy={POLICY:#x},id-block={id_block.text(block)},' \
        f'id-auth={id_block.text(id_block.auth(block, KEY))}'
    words = l2.machine('snp', vcpus, guest=guest)
    line = l2.command(words, port='-monitor')
    return host.run(f'echo quit | {before} {line} 2>&1', 240)


@pytest.mark.parametrize('row', ROWS, ids=lambda row: f'{row["vcpus"]}-vcpus')
def test_digest(host, row):
    """What the emulated firmware measures for KVM is what it measures in the
    guest world, and what another tool has computed."""
    image_of(row['firmware'])
    status, output = launch(host, row['digest'], int(row['vcpus']))
    assert status == 0, output


@pytest.mark.parametrize('row', ROWS[:1], ids=['1-vcpu'])
def test_wrong_digest(host, row):
    """One bit off: the launch is refused."""
    wrong = f'{int(row["digest"], 16) ^ 1:096x}'
    status, output = launch(host, wrong, int(row['vcpus']))
    assert status == 1, output
    assert 'BAD_MEASUREMENT' in output


@pytest.fixture(name='io_uring', scope='module')
def fixture_io_uring():
    """A library that has an io_uring interrupt LAUNCH_UPDATE"""
    library = LOGS / 'host/io-uring-in-launch.so'
    library.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ['gcc', '-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror',
         '-I', BUILD / 'qemu/build/linux-headers',
         '-I', BUILD / 'qemu/linux-headers', '-o', library,
         TOP / 'tests/host/io-uring-in-launch.c', '-luring', '-ldl'],
        check=True)
    return library


def test_io_uring(host, io_uring):
    """KVM breaks LAUNCH_UPDATE off where an io_uring has work for QEMU's
    thread; the guest is launched all the same, to its last page."""
    row = ROWS[0]
    status, output = launch(
        host, row['digest'], int(row['vcpus']),
        f'env LD_PRELOAD={shlex.quote(str(io_uring))}')
    assert status == 0, output
    counts = re.search(r'io_uring: (\d+) updates, (\d+) failed, '
                       r'(\d+) in part', output)
    updates, failed, parts = map(int, counts.groups())
    # Which of the two it was, the clock decides.
    assert 0 < failed + parts < updates, output


@pytest.mark.skipif(not PLAIN_QEMU.exists(),
                    reason='unpatched QEMU is not built here: make plain')
def test_unpatched_qemu(host):
    """A VMM that knows nothing of us launches the payload."""
    l2.check_hello(*host.run(l2.hello(PLAIN_QEMU)))


def test_drivers_again(host):
    """ccp and kvm_amd leave and come back; then a guest runs as before."""
    seen = len(host.console())
    host.check('rmmod kvm_amd && rmmod ccp && modprobe ccp && '
               'modprobe kvm-amd')
    console = host.console()[seen:]
    assert not said(console, COMPLAINTS + '|IOMMU shutdown failed')
    for name in ('ccp-sev', 'ccp-snp-api', 'kvm-sev', 'kvm-sev-es',
                 'kvm-sev-snp'):
        assert said(console, LINES[name]), console
    record = payloads.parse(host.check(payloads.command('hello')))
    assert payloads.compare(record, []) == ([], [])
