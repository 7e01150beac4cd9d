# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's launches of SEV-SNP, SEV-ES and SEV guests, by L1's KVM.

Here nothing stands in for the firmware, and the vCPUs run what was launched.
What KVM and the firmware of a host can not be made to refuse is the lab's.
"""
import base64
import hmac
import json
import pathlib
import struct
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE.parent / 'lab'
sys.path.insert(0, str(LAB))
# pylint: disable=wrong-import-position
import id_block  # noqa: E402
import launch_digest as oracle  # noqa: E402
import test_sev_kvm as lab  # noqa: E402
from linux_guest import LIMIT  # noqa: E402
from test_sev_kvm import Case, flash, sev, sha384, snp, text_of  # noqa: E402

pytestmark = pytest.mark.at_length
BUILD_ID = 1
POLICY = 0x30000
BLOCK = id_block.block('00' * 48, POLICY)

SNP_LAUNCHES = {name: lab.SNP_LAUNCHES[name] for name in ('bios', 'keeping')}
MEASURED = (('query-sev', {}), ('query-sev-launch-measure', {}),
            ('cont', {}), ('query-sev', {}), ('query-status', {}),
            ('quit', {}))


def measured(*arguments):
    """A SEV guest is measured, and runs."""
    return Case(sev(*arguments) + ['-S'], steps=MEASURED)


SEV_LAUNCHES = {
    'sev-bios': measured('policy=1'),
    'sev-flash': measured('policy=1', 1, flash()),
    'sev-old-type': measured('policy=1,legacy-vm-type=on', 2),
    'es-bios': measured('policy=5', 2),
    'es-flash': measured('policy=5', 2, flash()),
    'es-new-type': measured('policy=5,legacy-vm-type=off', 2),
}


def failures():
    """The lab's, without what its stand-in is told to refuse."""
    found = {name: entry for name, entry in lab.FAILURES.items()
             if not entry[0].fail}
    # A real KVM has no read-only memory for such guests.
    found['flash'] = (lab.FAILURES['flash'][0], 'pflash with kvm requires KVM '
                      'readonly memory support')
    found['policy-by-firmware'] = (
        Case(snp(f',policy={POLICY | 0x163:#x}')),
        *lab.FAILURES['policy-by-firmware'][1:])
    found['digest'] = (
        Case(snp(f',policy={POLICY:#x},id-block={id_block.text(BLOCK)},'
                 'id-auth=' + id_block.text(
                     id_block.auth(BLOCK, id_block.new_key())))),
        *lab.FAILURES['digest'][1:])
    return found


FAILURES = failures()
ALL = {**{f'snp-{name}': case for name, case in SNP_LAUNCHES.items()},
       **SEV_LAUNCHES,
       **{name: case for name, (case, *_) in FAILURES.items()}}


def as_json(case):
    """The lab's processor has no C-bit, and L1's has."""
    record = case.as_json()
    record['arguments'] = [word.replace('cbitpos=0', 'cbitpos=51')
                           for word in record['arguments']]
    return record


@pytest.fixture(scope='module', name='results')
def run_all(host):
    """What every case came to, by its name."""
    file = host.get().folder / 'cases.json'
    file.write_text(json.dumps({name: as_json(case)
                                for name, case in ALL.items()}))
    output = host.check(f'/usr/bin/python3 -B {LAB}/run_sev.py {file}',
                        LIMIT * len(ALL))
    records = [json.loads(line) for line in output.splitlines()
               if line.startswith('{')]
    return {record['name']: record for record in records}


@pytest.fixture(name='snp_launch', params=SNP_LAUNCHES)
def one_snp_launch(results, request):
    """One SNP guest that was launched, with its case."""
    result = results[f'snp-{request.param}']
    assert text_of(result) == ''
    assert result['status'] == 0
    assert len(result['answers']) == len(lab.LAUNCH)
    return SNP_LAUNCHES[request.param], result


def test_snp_pages(snp_launch):
    """What was to be launched was launched."""
    _, result = snp_launch
    before, after = result['answers'][1], result['answers'][8]
    assert before == after
    data = lab.image()
    assert {page['gpa']: page['contents'] for page in before
            if page['type'] == 'normal'} == {
                (1 << 32) - len(data) + at: sha384(data[at:at + oracle.PAGE])
                for at in range(0, len(data), oracle.PAGE)}


def test_snp_states(snp_launch):
    """The digest foretold is told of the guest that runs as well."""
    case, result = snp_launch
    before, after = result['answers'][0], result['answers'][7]
    vcpus = int(case.arguments[case.arguments.index('-smp') + 1])
    assert before['launch']['digest'] == after['launch']['digest'] == \
        oracle.launch(lab.image(), lab.SIGNATURE, vcpus, 1)
    assert (before['sev-type'], before['state']) == ('sev-snp',
                                                     'launch-update')
    assert (after['sev-type'], after['state']) == ('sev-snp', 'running')
    assert (after['api-major'], after['api-minor'], after['build-id']) == \
        (1, 55, BUILD_ID)
    assert result['answers'][5]['status'] == 'running'


def test_snp_memory(snp_launch):
    """Pages are allocated privately; shared copies go where a policy says."""
    case, result = snp_launch
    keeps = any('discard=none' in word for word in case.arguments)
    before, after = ({block['id']: block for block in result['answers'][i]
                      ['blocks']} for i in (2, 9))
    firmware = len(lab.image())
    assert before['pc.bios']['shared-resident'] == firmware
    assert before['pc.bios']['private-resident'] == 0
    assert after['pc.bios']['shared-resident'] == 0
    assert after['pc.bios']['private-resident'] == firmware
    assert before['ram0']['private-resident'] == 0
    assert after['ram0']['private-resident'] > 0
    assert bool(after['ram0']['shared-held-by-policy']) == keeps


@pytest.mark.parametrize('name', SEV_LAUNCHES)
def test_sev_digest(results, name):
    """The firmware measured what was foretold.

    SEV API (55766), section 6.5.1; without a session the key is zero.
    """
    result = results[name]
    assert text_of(result) == ''
    assert result['status'] == 0
    before, measure, _, after, status, _ = result['answers']
    assert (before['sev-type'], before['state']) == ('sev', 'launch-secret')
    assert (after['sev-type'], after['state']) == ('sev', 'running')
    assert status['status'] == 'running'
    assert before['launch'] == after['launch']
    data = base64.b64decode(measure['data'])
    policy = 5 if name.startswith('es') else 1
    assert data[:32] == hmac.digest(
        bytes(16), struct.pack('<BBBBI', 4, 1, 55, BUILD_ID, policy) +
        bytes.fromhex(before['launch']['digest']) + data[32:], 'sha256')


@pytest.mark.parametrize('name', FAILURES)
def test_failure(results, name):
    """The launch ends with what the manual says, and with the lab's words."""
    _, *messages = FAILURES[name]
    said = text_of(results[name])
    for message in messages:
        assert lab.says(said, message), said
    assert results[name]['status'] == 1
