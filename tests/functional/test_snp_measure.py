# SPDX-License-Identifier: GPL-2.0-or-later
"""The measurement from QEMU itself: measure-only=, query-sev, info sev."""
import hashlib
import json
import struct
import subprocess

import launch_digest as oracle
import pytest
from qemu.qmp import QMPError

from linux_guest import (COMMAND_LINE, FIRMWARE, KERNEL, LIMIT, QEMU,
                         initramfs, launch_digest, plain, snp)
from test_snp_launch import image_of, name, rows
from test_snp_privacy import Gdb

SIGNATURES = {'EPYC-v4': 0x800f12, 'EPYC-Rome': 0x830f10,
              'EPYC-Milan': 0xa00f11, 'EPYC-Genoa': 0xa10f10,
              'EPYC-Turin': 0xb00f00}
TYPES = {'normal': oracle.NORMAL, 'vmsa': oracle.VMSA, 'zero': oracle.ZERO,
         'unmeasured': oracle.UNMEASURED, 'secrets': oracle.SECRETS,
         'cpuid': oracle.CPUID}
# How a guest is told to use KVM, whether the host has one or not
ACCELERATORS = [['-accel', 'tcg'], ['-accel', 'kvm'], ['-enable-kvm'],
                ['-machine', 'accel=kvm'], ['-accel', 'kvm,device=/dev/null'],
                ['-accel', 'kvm', '-accel', 'tcg'], []]


