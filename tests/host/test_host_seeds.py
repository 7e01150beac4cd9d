# SPDX-License-Identifier: GPL-2.0-or-later
"""The eight cases of the seed for SEV and SEV-ES guests of L1's KVM.

SNP guests run them in test_host_payloads.py.  Memory of the emulated host is
plain text, so that only what a guest shares can be compared; its requests are
recorded by L1's QEMU.
"""
import functools
import json
import re
import shlex

import pytest

import l2
import payloads
from l1 import TOP

pytestmark = pytest.mark.at_length
OPTIONS = {'cpus': 4}
LIMIT = 450
PAYLOAD = 'seeds_plain'
CASES = ('PMPAT', 'PMSAT', 'SMSAT', 'SMPAT', 'PSAT', 'SPAT', 'PSPAHCT')


def names(kind, case):
    return [name for name in payloads.guest.check_names(PAYLOAD, kind)
            if name.partition('/')[2].startswith(case + '-')]


def in_plain_text(name):
    """Would this check be about what encryption hides?"""
    text = payloads.guest.source_text(PAYLOAD)
    hidden = re.findall(r'\b(?:host|guest)_cannot\(S\("([^"]+)"\)', text)
    return name.partition('/')[2] in hidden


@pytest.fixture(scope='module', name='record')
def fixture_record(host):
    """What a run of the payload as a kind of guest came to, once."""
    @functools.lru_cache(maxsize=None)
    def run(kind):
        options = {'kind': kind, 'mode': 'off'}
        status, output = host.run(shlex.join(
            ['python3', '-B', f'{TOP}/tests/host/run_payload.py',
             str(payloads.LIMIT), str(payloads.LIMIT), PAYLOAD,
             json.dumps(options)]), LIMIT)
        found = payloads.parse(output)
        assert found, f'{status}: {output[-3000:]}'
        return found
    return run


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('kind', ['sev', 'es'])
def test_off(record, kind, case):
    """What is shared is the same on both sides, and what is told is kept."""
    found = record(kind)
    said = '\n'.join([*found['lines'][-30:], found['messages'][-1500:]])
    assert names(kind, case)
    for name in names(kind, case):
        wanted = 'skip' if in_plain_text(name) else 'ok'
        assert found['checks'].get(name, ['missing'])[0] == wanted, \
            f'{name}\n---\n{said}'
    assert payloads.end_of(found) == payloads.GOOD_END, said


@pytest.mark.parametrize('kind', ['sev', 'es'])
def test_on_is_refused(host, kind):
    """By the name of what KVM has not."""
    words = l2.machine(kind, guest=',upm-mode=on')
    status, output = host.run(
        f'echo quit | {l2.command(words, port="-monitor")} 2>&1', LIMIT)
    assert status == 1, output
    assert 'no private memory for VMs of this type: KVM_CAP_' in output
    assert 'is missing' in output
