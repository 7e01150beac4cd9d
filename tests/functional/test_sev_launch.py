# SPDX-License-Identifier: GPL-2.0-or-later
"""Launches of SEV and SEV-ES guests by the emulated firmware.

The guests are stopped before their first instruction.
"""
import base64
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import struct
import threading
import time

import launch_digest as oracle
import pytest
from qemu.qmp import QMPError
from sev_owner import Owner, measurement

from linux_guest import COMMAND_LINE, FIRMWARE, KERNEL, LIMIT, initramfs
from test_snp_measure import measure

TABLE = pathlib.Path(__file__).parents[1] / 'data/launch-digests-sev.tsv'
POLICIES = {'sev': 1, 'seves': 5}
SIGNATURE = 0x800f12
MEMORY = 256 << 20
SECRET_GPA = 0x123000
# Seconds in which a monitor answers on a busy machine; the wait is for one
PATIENCE = 30


def sev(policy, guest='', vcpus=1, firmware='OVMF.fd', mode='on'):
    """Return the arguments of a SEV or SEV-ES guest."""
    backend = 'memfd-private' if mode == 'on' else 'memfd'
    return ['-accel', 'tcg', '-cpu', 'EPYC-v4', '-smp', vcpus, '-m', MEMORY >>
            20, '-machine',
            'q35,confidential-guest-support=sev0,memory-backend=ram0',
            '-object', f'memory-backend-{backend},id=ram0,share=on,'
            f'size={MEMORY}', '-object',
            'sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,'
            f'policy={policy},upm-mode={mode}{guest}', '-bios', firmware]


def rows():
    """Digests that another tool has computed"""
    for line in TABLE.read_text(encoding='utf-8').splitlines():
        if not line.startswith('#'):
            mode, firmware, begin, _, vcpus, digest = line.split('\t')
            for number in ([vcpus] if vcpus != '-' else [1, 4]):
                yield pytest.param(POLICIES[mode], firmware.split()[-1], begin,
                                   int(number), digest,
                                   id=f'{mode}-{firmware}-{number}')


def image_of(firmware, begin=''):
    """A firmware's content, which has to be the table's."""
    path = FIRMWARE / firmware
    if not path.exists():
        pytest.skip(f'{firmware} was not to be had')
    image = path.read_bytes()
    if not hashlib.sha256(image).hexdigest().startswith(begin):
        pytest.skip(f'{firmware} is another version than the table is for')
    return image


def vmsas(image, vcpus, has_fpu=True):
    """What vCPUs start with."""
    reset = struct.unpack('<I', oracle.firmware_table(image)[oracle.RESET])[0]
    ap = (reset & 0xffff0000, reset & 0xffff)
    return [oracle.vmsa(SIGNATURE, 0, *(ap if i else ()), has_fpu=has_fpu)
            for i in range(vcpus)]


def sha256(*parts):
    """In hexadecimal."""
    return hashlib.sha256(b''.join(parts)).hexdigest()


def told(guest):
    """The measurement, as an owner gets it."""
    return base64.b64decode(guest.cmd('query-sev-launch-measure')['data'])


@pytest.mark.parametrize('mode', ['on', 'off'])
@pytest.mark.parametrize('policy, firmware, begin, vcpus, digest', rows())
def test_digest(start, mode, policy, firmware, begin, vcpus, digest):
    """It is what sev-snp-measure says, and the firmware has measured it."""
    image = image_of(firmware, begin)
    guest = start('-S', *sev(policy, ',legacy-vm-type=off', vcpus, firmware,
                             mode))
    launch = guest.cmd('query-sev')['launch']
    assert launch['digest'] == digest
    assert launch['firmware-sha256'] == sha256(image)
    assert launch['vcpus'] == (vcpus if policy & 4 else 0)
    assert launch['policy']['es'] == bool(policy & 4)
    assert launch['page-count'] == \
        len(image) // oracle.PAGE + launch['vcpus']
    data = told(guest)
    assert measurement(bytes(16), policy, bytes.fromhex(digest), data)
    assert not measurement(bytes(16), policy ^ 2, bytes.fromhex(digest), data)
    assert guest.cmd('query-sev')['state'] == 'launch-secret'