def measure(mode, args, status=0):
    """Run a command line that only measures, return what it prints."""
    done = subprocess.run(
        [QEMU, '-nodefaults', '-display', 'none', *map(str, args)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=LIMIT, check=False)
    assert done.returncode == status, done.stderr
    if status:
        assert done.stdout == ''
        return done.stderr
    if mode == 'hex':
        assert done.stdout.count('\n') == 1
        return done.stdout.strip()
    return json.loads(done.stdout)


def measured(mode='hex', accel=None, tail=(), guest='', status=0, **options):
    """Measure an SNP guest."""
    args = snp(memory='512M', guest=f',measure-only={mode}{guest}', **options)
    assert args[:2] == ['-accel', 'tcg']
    if accel is not None:
        args[:2] = accel
    return measure(mode, [*args, *tail], status)


@pytest.fixture(scope='module', name='kernel')
def kernel_to_hash(tmp_path_factory):
    """What is hashed: (arguments, the same for the oracle)."""
    initrd = initramfs(tmp_path_factory.mktemp('measure') / 'initramfs')
    return (['-kernel', KERNEL, '-initrd', initrd, '-append', COMMAND_LINE],
            (KERNEL.read_bytes(), initrd.read_bytes(), COMMAND_LINE.encode()))


@pytest.mark.parametrize('vcpus', [1, 2, 3, 8])
@pytest.mark.parametrize('cpu', SIGNATURES)
@pytest.mark.parametrize('firmware, hashes', [
    ('OVMF.fd', 'off'), ('OVMF.amdsev.fd', 'off'), ('OVMF.amdsev.fd', 'on')])
def test_hex(kernel, firmware, hashes, cpu, vcpus):
    """Every combination is what our own computation says."""
    if not (FIRMWARE / firmware).exists():
        pytest.skip(f'{firmware} was not to be had')
    args, content = kernel if hashes == 'on' else ((), None)
    assert measured(firmware=firmware, cpu=cpu, vcpus=vcpus, tail=args,
                    guest=f',kernel-hashes={hashes}') == oracle.launch(
        (FIRMWARE / firmware).read_bytes(), SIGNATURES[cpu], vcpus, 1,
        content)


@pytest.mark.parametrize(
    'row', [row for row in rows()
            if (row['features'], row['hashes']) == ('0x1', 'off')], ids=name)
def test_reference(row):
    """So is what another tool has computed."""
    image_of(row['firmware'])
    assert row['digest'] == measured(
        firmware=row['firmware'], cpu=row['cpu'], vcpus=int(row['vcpus']))


@pytest.mark.parametrize('accel', ACCELERATORS,
                         ids=lambda accel: ' '.join(accel) or 'none')
def test_accelerators(accel):
    """No accelerator is needed, whichever is asked for."""
    assert measured(accel=accel) == oracle.launch(
        (FIRMWARE / 'OVMF.fd').read_bytes(), SIGNATURES['EPYC-v4'], 1, 1)


def chain(pages):
    """Check each page's digest, return the last one."""
    digest = bytes(48)
    for page in pages:
        info = digest + bytes.fromhex(page.get('contents', '00' * 48))
        info += bytes([0x70, 0, TYPES[page['type']], 0, 0,
                       *page['vmpl-permissions']])
        info += page['gpa'].to_bytes(8, 'little')
        digest = hashlib.sha384(info).digest()
        assert page['digest'] == digest.hex()
    return digest.hex()


def test_json(kernel):
    """Every page is there, with its hash."""
    if not (FIRMWARE / 'OVMF.amdsev.fd').exists():
        pytest.skip('OVMF.amdsev.fd was not to be had')
    image = (FIRMWARE / 'OVMF.amdsev.fd').read_bytes()
    said = measured('json', firmware='OVMF.amdsev.fd', vcpus=3,
                    cpu='EPYC-Milan', guest=',kernel-hashes=on,'
                    'policy=0x1b0101', tail=kernel[0])
    pages = said['pages']
    assert said['digest'] == chain(pages) == oracle.launch(
        image, SIGNATURES['EPYC-Milan'], 3, 1, kernel[1])
    assert said['page-count'] == len(pages)
    assert pages[-4]['digest'] == said['seed']
    assert [page['type'] for page in pages[-4:]][1:] == ['vmsa'] * 3
    table = oracle.firmware_table(image)
    assert said['ap-eip'] == struct.unpack('<I', table[oracle.RESET])[0]
    assert (said['vcpus'], said['cpu-signature'], said['sev-features']) == \
        (3, SIGNATURES['EPYC-Milan'], 1)
    assert said['firmware'].endswith('/OVMF.amdsev.fd')
    assert said['firmware-sha256'] == hashlib.sha256(image).hexdigest()
    assert said['policy'] == {
        'abi-major': 1, 'abi-minor': 1, 'smt': True, 'debug': True,
        'single-socket': True, 'migration-agent': False, 'cxl': False,
        'aes-256-xts': False, 'rapl-disabled': False,
        'hide-ciphertext': False}

    from_firmware = [p for p in pages if p['source'] == 'firmware']
    assert [p['offset'] for p in from_firmware] == \
        list(range(0, len(image), 4096))
    for page in from_firmware:
        at = page['offset']
        assert page['gpa'] == (1 << 32) - len(image) + at
        assert page['contents'] == \
            hashlib.sha384(image[at:at + 4096]).hexdigest()
    table = oracle.firmware_table(image)
    hashes = [p for p in pages if p['source'] == 'kernel-hashes']
    assert [p['contents'] for p in hashes] == [hashlib.sha384(
        oracle.hashes_page(table, *kernel[1])).hexdigest()]
    assert [p['vcpu'] for p in pages if p['source'] == 'vcpu'] == [0, 1, 2]
    assert [p['type'] for p in pages if 'vcpu' in p] == ['vmsa'] * 3
    assert {p['type'] for p in pages if 'section' in p} == {
        'normal', 'zero', 'secrets', 'cpuid'}


@pytest.mark.parametrize('vcpus', [1, 3])
def test_variants(vcpus):
    """Other models and numbers of vCPUs have digests of their own."""
    image = (FIRMWARE / 'OVMF.fd').read_bytes()
    said = measured('json', vcpus=vcpus, cpu='EPYC-Rome')
    found = {(variant['cpu-model'], variant['vcpus']): variant
             for variant in said['variants']}
    assert len(found) == len(said['variants'])
    counts = sorted({vcpus for _, vcpus in found})
    models = {model for model, _ in found}
    assert counts[:8] == [1, 2, 3, 4, 6, 8, 12, 16] and counts[-1] == 256
    assert len(found) == len(counts) * len(models)
    assert not [model for model in models if '-v' in model]
    for model, signature in SIGNATURES.items():
        model = model.removesuffix('-v4')
        for count in (1, 2, 3, 16, 64, 256):
            variant = found[model, count]
            assert variant['cpu-signature'] == signature
            assert variant['digest'] == oracle.launch(image, signature, count,
                                                      1)
    assert found['EPYC-Rome', vcpus]['digest'] == said['digest']



def test_before_it_runs(start):
    """query-sev knows before the launch what the firmware says after it."""
    guest = start('-S', *snp(memory='512M', vcpus=2))
    before = guest.cmd('query-sev')
    pages = guest.cmd('query-sev-launch-pages')
    assert before['state'] == 'launch-update'
    assert launch_digest(guest) != before['launch']['digest']
    guest.cmd('cont')
    after = guest.cmd('query-sev')
    assert after['state'] == 'running'
    assert after['launch'] == before['launch']
    assert guest.cmd('query-sev-launch-pages') == pages
    assert launch_digest(guest) == before['launch']['digest'] == chain(pages)
    assert launch_digest(guest) == measured(vcpus=2)
    said = guest.cmd('human-monitor-command',
                     **{'command-line': 'info sev'}).splitlines()
    assert {f'launch digest: {before["launch"]["digest"]}',
            'policy: ABI 0.0; SMT allowed', f'launch pages: {len(pages)}',
            'vCPUs: 2, signature 0x800f12, SEV features 0x1',
            f'firmware SHA-256: {before["launch"]["firmware-sha256"]}'
            } <= set(said)


def test_other_guest_object(start):
    """A guest object that no machine uses says nothing of the guest."""
    guest = start('-S', *snp(memory='512M', vcpus=2))
    before = guest.cmd('query-sev')
    guest.cmd('object-add', id='other', cbitpos=51,
              **{'qom-type': 'sev-snp-guest', 'reduced-phys-bits': 1,
                 'measure-only': 'hex'})
    for path, only in (('sev0', 'off'), ('other', 'hex')):
        assert guest.cmd('qom-get', path=path,
                         property='measure-only') == only
    assert guest.cmd('query-sev') == before
    guest.cmd('object-del', id='other')
    guest.cmd('cont')
    assert guest.cmd('query-sev')['launch'] == before['launch']
    assert launch_digest(guest) == before['launch']['digest']


@pytest.mark.parametrize('policy', ['both', 'shared', 'private', 'none'])
def test_sources_are_given_back(start, policy):
    """What was launched does not stay in shared memory, by policy."""
    guest = start('-S', *snp(memory='512M', guest=f',discard={policy}'))
    launched = {page['gpa'] for page in guest.cmd('query-sev-launch-pages')
                if 'vcpu' not in page}
    guest.cmd('cont')
    guest.cmd('stop')
    discarded = guest.cmd('query-upm')['discarded-shared']
    assert discarded == (4096 * len(launched)
                         if policy in ('both', 'shared') else 0)


def test_no_metadata():
    """Firmware that can not be launched can not be measured."""
    message = measured(firmware='bios-256k.bin', status=1)
    assert 'SEV' in message


def test_no_snp_guest(start):
    """Other guests are launched from nothing."""
    guest = start('-S', *plain(memory='128M', firmware='bios-256k.bin'))
    with pytest.raises(QMPError, match='no SEV-SNP guest'):
        guest.cmd('query-sev-launch-pages')
    assert 'launch' not in guest.cmd('query-sev')


# What real firmware does not let a guest have, by the names of -cpu
@pytest.mark.parametrize('leaf, subleaf, register, bit, name', [
    (1, 0, 'ECX', 24, 'tsc-deadline'), (7, 0, 'EBX', 1, 'tsc-adjust'),
    (7, 0, 'EDX', 26, 'spec-ctrl'), (0xd, 1, 'ECX', 11, None),
    (0xd, 0, 'EAX', 9, 'pku'), (0x80000001, 0, 'ECX', 22, 'topoext')])
def test_refused_cpuid(start, folder, leaf, subleaf, register, bit, name):
    """A feature too many in the CPUID page is named."""
    guest = start('-S', *snp(memory='512M'), '-gdb',
                  f'unix:{folder}/gdb,server=on,wait=off')
    page = next(page['gpa'] for page in guest.cmd('query-sev-launch-pages')
                if page['type'] == 'cpuid')
    gdb = Gdb(folder / 'gdb')
    assert gdb.ask('Qqemu.PhyMemMode:1') == 'OK'
    table = bytes.fromhex(gdb.ask(f'm{page:x},800'))
    entries = [struct.unpack_from('<IIQQIIII', table, 16 + 48 * i)
               for i in range(struct.unpack_from('<I', table)[0])]
    number = next(i for i, entry in enumerate(entries)
                  if entry[:2] == (leaf, subleaf))
    which = ['EAX', 'EBX', 'ECX', 'EDX'].index(register)
    before = entries[number][4 + which]
    assert not before >> bit & 1
    at = page + 16 + 48 * number + 24 + 4 * which
    more = struct.pack('<I', before | 1 << bit).hex()
    assert gdb.ask(f'M{at:x},4:{more}') == 'OK'
    with pytest.raises(QMPError):
        guest.cmd('cont')
    guest.wait(timeout=LIMIT)
    said = guest.messages()
    assert f'LAUNCH_UPDATE of the cpuid page at 0x{page:x} ' in said
    assert (f'  leaf 0x{leaf:x}, subleaf 0x{subleaf:x}, {register}: given '
            f'0x{before | 1 << bit:08x}, accepted 0x{before:08x},\n'
            f'    bit {bit}' + (f' ({name})' if name else '') + '\n') in said
    assert (f'Add to -cpu: {name}=off\n' in said) == bool(name)
