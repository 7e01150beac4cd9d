# SPDX-License-Identifier: GPL-2.0-or-later
"""Launches of SEV-SNP, SEV-ES and SEV guests on a real kernel's KVM.

The lab's KVM has no SEV: sev-firmware.c answers the SEV commands, and checks
what KVM would check.  Nothing of hardware is proved, but all of QEMU's side of
the protocol runs as it does with it.  After LAUNCH_FINISH an SNP guest finds
zeros for its firmware and runs those; others find HLT.
"""
import base64
import dataclasses
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent)]
# pylint: disable=wrong-import-position
import lab as machine  # noqa: E402
from lab import Machine  # noqa: E402
import launch_digest as oracle  # noqa: E402
from linux_guest import (BUILD, COMMAND_LINE, FIRMWARE,  # noqa: E402
                         KERNEL, initramfs)

HERE = pathlib.Path(__file__).parent
SECONDS = 280
PAGE = oracle.PAGE
SIZE = '256M'
SIGNATURE = 0x800f12
HOST_DATA = bytes(range(32))
SECRET = bytes(range(100, 132))
SECRET_GPA = 0x100000
TYPES = {'normal': oracle.NORMAL, 'zero': oracle.ZERO,
         'secrets': oracle.SECRETS, 'cpuid': oracle.CPUID}
# A table of one certificate, of two pages: GUID, offset and length; the end
CERTS_GPA = 0x200000
CERTS = struct.pack('<16sII24x', bytes(range(16)), 48, 4096) + bytes(
    i * 7 % 251 for i in range(4096))
AMDSEV = FIRMWARE / 'OVMF.amdsev.fd'
# What LAUNCH_MEASURE answers is no measurement.
MEASUREMENT = base64.b64encode(b'M' * 48).decode()

# Numbers of commands, errno and firmware statuses
SEV_UPDATE, SEV_VMSA, SEV_FINISH = 3, 4, 7
INIT2, START, UPDATE, FINISH = 22, 100, 101, 102
EIO, EBUSY, ENOTTY, ENOSPC = 5, 16, 25, 28
NO_CALL, SUCCESS, INVALID_LEN, POLICY_FAILURE = -1, 0, 4, 7
BAD_MEASUREMENT, RESOURCE_LIMIT, INVALID_PARAM = 11, 23, 22

MISSING = machine.why_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def sha384(data):
    """In hexadecimal."""
    return hashlib.sha384(data).hexdigest()


def image(name='OVMF.fd'):
    """A firmware's image."""
    return (FIRMWARE / name).read_bytes()


def flash(name='OVMF.fd'):
    """A firmware on a flash device."""
    return ('-drive', f'if=pflash,format=raw,readonly=on,'
            f'file={FIRMWARE / name}')


BIOS = ('-bios', 'OVMF.fd')


def common(vcpus, guest):
    """What all cases have; the lab's processor has no C-bit."""
    return ['-cpu', 'EPYC-v4', '-smp', str(vcpus), '-m', SIZE,
            '-object', f'{guest},id=sev0,cbitpos=0,reduced-phys-bits=1']


def snp(guest='', backend='', vcpus=1, firmware=BIOS):
    """An SNP guest."""
    return [*common(vcpus, f'sev-snp-guest{guest}'), '-machine',
            'q35,confidential-guest-support=sev0,memory-backend=ram0',
            '-object', f'memory-backend-memfd-private,id=ram0,size={SIZE}{backend}',
            *firmware]


def sev(guest, vcpus=1, firmware=BIOS, more=()):
    """A SEV or SEV-ES guest."""
    return [*common(vcpus, f'sev-guest,{guest}'), '-machine',
            'q35,confidential-guest-support=sev0', *firmware, *more]


@dataclasses.dataclass
class Case:
    """One run of QEMU; without steps it has to end by itself."""

    arguments: list
    fail: tuple = ()            # command, first call, calls, errno, status
    step: int = 0               # pages that one LAUNCH_UPDATE does at most
    certs: int = 0              # where the guest wants certificates
    steps: tuple = ()

    def as_json(self):
        environment = {}
        if self.fail:
            environment['LAB_SEV_FAIL'] = ':'.join(map(str, self.fail))
        if self.certs:
            environment['LAB_SEV_CERTS'] = str(self.certs)
        if self.step:
            environment['LAB_SEV_STEP'] = str(self.step)
        return {'arguments': self.arguments, 'environment': environment,
                'steps': self.steps}