def test_measure_only():
    """Without a guest, as hexadecimal digits and as JSON."""
    image = image_of('OVMF.fd')
    for policy, vcpus in ((1, 1), (5, 3)):
        parts = vmsas(image, vcpus if policy & 4 else 0)
        digest = sha256(image, *parts)
        for accel in (['-accel', 'tcg'], ['-accel', 'kvm'], []):
            args = sev(policy, ',legacy-vm-type=off,measure-only=hex', vcpus)
            assert measure('hex', [*accel, *args[2:]]) == digest
        launch = measure('json', sev(
            policy, ',legacy-vm-type=off,measure-only=json', vcpus))
        assert launch['digest'] == launch['pages'][-1]['digest'] == digest
        assert len(launch['pages']) == launch['page-count']
        assert launch['policy']['es'] == bool(policy & 4)


@pytest.mark.parametrize('legacy', ['auto', 'on', 'off'])
def test_pages(start, legacy):
    """Each page, with what was measured up to it."""
    image = image_of('OVMF.fd')
    guest = start('-S', *sev(5, f',legacy-vm-type={legacy}', 2))
    pages = guest.cmd('query-sev-launch-pages')
    parts = [image[at:at + oracle.PAGE]
             for at in range(0, len(image), oracle.PAGE)]
    parts += vmsas(image, 2, legacy == 'off')
    assert len(pages) == len(parts)
    digest = hashlib.sha256()
    for number, (page, content) in enumerate(zip(pages, parts)):
        digest.update(content)
        assert page.pop('contents') == sha256(content)
        assert page.pop('digest') == digest.hexdigest()
        at = number * oracle.PAGE
        assert page == ({
            'gpa': (1 << 32) - len(image) + at, 'type': 'normal',
            'source': 'firmware', 'offset': at, 'vmpl-permissions': []
        } if at < len(image) else {
            'gpa': 0, 'type': 'vmsa', 'source': 'vcpu',
            'vcpu': number - len(image) // oracle.PAGE, 'vmpl-permissions': []
        })
    assert guest.cmd('query-sev')['launch']['digest'] == digest.hexdigest()


