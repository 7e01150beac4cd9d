# SPDX-License-Identifier: GPL-2.0-or-later
"""The payloads of tests/guest, the same images, under L1's KVM.

The real KVM is what the guest world's answers are held against.
"""
import pathlib
import re
import subprocess

import pytest

import payloads
from l1 import TOP

pytestmark = pytest.mark.at_length
OPTIONS = {'cpus': 4}
# Seconds that a payload may take
LIMIT = 450


@pytest.fixture(scope='module', name='table')
def fixture_table():
    """The rows, which know whether they have been used."""
    return payloads.rows()


@pytest.fixture(scope='module', name='seen')
def fixture_seen():
    """The payloads that were held against the table."""
    return set()


@pytest.mark.parametrize('payload', payloads.names())
def test_payload(host, table, seen, payload):
    """It differs from the guest world in what the table names only."""
    status, output = host.run(payloads.command(payload), LIMIT)
    record = payloads.parse(output)
    assert record, f'{status}: {output[-3000:]}'
    unknown, stale = payloads.compare(record, table)
    seen.add(payload)
    said = '\n'.join([*record['lines'][-30:], record['messages'][-1500:]])
    assert not unknown, '\n'.join(unknown) + '\n---\n' + said
    assert not stale, f'rows of {payloads.TABLE} that nothing was found for'


def test_rows_are_used(table, seen):
    """No row is left over, not even one for several payloads."""
    if seen != set(payloads.names()):
        pytest.skip('not all payloads have been run')
    assert not payloads.unused(table)


def linux_source():
    """The source that scripts/lab-kernel builds from."""
    done = subprocess.run([TOP / 'scripts/lab-kernel', '-s'], check=True,
                          stdout=subprocess.PIPE, text=True)
    built = pathlib.Path(done.stdout.strip()).parent
    return built.parent / f'source-{built.name.rpartition("-")[0]}'


def test_sources():
    """The functions that decide are there, in the kernel of these rows."""
    source = linux_source()
    files = [*source.glob('arch/x86/kvm/**/*.c'), *source.glob('virt/kvm/*.c'),
             payloads.guest.BUILD / 'qemu/target/i386/cpu.c',
             TOP / 'tests/guest/lib/checks.c']
    text = '\n'.join(path.read_text() for path in files)
    names = {name for row in payloads.rows()
             for name in re.findall(r'(\w+)\(\)', row.why)}
    assert names
    for name in names:
        assert re.search(rf'^[a-z].*\b{name}\(', text, re.M), name