def sections(field):
    """The kinds, or the sizes in pages, of the SEV metadata's sections."""
    data = image()
    table = oracle.firmware_table(data)
    at = len(data) - struct.unpack('<I', table[oracle.METADATA])[0]
    count = struct.unpack_from('<I', data, at + 12)[0]
    found = [struct.unpack_from('<II', data, at + 20 + 12 * i)
             for i in range(count)]
    return [size // PAGE if field == 'size' else kind for size, kind in found]


UPM = ('query-upm', {'count-resident': True})
# Stopped before it runs, and then run
REGISTERS = ('human-monitor-command', {'command-line': 'info registers -a'})
LAUNCH = (('query-sev', {}), ('query-sev-launch-pages', {}), UPM, REGISTERS,
          ('cont', {}), ('query-status', {}), ('stop', {}),
          ('query-sev', {}), ('query-sev-launch-pages', {}), UPM, REGISTERS,
          ('quit', {}))
SNP_LAUNCHES = {
    'bios': Case(snp(f',host-data={base64.b64encode(HOST_DATA).decode()}',
                     vcpus=2) + ['-S'], steps=LAUNCH),
    'keeping': Case(snp(backend=',discard=none') + ['-S'], steps=LAUNCH),
    'by-100-pages': Case(snp() + ['-S'], step=100, steps=LAUNCH),
    # as KVM answers while a signal is pending
    'signal': Case(snp() + ['-S'], fail=(UPDATE, 2, 3, EIO, SUCCESS),
                   steps=LAUNCH),
    'signals': Case(snp() + ['-S'], step=100,
                    fail=(UPDATE, 3, 40, EIO, NO_CALL), steps=LAUNCH),
}


def sev_case(*arguments):
    """A SEV guest is measured, gets a secret and runs."""
    return Case(sev(*arguments) + ['-S'], steps=(
        ('query-sev', {}), ('query-sev-launch-measure', {}),
        ('sev-inject-launch-secret', {
            'packet-header': base64.b64encode(bytes(52)).decode(),
            'secret': base64.b64encode(SECRET).decode(),
            'gpa': SECRET_GPA}),
        ('human-monitor-command', {
            'command-line': f'xp /{len(SECRET)}xb {SECRET_GPA}'}),
        ('cont', {}), ('query-sev', {}), ('query-status', {}),
        ('quit', {})))


SEV_LAUNCHES = {
    'sev-bios': sev_case('policy=1'),
    'sev-flash': sev_case('policy=1', 1, flash()),
    'sev-new-type': sev_case('policy=1,legacy-vm-type=off', 2),
    'es-bios': sev_case('policy=5', 2),
    'es-flash': sev_case('policy=5', 2, flash()),
    'es-new-type': sev_case('policy=5,legacy-vm-type=off', 2),
}

# What QEMU says where a launch ends; "..." stands for anything
FAILURES = {
    'update-eio': (
        Case(snp(), fail=(UPDATE, 2, 1000, EIO, SUCCESS)),
        'LAUNCH_UPDATE of the zero page at 0x800000 (from metadata section 0;'
        " RAM block 'ram0', offset 0x800000): EIO",
        'KVM does not say why a page could not be launched',
        'or a signal came at each try'),
    'update-eio-after-progress': (
        Case(snp(), step=10, fail=(UPDATE, 3, 1000, EIO, SUCCESS)),
        'LAUNCH_UPDATE of the normal page at 0xffc14000 (from ...OVMF.fd,'
        " offset 0x14000; RAM block 'pc.bios', offset 0x14000): EIO"),
    'update-refused': (
        Case(snp(), fail=(UPDATE, 1, 1, EIO, RESOURCE_LIMIT)),
        'LAUNCH_UPDATE of the normal page at 0xffc00000 ...: EIO ... firmware '
        'status RESOURCE_LIMIT'),
    'cpuid-page': (
        Case(snp(), fail=(UPDATE, 2 + sections('kind').index(3), 1, EIO,
                          INVALID_PARAM)),
        'LAUNCH_UPDATE of the cpuid page at ... firmware status '
        'INVALID_PARAM', 'The CPUID page was not accepted',
        'leaf 0x1, subleaf 0x0, ECX: given', 'bit 0 (pni)',
        'Add to -cpu: pni=off'),
    'sev-update': (
        Case(sev('policy=1'),
             fail=(SEV_UPDATE, 1, 1, EIO, RESOURCE_LIMIT)),
        'LAUNCH_UPDATE_DATA of 0xffc00000-0xffffffff (from ...OVMF.fd, offset '
        '0x0): EIO ... firmware status RESOURCE_LIMIT'),
    'es-vcpus': (
        Case(sev('policy=5', 2),
             fail=(SEV_VMSA, 1, 1, EIO, RESOURCE_LIMIT)),
        'LAUNCH_UPDATE_VMSA of 2 vCPUs: EIO ... RESOURCE_LIMIT'),
    'es-finish': (
        Case(sev('policy=5'), fail=(SEV_FINISH, 1, 1, EIO, RESOURCE_LIMIT)),
        'LAUNCH_FINISH: EIO ... firmware status RESOURCE_LIMIT'),
    'policy-by-firmware': (
        Case(snp(',policy=0x30163'), fail=(START, 1, 1, EIO, POLICY_FAILURE)),
        'LAUNCH_START of policy 0x30163: EIO ... firmware status '
        'POLICY_FAILURE', 'want firmware of ABI version 1.99, the platform '
        'has 1.55'),
    'policy-by-kvm': (
        Case(snp(',policy=0x10000')), 'LAUNCH_START of policy 0x10000: EINVAL',
        'policy: bit 17 is reserved and must be one'),
    'digest': (
        Case(snp(), fail=(FINISH, 1, 1, EIO, BAD_MEASUREMENT)),
        'LAUNCH_FINISH: EIO ... firmware status BAD_MEASUREMENT',
        'The launch digest in id-block is not that of what was launched'),
    'asids': (
        Case(snp(), fail=(INIT2, 1, 1, EBUSY, SUCCESS)),
        'SEV launch: INIT: EBUSY', 'All ASIDs are in use'),
    'switched-off': (
        Case(snp(), fail=(INIT2, 1, 1, ENOTTY, SUCCESS)),
        'SEV launch: INIT: ENOTTY', 'KVM has SEV switched off'),
    'device': (
        Case(snp(',sev-device=/dev/absent')),
        'can not open /dev/absent: No such file or directory',
        "The host's kernel has no SEV"),
    'flash': (
        Case(snp(firmware=flash())), 'can not be made private',
        'A flash device has no private memory: give the firmware by -bios'),
    'sev-private': (
        Case(sev('policy=1,upm-mode=on')),
        "this kernel's KVM has no private memory for VMs of this type"),
    'certificates': (
        Case(snp(',certs-path=/dev/null')),
        "certs-path: this kernel's KVM can not ask for certificates "
        '(KVM_SEV_SNP_ENABLE_REQ_CERTS, Linux 7.0)'),
}


def all_cases(folder):
    """All of them by name; one needs files in a folder."""
    cases = {f'snp-{name}': case for name, case in SNP_LAUNCHES.items()}
    cases.update(SEV_LAUNCHES)
    cases['snp-reset'] = Case([*snp(), '-action', 'reboot=reset', '-S'], steps=(
        ('cont', {}), ('system_reset', {})))
    cases.update({name: case for name, (case, *_) in FAILURES.items()})
    certs = folder / 'certs'
    certs.write_bytes(CERTS)
    cases['certs'] = Case([*snp(f',certs-path={certs}'), '-S'],
                          certs=CERTS_GPA, steps=(
        ('cont', {}), ('log', {'text': '\nCERTS ret=0'}), ('query-status', {}),
        ('human-monitor-command', {
            'command-line': f'xp /{len(CERTS)}xb {CERTS_GPA}'}),
        ('quit', {})))
    if AMDSEV.exists():
        kernel = ['-kernel', str(KERNEL), '-initrd',
                  str(initramfs(folder / 'initramfs')),
                  '-append', COMMAND_LINE]
        for kind, policy in (('sev', 1), ('es', 5)):
            cases[f'hashes-{kind}'] = sev_case(
                f'policy={policy},kernel-hashes=on', 1, ('-bios', str(AMDSEV)),
                kernel)
    return cases


def command(lab):
    """Run all of them in a lab."""
    cases = {name: case.as_json()
             for name, case in all_cases(lab.folder).items()}
    file = lab.folder / 'cases.json'
    file.write_text(json.dumps(cases))
    return f'python3 -B {HERE}/run_sev.py --stand-in ' \
        f'{BUILD}/lab/sev-firmware.so {file}'


@pytest.fixture(scope='module', name='results')
def run_all():
    """What every case came to; the folder of the lab is with it."""
    subprocess.run(['make', '-s', '-C', HERE / 'guest',
                    f'out={BUILD / "lab"}'], check=True)
    host = Machine('pristine', SECONDS, name='sev')
    try:
        status, output = host.run(command)
    finally:
        host.close()
    assert status == 0, output[-3000:]
    found = {'folder': host.lab.folder}
    for line in output.splitlines():
        record = json.loads(line)
        found[record['name']] = record
    return found


# What an emulated host makes QEMU say of any guest
NOISE = ("host doesn't support requested feature", 'exceeds the recommended cpus')


def text_of(result):
    """What QEMU said, without what its CPU model or its host lacks."""
    return '\n'.join(line for line in result['messages'].splitlines()
                     if not any(words in line for words in NOISE))


def seen(text):
    """The bytes that the monitor shows."""
    return bytes(int(byte, 16) for byte in
                 re.findall(r'\b0x([0-9a-f]{2})\b', text))


def commands(result, prefix=''):
    """The names of the commands in their order, repetitions left out."""
    names = [record['name'].removeprefix(prefix) for record in result['log']
             if record['name'] != 'VCPU']
    return [name for i, name in enumerate(names)
            if not i or name != names[i - 1]]


def records(result, name):
    """The log of one command."""
    return [record for record in result['log'] if record['name'] == name]


def launched(result):
    """What was launched, page by page: (address, type, content's hash)."""
    pages = []
    for update in records(result, 'SNP_LAUNCH_UPDATE'):
        if update['ret']:
            continue
        assert len(update['contents']) in (0, update['done'])
        hashes = update['contents'] or [None] * update['done']
        pages += [((update['gfn'] + i) * PAGE, update['type'], digest)
                  for i, digest in enumerate(hashes)]
    return pages


def digest_of(result):
    """The launch digest of what was launched and of the vCPUs' registers."""
    digest = oracle.Digest()
    for gpa, kind, contents in launched(result):
        digest.chain(kind, gpa, bytes.fromhex(contents)
                     if kind == oracle.NORMAL else bytes(48))
    for vcpu in records(result, 'VCPU'):
        digest.page(oracle.VMSA, oracle.VMSA_GPA, oracle.vmsa(
            vcpu['rdx'], 1, vcpu['cs_base'], vcpu['rip']))
    return digest.value.hex()


@pytest.fixture(name='snp_launch', params=SNP_LAUNCHES)
def one_snp_launch(results, request):
    """One SNP guest that was launched, with its case."""
    result = results[f'snp-{request.param}']
    assert text_of(result) == ''
    assert result['status'] == 0
    assert len(result['answers']) == len(LAUNCH)
    return SNP_LAUNCHES[request.param], result


def test_snp_order(snp_launch):
    """Commands come in the order that KVM and the firmware want."""
    _, result = snp_launch
    assert commands(result) == ['INIT2', 'SNP_LAUNCH_START',
                                'SNP_LAUNCH_UPDATE', 'SNP_LAUNCH_FINISH']
    assert records(result, 'INIT2')[0]['vm_type'] == 4
    assert records(result, 'SNP_LAUNCH_START')[0]['policy'] == 0x30000
    assert result['log'][-1]['name'] == 'SNP_LAUNCH_FINISH'
    assert result['log'][-1]['ret'] == 0


def test_snp_updates(snp_launch):
    """One command a range, again where KVM did not do all of it."""
    case, result = snp_launch
    updates = records(result, 'SNP_LAUNCH_UPDATE')
    ranges = [len(image()) // PAGE, *sections('size')]
    step = case.step or max(ranges)
    wanted = [min(step, pages - at) for pages in ranges
              for at in range(0, pages, step)]
    assert [update['done'] for update in updates
            if not update['ret']] == wanted
    refused = [-update['ret'] for update in updates if update['ret']]
    assert refused == [case.fail[3]] * case.fail[2] if case.fail \
        else not refused


def test_snp_pages(snp_launch):
    """QEMU has said which pages, and launches these."""
    _, result = snp_launch
    before, after = result['answers'][1], result['answers'][8]
    assert before == after
    assert [(page['gpa'], TYPES[page['type']]) for page in before
            if page['type'] != 'vmsa'] == \
        [(gpa, kind) for gpa, kind, _ in launched(result)]
    measured = {gpa: contents for gpa, kind, contents in launched(result)
                if kind == oracle.NORMAL}
    assert {page['gpa']: page['contents'] for page in before
            if page['type'] == 'normal'} == measured
    data = image()
    assert measured == {
        (1 << 32) - len(data) + at: sha384(data[at:at + PAGE])
        for at in range(0, len(data), PAGE)}


def test_snp_digest(snp_launch):
    """The digest foretold is that of what KVM got and would put into VMSAs."""
    _, result = snp_launch
    vcpus = len(records(result, 'VCPU'))
    digest = result['answers'][0]['launch']['digest']
    assert digest == digest_of(result)
    assert digest == oracle.launch(image(), SIGNATURE, vcpus, 1)
    assert digest == result['answers'][7]['launch']['digest']


def test_snp_states(snp_launch):
    """It is stopped before its launch, and runs after it."""
    _, result = snp_launch
    before, after = result['answers'][0], result['answers'][7]
    assert (before['sev-type'], before['state']) == ('sev-snp',
                                                     'launch-update')
    assert (after['sev-type'], after['state']) == ('sev-snp', 'running')
    assert (after['api-major'], after['api-minor'], after['build-id']) == \
        (1, 55, 21)
    assert result['answers'][5]['status'] == 'running'
    # QEMU has what it knew before the launch, KVM tells no more
    assert 'CPU#0' in result['answers'][3]
    assert result['answers'][3] == result['answers'][10]


def test_snp_memory(snp_launch):
    """Pages are allocated privately; shared copies go where a policy says."""
    case, result = snp_launch
    keeps = any('discard=none' in word for word in case.arguments)
    before, after = ({block['id']: block for block in result['answers'][i]
                      ['blocks']} for i in (2, 9))
    firmware = len(image())
    rest = len(launched(result)) * PAGE - firmware
    assert before['pc.bios']['shared-resident'] == firmware
    assert before['pc.bios']['private-resident'] == 0
    assert after['pc.bios']['shared-resident'] == 0
    assert after['pc.bios']['discarded-shared'] == firmware
    assert after['pc.bios']['private-resident'] == firmware
    assert before['ram0']['private-resident'] == 0
    assert after['ram0']['private-resident'] >= rest
    assert before['ram0']['shared-resident'] > 0
    assert (after['ram0']['shared-resident'] > 0) == keeps
    assert after['ram0']['discarded-shared'] == (0 if keeps else rest)
    assert after['ram0']['shared-held-by-policy'] == (rest if keeps else 0)
    for blocks in (before, after):
        assert blocks['ram0']['shared-bytes'] == 0


def test_host_data(results):
    """What the guest's owner wrote for the report arrives."""
    finish = results['snp-bios']['log'][-1]
    assert bytes.fromhex(finish['host_data']) == HOST_DATA
    assert (finish['id_block'], finish['auth_key']) == (0, 0)


def test_certificates(results):
    """The guest is told how much room they take, and then gets them."""
    result = results['certs']
    assert text_of(result) == ''
    assert commands(result)[:3] == ['INIT2', 'SNP_ENABLE_REQ_CERTS',
                                    'SNP_LAUNCH_START']
    # the file stays locked until KVM is back from the guest, at once
    assert [(record['ret'], record['pages'], record['at_once'])
            for record in records(result, 'CERTS')] == \
        [(ENOSPC, 2, 0), (0, 2, 1)]
    assert result['answers'][2]['status'] == 'running'
    assert seen(result['answers'][3]) == CERTS
    assert result['status'] == 0


def test_no_reset(results):
    """A guest whose vCPUs KVM can not reset ends."""
    result = results['snp-reset']
    assert 'cpus are not resettable, terminating' in text_of(result)
    assert result['status'] == 0


SEV_INIT = {'new': 'INIT2', 'sev': 'INIT', 'es': 'ES_INIT'}


@pytest.fixture(name='sev_launch',
                params=[*SEV_LAUNCHES, 'hashes-sev', 'hashes-es'])
def one_sev_launch(results, request):
    """One SEV or SEV-ES guest that was launched: (name, result)."""
    if request.param not in results:
        pytest.skip('OVMF.amdsev.fd was not to be had')
    result = results[request.param]
    assert text_of(result) == ''
    assert result['status'] == 0
    return request.param.split('-'), result


def test_sev_order(sev_launch):
    """Commands come in the order that KVM and the firmware want."""
    words, result = sev_launch
    es = 'es' in words
    how = 'new' if 'new' in words else 'es' if es else 'sev'
    assert commands(result) == [
        SEV_INIT[how], 'LAUNCH_START', 'LAUNCH_UPDATE_DATA',
        *(['LAUNCH_UPDATE_VMSA'] if es else []), 'LAUNCH_MEASURE',
        'LAUNCH_SECRET', 'LAUNCH_FINISH']
    assert result['log'][0]['vm_type'] == \
        (0 if how != 'new' else 3 if es else 2)
    assert records(result, 'LAUNCH_START')[0]['policy'] == (5 if es else 1)
    # the first LAUNCH_MEASURE asks for the size of the second one's answer
    assert [record['status'] for record in result['log']
            if record.get('ret')] == [INVALID_LEN]


def sev_contents(words, folder):
    """What a SEV guest is launched with."""
    if words[0] != 'hashes':
        return [image()]
    data = image('OVMF.amdsev.fd')
    table = oracle.firmware_table(data)
    base = struct.unpack_from('<I', table[oracle.HASH_AREA])[0]
    page = oracle.hashes_page(table, KERNEL.read_bytes(),
                              (folder / 'initramfs').read_bytes(),
                              COMMAND_LINE.encode())
    # the firmware takes blocks of 16 bytes
    return [data, page[base % PAGE:base % PAGE + 176]]


def test_sev_contents(results, sev_launch):
    """The firmware is launched, and the kernel's hashes after it."""
    words, result = sev_launch
    wanted = [[sha384(data[at:at + PAGE]) for at in range(0, len(data), PAGE)]
              for data in sev_contents(words, results['folder'])]
    assert [update['contents'] for update in
            records(result, 'LAUNCH_UPDATE_DATA')] == wanted


def test_sev_digest(results, sev_launch):
    """The digest foretold is that of what KVM got and would put into VMSAs."""
    words, result = sev_launch
    has_fpu = 'new' in words
    vmsas = [oracle.vmsa(vcpu['rdx'], 0, vcpu['cs_base'], vcpu['rip'], has_fpu)
             for vcpu in records(result, 'VCPU')]
    data = b''.join([*sev_contents(words, results['folder']), *vmsas])
    wanted = hashlib.sha256(data).hexdigest()
    before = result['answers'][0]['launch']
    assert before['digest'] == wanted
    assert before['vcpus'] == len(vmsas)
    assert before['page-count'] == -(-len(data) // PAGE)
    assert before['policy']['es'] == ('es' in words)
    assert not before['policy']['debug']
    assert result['answers'][5]['launch'] == before


def test_sev_vcpus(sev_launch):
    """Other vCPUs of SEV-ES guests start where the firmware says."""
    words, result = sev_launch
    reset = struct.unpack('<I', oracle.firmware_table(image())[
        oracle.RESET])[0]
    places = [(0xffff0000, 0xfff0), (reset & 0xffff0000, reset & 0xffff)]
    found = [(vcpu['cs_base'], vcpu['rip'])
             for vcpu in records(result, 'VCPU')]
    count = 0 if 'es' not in words else 1 if words[0] == 'hashes' else 2
    assert found == places[:count]


def test_sev_measurement(sev_launch):
    """The measurement is told before the guest runs, its secret arrives."""
    _, result = sev_launch
    before, measure, injected, memory, _, after, status, _ = result['answers']
    assert (before['sev-type'], before['state']) == ('sev', 'launch-secret')
    assert measure == {'data': MEASUREMENT}
    assert injected == {}
    secret = records(result, 'LAUNCH_SECRET')[0]
    assert (secret['header'], secret['contents']) == (52, [sha384(SECRET)])
    assert seen(memory) == SECRET
    assert (after['sev-type'], after['state']) == ('sev', 'running')
    assert status['status'] == 'running'


def says(text, message):
    """Is a message in what QEMU said?  Lines may break anywhere."""
    pattern = '.*'.join(map(re.escape, message.split('...')))
    return re.search(pattern.replace(r'\ ', r'\s+'), text)


@pytest.mark.parametrize('name', FAILURES)
def test_failure(results, name):
    """The launch ends with what the manual says."""
    _, *messages = FAILURES[name]
    result = results[name]
    said = text_of(result)
    for message in messages:
        assert says(said, message), said
    assert result['status'] == 1
    assert not any(record['name'].endswith('LAUNCH_FINISH')
                   for record in result['log'] if not record.get('ret'))


def test_no_cause(results):
    """What may be a signal is not tried for ever, nor given up at once."""
    result = results['update-eio']
    assert 10 < len(records(result, 'SNP_LAUNCH_UPDATE')) < 1000


def test_refused_once(results):
    """What the firmware refuses is not tried again."""
    result = results['update-refused']
    assert len(records(result, 'SNP_LAUNCH_UPDATE')) == 1