def hashes_of(image, *kernel):
    """The hashes, which are less than a page: (address, content)"""
    table = oracle.firmware_table(image)
    base = struct.unpack_from('<I', table[oracle.HASH_AREA])[0]
    size = 18 + 3 * 50
    page = oracle.hashes_page(table, *kernel)
    at = base % oracle.PAGE
    return base, page[at:at + -(-size // 16) * 16]


@pytest.mark.parametrize('mode', ['on', 'off'])
def test_kernel_hashes(start, folder, mode):
    """Kernel, initrd and command line are measured as a piece of a page."""
    image = image_of('OVMF.amdsev.fd')
    initrd = initramfs(folder / 'initramfs')
    base, piece = hashes_of(image, KERNEL.read_bytes(), initrd.read_bytes(),
                            COMMAND_LINE.encode())
    guest = start('-S', *sev(1, ',kernel-hashes=on', 1, 'OVMF.amdsev.fd',
                             mode),
                  '-kernel', KERNEL, '-initrd', initrd, '-append',
                  COMMAND_LINE)
    last = guest.cmd('query-sev-launch-pages')[-1]
    assert (last['source'], last['gpa']) == ('kernel-hashes', base)
    assert last['contents'] == sha256(piece)
    assert last['digest'] == sha256(image, piece)
    assert measurement(bytes(16), 1, bytes.fromhex(last['digest']),
                       told(guest))
    assert in_halves(guest, piece) == (False, True)


def halves(guest):
    """Yield (whether it is private, what is in it) of all guest memory."""
    folder = pathlib.Path(f'/proc/{guest.get_pid()}/fd')
    for link in folder.iterdir():
        name = os.readlink(link)
        if not name.startswith('/memfd:'):
            continue
        with open(link, 'rb') as file:
            content, end = bytearray(), os.fstat(file.fileno()).st_size
            at = 0
            while at < end:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                content += os.pread(file.fileno(), hole - at, at)
                at = hole
        yield 'snp-private' in name, bytes(content)


def in_halves(guest, text):
    """Is it in shared memory, is it in private memory?"""
    found = {private for private, content in halves(guest) if text in content}
    return False in found, True in found


@pytest.mark.parametrize('policy', [1, 5])
@pytest.mark.parametrize('discard', ['both', 'none'])
def test_memory(start, policy, discard):
    """Private memory is filled; the shared copies go where a policy says."""
    image = image_of('OVMF.fd')
    guest = start('-S', *sev(policy, f',discard={discard}'))
    blocks = {block['id']: block for block in guest.cmd(
        'query-upm', count_resident=True)['blocks']}
    bios = blocks['pc.bios']
    assert bios['private-resident'] == len(image)
    assert bios['shared-resident'] == (len(image) if discard == 'none' else 0)
    assert blocks['ram0']['private-resident'] == 0
    assert {block['shared-bytes'] for block in blocks.values()} == {0}


#
# Owners
#

def capabilities(start, chip):
    """What the platform says of itself."""
    guest = start('-S', *sev(1, f',cert-dir={chip}'))
    answer = guest.cmd('query-sev-capabilities')
    guest.shutdown(hard=True)
    return answer


@pytest.fixture(name='chip')
def empty_folder(tmp_path):
    """A folder for a chip."""
    return tmp_path / 'chip'


def test_capabilities(start, chip):
    """The PDH lasts as long as its file, which others can not read."""
    first, second = capabilities(start, chip), capabilities(start, chip)
    assert first == second
    assert len(base64.b64decode(first['pdh'])) == 2084
    assert len(base64.b64decode(first['cert-chain'])) == 3 * 2084
    file = chip / 'sev-identity'
    assert file.stat().st_mode & 0o777 == 0o600
    # Without an owner there is no need for a chip with its slow keys.
    assert sorted(path.name for path in chip.iterdir()) == \
        ['.lock', 'sev-identity']
    file.unlink()
    assert capabilities(start, chip)['pdh'] != first['pdh']
    file.write_bytes(b'something else')
    spoilt = capabilities(start, chip)
    assert b'no PDH' in base64.b64decode(spoilt['pdh'])


@contextlib.contextmanager
def locked(path):
    """Keep a file locked, but no longer than a test can wait."""
    with path.open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        give_up = threading.Timer(PATIENCE, fcntl.flock,
                                  (file, fcntl.LOCK_UN))
        give_up.start()
        try:
            yield
        finally:
            give_up.cancel()
            give_up.join()


def test_locked(start, chip):
    """Who keeps the chip's folder locked does not make the monitor wait."""
    chip.mkdir()
    guest = start('-S', *sev(1, f',cert-dir={chip}'))
    with locked(chip / '.lock'):
        began = time.monotonic()
        answer = guest.cmd('query-sev-capabilities')
        assert time.monotonic() - began < PATIENCE
        assert b'no PDH' in base64.b64decode(answer['pdh'])
    assert re.search(f"can not lock '{chip}/.lock'.*\n.*Another process keeps",
                     guest.messages())
    pdh = guest.cmd('query-sev-capabilities')['pdh']
    assert len(base64.b64decode(pdh)) == 2084
    # What is there needs no lock.
    with locked(chip / '.lock'):
        assert guest.cmd('query-sev-capabilities')['pdh'] == pdh


@pytest.mark.parametrize('mode', ['on', 'off'])
@pytest.mark.parametrize('policy', [1, 5])
def test_secret(start, chip, policy, mode, tmp_path):
    """A secret for what was measured reaches private memory, and only that."""
    pdh = base64.b64decode(capabilities(start, chip)['pdh'])
    owner = Owner(pdh, policy)
    guest = start('-S', *sev(policy, f',cert-dir={chip},legacy-vm-type=off' +
                             owner.files(tmp_path), mode=mode))
    digest = bytes.fromhex(guest.cmd('query-sev')['launch']['digest'])
    data = told(guest)
    assert owner.accepts(digest, data)
    assert not measurement(bytes(16), policy, digest, data)

    secret = b'known to the owner and in private memory, nowhere else'.ljust(
        64, b'.')
    header, packed = owner.pack(secret, bytes(32))
    assert 'BAD_MEASUREMENT' in inject(guest, header, packed)
    header, packed = owner.pack(secret, data)
    assert in_halves(guest, secret) == (False, False)
    assert inject(guest, header, packed) is None
    assert in_halves(guest, secret) == (False, True)
    assert in_halves(guest, packed) == (False, False)
    assert guest.cmd('query-sev')['state'] == 'launch-secret'


def inject(guest, header, packed, gpa=SECRET_GPA):
    """Return the error, if there is one."""
    try:
        guest.cmd('sev-inject-launch-secret', gpa=gpa,
                  packet_header=base64.b64encode(header).decode(),
                  secret=base64.b64encode(packed).decode())
    except QMPError as error:
        return str(error)
    return None


def test_secret_and_reset(start, chip, tmp_path):
    """Launched again it would lack the secret, so that a reset is the end."""
    pdh = base64.b64decode(capabilities(start, chip)['pdh'])
    owner = Owner(pdh, 5)
    guest = start('-S', *sev(5, f',cert-dir={chip}' + owner.files(tmp_path)),
                  '-action', 'reboot=reset')
    header, packed = owner.pack(bytes(64), told(guest))
    assert inject(guest, header, packed) is None
    guest.cmd('cont')
    guest.cmd('system_reset')
    guest.wait(timeout=LIMIT)
    assert 'cpus are not resettable, terminating' in guest.messages()


# mov si, 7000h: what is there goes to the serial port, 64 bytes of it
SPEAKER = bytes.fromhex('31c0 8ed8 be0070 b94000 baf803 fc ac ee e2fc f4 ebfd')
SPEAKER_GPA = 0x7000


def speaker(path):
    """Write firmware that tells a secret, in real mode."""
    image = bytearray(64 << 10)
    image[0xff00:0xff00 + len(SPEAKER)] = SPEAKER
    image[0xfff0:0xfff3] = bytes.fromhex('e90dff')
    path.write_bytes(image)
    return path


@pytest.mark.parametrize('mode', ['on', 'off'])
def test_secret_is_known(start, chip, mode, tmp_path):
    """The guest finds the secret."""
    pdh = base64.b64decode(capabilities(start, chip)['pdh'])
    owner = Owner(pdh, 1)
    guest = start('-S', *sev(1, f',cert-dir={chip}' + owner.files(tmp_path),
                             firmware=speaker(tmp_path / 'speaker'),
                             mode=mode))
    secret = b'told by the guest that it was meant for'.ljust(64, b'.')
    assert inject(guest, *owner.pack(secret, told(guest)),
                  SPEAKER_GPA) is None
    guest.cmd('cont')
    guest.wait_for(secret.decode())
    assert in_halves(guest, secret) == (False, True)


BAD_SECRETS = {
    'alignment': ((52, 64, SECRET_GPA + 8), 'INVALID_ADDRESS'),
    'size': ((52, 60, SECRET_GPA), 'INVALID_LEN'),
    'header': ((51, 64, SECRET_GPA), 'INVALID_LEN'),
    'large': ((52, 20480 + 16, SECRET_GPA), 'EINVAL'),
    'end': ((52, 64, MEMORY - 48), 'Failed to calculate guest address'),
    'device': ((52, 64, 0xfee00000), 'Failed to calculate guest address'),
    'rom': ((52, 64, 0xfffffff0 - 0x30), 'BAD_MEASUREMENT'),
}


@pytest.mark.parametrize('mode', ['on', 'off'])
def test_bad_secrets(start, mode):
    """What is wrong with a secret is said; nothing is written."""
    guest = start('-S', *sev(5, mode=mode))
    packed = bytes(range(1, 65)) * 400
    for (header, size, gpa), message in BAD_SECRETS.values():
        said = inject(guest, bytes(header), packed[:size], gpa)
        assert said and message in said, (header, size, gpa, said)
    assert in_halves(guest, bytes(range(1, 17))) == (False, False)


def test_attestation(start, chip):
    """A report is signed by the platform's PEK."""
    guest = start('-S', *sev(5, f',cert-dir={chip}'))
    nonce = bytes(range(16))
    data = base64.b64decode(guest.cmd(
        'query-sev-attestation-report',
        mnonce=base64.b64encode(nonce).decode())['data'])
    assert len(data) == 0xd0
    assert data[:16] == nonce
    assert data[16:48].hex() == guest.cmd('query-sev')['launch']['digest']
    assert struct.unpack_from('<I', data, 48)[0] == 5


#
# Refusals
#

def test_wrong_session(start, refusal, chip, tmp_path):
    """Sessions for another platform, of another policy, cut short."""
    pdh = base64.b64decode(capabilities(start, tmp_path / 'other')['pdh'])
    other = Owner(pdh, 5).files(tmp_path)
    assert 'BAD_MEASUREMENT' in refusal(*sev(5, f',cert-dir={chip}' + other))
    pdh = base64.b64decode(capabilities(start, chip)['pdh'])
    owner = Owner(pdh, 1)
    files = owner.files(tmp_path)
    assert 'BAD_MEASUREMENT' in refusal(*sev(5, f',cert-dir={chip}' + files))
    owner.session = owner.session[:-1]
    files = owner.files(tmp_path)
    assert 'INVALID_LEN' in refusal(*sev(1, f',cert-dir={chip}' + files))
    owner.session = b''
    files = owner.files(tmp_path)
    assert 'KVM takes 1 to 16384' in refusal(
        *sev(1, f',cert-dir={chip}' + files))


def test_spoilt_identity(refusal, chip, tmp_path):
    """An owner is told which file is wrong."""
    chip.mkdir()
    (chip / 'sev-identity').write_bytes(b'x')
    said = refusal(*sev(5, f',cert-dir={chip},dh-cert-file={KERNEL}'))
    assert 'KVM takes' in said
    cert = tmp_path / 'cert'
    cert.write_bytes(base64.b64encode(bytes(2084)))
    said = refusal(*sev(5, f',cert-dir={chip},dh-cert-file={cert}'))
    assert re.search(r"sev-identity' is not the SEV identity of an emulated "
                     r'chip.*\n.*Remove sev-identity', said), said


def flashed(mode):
    """Arguments of a guest with its firmware in a flash device"""
    args = sev(1, mode=mode)
    args[args.index('-bios'):] = [
        '-drive', 'if=pflash,format=raw,readonly=on,file=' +
        str(FIRMWARE / 'OVMF.fd')]
    return args


def test_flash(refusal):
    """Flash has no private half."""
    said = refusal(*flashed('on'))
    assert 'is flash, which has no private memory: use -bios' in said


def test_flash_in_place(start, tmp_path):
    """Where there is no private half it is measured, and left as it is."""
    image = image_of('OVMF.fd')
    guest = start('-S', *flashed('off'))
    assert guest.cmd('query-sev')['launch']['digest'] == sha256(image)
    saved = tmp_path / 'saved'
    guest.cmd('pmemsave', val=(1 << 32) - len(image), size=len(image),
              filename=str(saved))
    assert saved.read_bytes() == image
    assert 'firmware in a flash device is measured, and is not encrypted' in \
        guest.messages()
    assert inject(guest, bytes(52), bytes(64), (1 << 32) - 4096)


def test_options(start):
    """Options that are for the other type only, and what they are."""
    guest = start('-S', *sev(1, ',emulated=on'))
    properties = {entry['name'] for entry in guest.cmd(
        'qom-list-properties', typename='sev-guest')}
    assert {'discard', 'upm-mode', 'emulated', 'measure-only',
            'cert-dir'} <= properties
    assert not {'pre-fault', 'emulated-smt', 'launch-digest',
                'certs-path'} & properties
