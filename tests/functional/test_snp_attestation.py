# SPDX-License-Identifier: GPL-2.0-or-later
"""An unmodified Linux attests itself, and verifiers of others' accept it.

The guest's sev-guest driver asks through configfs-tsm.  On the host OpenSSL
verifies the chain, and Google's go-sev-guest verifies all of it.
"""
import base64
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import textwrap
import time

import pytest

import id_block
from linux_guest import (LIMIT, LOGS, QEMU, TOP, Guest, launch_digest, linux,
                         snp)

# In the order in which they need each other
MODULES = ['gf128mul', 'ghash-generic', 'crypto_null', 'gcm', 'configfs',
           'tsm', 'sev-guest']
NONCES = [bytes(range(64)), hashlib.sha512(b'another nonce').digest()]
HOST_DATA = hashlib.sha256(b'host data').digest()
CHIP_TEXT = b'emulated by QEMU-UPM: no AMD-SP '

PREPARE = '''
mount -t configfs config /sys/kernel/config
cd /sys/kernel/config/tsm/report
'''
REPORT = '''
mkdir %(name)s
echo %(nonce)s | base64 -d >%(name)s/inblob
echo %(name)s provider $(cat %(name)s/provider)
for blob in outblob auxblob; do
    echo %(name)s $blob $(base64 -w 0 <%(name)s/$blob)
done
'''
# Ask again and again, and say what comes.
ROUNDS = '''
mkdir r
for round in $(seq 60); do
    echo %(nonce)s | base64 -d >r/inblob
    if cat r/outblob >/tmp/out 2>/dev/null; then
        echo round $round certs $(cat r/auxblob | md5sum | cut -c 1-32)
    else
        echo round $round failed
    fi
    sleep 0.2
    [ -e /tmp/stop ] && break
done
'''


def encoded(data):
    """Return base64 as text."""
    return base64.b64encode(data).decode()


def report_script(name, nonce):
    """Return what makes a guest print a report."""
    return REPORT % {'name': name, 'nonce': encoded(nonce)}


def printed(serial, name, blob):
    """Return what a guest printed."""
    found = re.search(fr'^{name} {blob} (\S+)\s*$', serial, re.M)
    assert found, f'no {name} {blob} in:\n{serial[-1500:]}'
    return found[1]


class Evidence:
    """What a relying party gets from a guest, as files in a folder."""

    def __init__(self, folder, serial, name, nonce):
        self.folder, self.nonce = folder, nonce
        self.provider = printed(serial, name, 'provider')
        self.report = base64.b64decode(printed(serial, name, 'outblob'))
        self.certs = base64.b64decode(printed(serial, name, 'auxblob'))
        self.path('report').write_bytes(self.report)
        self.path('certs').write_bytes(self.certs)

    def path(self, name):
        """Return the path of a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def field(self, at, size):
        """Return a field of the report."""
        return self.report[at:at + size]


class Session:
    """One guest that has attested itself."""

    def __init__(self):
        self.folder = LOGS / 'attestation'
        shutil.rmtree(self.folder, ignore_errors=True)
        state = self.folder / 'state'
        self.chip = state / 'qemu-upm'
        script = PREPARE + ''.join(
            report_script(f'r{number}', nonce)
            for number, nonce in enumerate(NONCES))
        guest = Guest('attestation',
                      *snp(guest=f',host-data={encoded(HOST_DATA)}'),
                      *linux(self.folder, script, MODULES))
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv('XDG_STATE_HOME', str(state))
                guest.launch()
            self.made_early = state.exists()
            self.digest = launch_digest(guest)
            self.cert_dir = guest.cmd('qom-get', path='sev0',
                                      property='cert-dir')
            self.serial = guest.finish()
            self.messages = guest.messages()
        finally:
            guest.shutdown(hard=True)
        self.evidence = [
            Evidence(self.folder / f'r{number}', self.serial, f'r{number}',
                     nonce) for number, nonce in enumerate(NONCES)]


@pytest.fixture(scope='module')
def session():
    """Boot once for all tests that look at the same evidence."""
    return Session()


@pytest.fixture(scope='module')
def verify():
    """Return a function that has go-sev-guest verify a list of cases."""
    done = subprocess.run([TOP / 'scripts/verifier'], text=True, check=True,
                          stdout=subprocess.PIPE)
    program = done.stdout.strip()

    def run(cases):
        lines = [' '.join(map(str, case)) for case in cases]
        checked = subprocess.run([program], input='\n'.join(lines) + '\n',
                                 capture_output=True, text=True,
                                 timeout=LIMIT, check=True)
        verdicts = checked.stdout.splitlines()
        assert len(verdicts) == len(lines), checked.stderr
        return verdicts
    return run


def case_of(session, evidence, **other):
    """Return a case that is right but for what is named."""
    case = {'ark': session.chip / 'ark.der',
            'report': evidence.path('report'), 'certs': evidence.path('certs'),
            'nonce': evidence.nonce.hex(), 'measurement': session.digest}
    case.update(other)
    return list(case.values())


def flips(content, where, folder, name):
    """Yield files that differ from content in one bit of one byte."""
    folder.mkdir(exist_ok=True)
    for at in where:
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        path = folder / f'{name}-{at:x}'
        path.write_bytes(changed)
        yield path


def certificates(table):
    """Return the places of the certificates in a GUID table."""
    places = []
    while any(entry := table[24 * len(places):][:24]):
        places.append(struct.unpack('<II', entry[16:]))
    return places


def openssl(*args):
    """Run openssl, return whether it was content, and what it said."""
    done = subprocess.run(['openssl', *map(str, args)], capture_output=True,
                          text=True, timeout=LIMIT, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def other_root(folder, form):
    """Return a root certificate of somebody else's."""
    path = folder / f'other.{form}'
    good, said = openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes',
                         '-keyout', folder / 'other.key', '-outform', form,
                         '-out', path, '-subj', '/CN=other')
    assert good, said
    return path


def test_provider(session):
    """The driver that answers is the one for SEV-SNP."""
    assert [one.provider for one in session.evidence] == ['sev_guest'] * 2
    assert 'sev-guest' not in session.messages


@pytest.mark.parametrize('number', [0, 1])
def test_report(session, number):
    """Fields of the report are what host and guest know of the launch."""
    evidence = session.evidence[number]
    assert len(evidence.report) == 1184
    assert struct.unpack('<IIQ', evidence.field(0, 16)) == (3, 0, 0x30000)
    assert evidence.field(0x30, 4) == bytes(4), 'VMPL'
    assert evidence.field(0x50, 64) == NONCES[number]
    assert evidence.field(0x90, 48).hex() == session.digest
    assert evidence.field(0xc0, 32) == HOST_DATA
    assert evidence.field(0x140, 32) == \
        session.evidence[0].field(0x140, 32) != bytes(32)
    assert evidence.field(0x1a0, 32) == CHIP_TEXT


def test_certificates(session):
    """The guest gets the certificates that the folder holds."""
    for evidence in session.evidence:
        assert evidence.certs == (session.chip / 'certs.bin').read_bytes()
    ders = [(session.chip / f'{name}.der').read_bytes()
            for name in ('vcek', 'ask', 'ark')]
    assert [evidence.certs[at:at + size]
            for at, size in certificates(evidence.certs)] == ders


def test_openssl_chain(session, folder):
    """OpenSSL verifies the chain from PEM and DER, and no other root."""
    chip = session.chip
    verify_chain = ['verify', '-CAfile', chip / 'ark.pem', '-untrusted',
                    chip / 'ask.pem', chip / 'vcek.pem']
    good, said = openssl(*verify_chain)
    assert good, said
    for name in ('ark', 'ask', 'vcek'):
        good, text = openssl('x509', '-inform', 'DER', '-noout', '-text',
                             '-in', chip / f'{name}.der')
        assert good, text
        assert 'rsassaPss' in text and 'Emulated by QEMU-UPM' in text
        assert ('4096 bit' in text) == (name != 'vcek')
    assert 'secp384r1' in text
    good, said = openssl('verify', '-CAfile', chip / 'ask.pem',
                         chip / 'vcek.pem')
    assert not good
    chain = (chip / 'cert_chain.pem').read_text()
    assert chain == (chip / 'ask.pem').read_text() + \
        (chip / 'ark.pem').read_text()
    assert not openssl('verify', '-CAfile', other_root(folder, 'PEM'),
                       '-untrusted', chip / 'ask.pem', chip / 'vcek.pem')[0]


def test_openssl_signature(session, folder):
    """OpenSSL verifies the report's signature with the VCEK."""
    key, data, signature = (folder / name for name in ('key', 'data', 'sig'))
    good, said = openssl('x509', '-in', session.chip / 'vcek.pem', '-noout',
                         '-pubkey', '-out', key)
    assert good, said
    for evidence in session.evidence:
        numbers = [int.from_bytes(evidence.field(at, 72), 'little')
                   for at in (0x2a0, 0x2e8)]
        der = b''
        for number in numbers:
            octets = number.to_bytes(number.bit_length() // 8 + 1, 'big')
            der += bytes([2, len(octets)]) + octets
        signature.write_bytes(bytes([0x30, len(der)]) + der)
        for spoilt in (0, 1):
            content = bytearray(evidence.report[:0x2a0])
            content[0x90] ^= spoilt
            data.write_bytes(content)
            good, said = openssl('dgst', '-sha384', '-verify', key,
                                 '-signature', signature, data)
            assert good != spoilt, said


def test_verifier_accepts(session, verify):
    """go-sev-guest accepts what the guest sent."""
    assert verify([case_of(session, evidence)
                   for evidence in session.evidence]) == ['ok', 'ok']


def all_refused(verdicts, cases):
    """Check that a verifier has accepted none."""
    accepted = [case for verdict, case in zip(verdicts, cases)
                if not verdict.startswith('refused')]
    assert cases and not accepted


def test_verifier_report(session, verify, folder):
    """go-sev-guest refuses a report with any byte changed."""
    evidence = session.evidence[0]
    signed = [*range(0x2a0), *range(0x2a0, 0x2d0), *range(0x2e8, 0x318)]
    cases = [case_of(session, evidence, report=path) for path in
             flips(evidence.report, signed, folder / 'flips', 'report')]
    all_refused(verify(cases), cases)


@pytest.mark.parametrize('index', [0, 1], ids=['vcek', 'ask'])
def test_verifier_chain(session, verify, folder, index):
    """go-sev-guest refuses certificates with any byte changed."""
    evidence = session.evidence[0]
    start, size = certificates(evidence.certs)[index]
    cases = [case_of(session, evidence, certs=path) for path in
             flips(evidence.certs, range(start, start + size),
                   folder / 'flips', 'certs')]
    all_refused(verify(cases), cases)


def test_verifier_expectations(session, verify, folder):
    """go-sev-guest refuses another nonce, measurement, or root."""
    evidence, other = session.evidence
    cases = []
    for name in ('nonce', 'measurement'):
        right = bytes.fromhex(dict(nonce=evidence.nonce.hex(),
                                   measurement=session.digest)[name])
        for at in range(len(right)):
            changed = bytearray(right)
            changed[at] ^= 0x10
            cases.append(case_of(session, evidence, **{name: changed.hex()}))
    root = other_root(folder, 'DER')
    cases += [case_of(session, evidence, nonce=other.nonce.hex()),
              case_of(session, evidence, ark=root),
              case_of(session, evidence, report=other.path('report'))]
    all_refused(verify(cases), cases)


def test_manual(session, folder):
    """What the manual has the reader verify, word by word."""
    evidence = session.evidence[0]
    for name in ('report', 'certs'):
        shutil.copy(evidence.path(name), folder)
    (folder / 'nonce').write_bytes(evidence.nonce)
    (folder / 'digest').write_text(session.digest + '\n')
    (folder / 'chip').unlink(missing_ok=True)
    (folder / 'chip').symlink_to(session.chip)
    (folder / 'scripts').mkdir(exist_ok=True)
    (folder / 'scripts/verifier').write_text(
        f'#!/bin/sh\nexec {TOP}/scripts/verifier\n')
    (folder / 'scripts/verifier').chmod(0o755)
    page = TOP / 'docs/system/i386/amd-sev-snp-attestation.rst'
    blocks = re.findall(r'^\.\. code-block:: shell\n\n((?:  .*\n|\n)+)',
                        page.read_text(), re.M)
    said = []
    for block in blocks:
        done = subprocess.run(['bash', '-euc', textwrap.dedent(block)],
                              cwd=folder, capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.strip())
    assert said == ['chip/vcek.pem: OK', 'Verified OK', 'ok']


def test_folder(session):
    """Without cert-dir the chip is in XDG_STATE_HOME, when it is needed."""
    assert session.cert_dir == str(session.chip)
    assert not session.made_early
    assert 'keys of a new chip' in session.messages
    assert (session.chip / 'vcek.key').stat().st_mode & 0o777 == 0o600


def test_identity(session, start, folder, verify):
    """The next guest has the same chip; its report shows its ID block."""
    keys = id_block.new_key(), id_block.new_key()
    block = id_block.block(session.digest, 0x30000)
    auth = id_block.auth(block, *keys)
    guest = start(
        *snp(guest=f',cert-dir={session.chip},author-key-enabled=on,'
             f'emulated-smt=off,id-block={id_block.text(block)},'
             f'id-auth={id_block.text(auth)}'),
        *linux(folder, PREPARE + report_script('r', NONCES[1]), MODULES))
    evidence = Evidence(folder, guest.finish(), 'r', NONCES[1])
    first = session.evidence[0]
    assert 'keys of a new chip' not in guest.messages()
    assert evidence.certs == first.certs
    assert evidence.field(0x1a0, 64) == first.field(0x1a0, 64)
    assert evidence.field(0x140, 32) != first.field(0x140, 32), 'report ID'
    assert struct.unpack('<I', evidence.field(4, 4)) == (id_block.SVN,)
    assert evidence.field(0x10, 32) == id_block.FAMILY + id_block.IMAGE
    # RAPL is off on either platform, and no two addresses are one page's.
    assert evidence.field(0x40, 8) == b'\x28' + bytes(7)
    assert first.field(0x40, 8) == b'\x29' + bytes(7)
    assert evidence.field(0x48, 4) == b'\x01' + bytes(3)
    assert evidence.field(0xe0, 48).hex() == id_block.key_digest(keys[0])
    assert evidence.field(0x110, 48).hex() == id_block.key_digest(keys[1])
    assert verify([case_of(session, evidence)]) == ['ok']


# Options, and what the report then has: version, CPU, firmware's ABI, signer
CHIPS = {
    'milan-2': (',emulated-report-version=2', 2, '000000', '3701', 0),
    'genoa': (',emulated-chip=genoa', 3, '191101', '3701', 0),
    'milan-vlek': (',emulated-vlek=on', 3, '190101', '3701', 1),
    'milan-5': (',emulated-report-version=5,emulated-mitigations=0x21', 5,
                '190101', '3a01', 0),
    'turin': (',emulated-chip=turin', 5, '1a0201', '3a01', 0),
    'turin-vlek': (',emulated-chip=turin,emulated-vlek=on,vcek-disabled=on', 5,
                   '1a0201', '3a01', 1),
}


@pytest.mark.parametrize('name', CHIPS)
def test_chips(start, folder, verify, name, monkeypatch):
    """Each chip's report is accepted, and with a byte changed refused."""
    options, version, cpu, abi, signer = CHIPS[name]
    state = folder / 'state'
    shutil.rmtree(state, ignore_errors=True)
    monkeypatch.setenv('XDG_STATE_HOME', str(state))
    guest = start(*snp(guest=options),
                  *linux(folder, PREPARE + report_script('r', NONCES[0]),
                         MODULES))
    digest = launch_digest(guest)
    chip = pathlib.Path(guest.cmd('qom-get', path='sev0', property='cert-dir'))
    evidence = Evidence(folder, guest.finish(), 'r', NONCES[0])
    below = '' if name in ('milan-2', 'milan-5') else name
    assert chip == state / 'qemu-upm' / below
    assert struct.unpack('<I', evidence.field(0, 4)) == (version,)
    assert evidence.field(0x188, 3).hex() == cpu
    assert evidence.field(0x1e9, 2).hex() == abi
    assert evidence.field(0x48, 4) == bytes([signer << 2, 0, 0, 0])
    vector = 0x21 if 'mitigations' in options else 0
    assert struct.unpack('<QQ', evidence.field(0x1f8, 16)) == (vector,) * 2
    table = 'certs-vlek.bin' if signer else 'certs.bin'
    assert evidence.certs == (chip / table).read_bytes()

    case = {'ark': chip / 'ark.der', 'report': evidence.path('report'),
            'certs': evidence.path('certs'), 'nonce': NONCES[0].hex(),
            'measurement': digest}
    assert verify([case.values()]) == ['ok']
    signed = [*range(0x2a0), *range(0x2a0, 0x2d0), *range(0x2e8, 0x318)]
    spoilt = [{**case, 'report': path}.values() for path in
              flips(evidence.report, signed, folder / 'flips', 'report')]
    start_at, size = certificates(evidence.certs)[0]
    spoilt += [{**case, 'certs': path}.values() for path in
               flips(evidence.certs, range(start_at, start_at + size),
                     folder / 'flips', 'certs')]
    spoilt += [{**case, 'ark': other_root(folder, 'DER')}.values(),
               {**case, 'nonce': NONCES[1].hex()}.values(),
               {**case, 'measurement': '00' * 48}.values()]
    all_refused(verify(spoilt), spoilt)


def test_chip_options():
    """What cannot be is refused, with the reason."""
    for options, reason in (
            (',emulated-report-version=4', 'is not known, only 2, 3 and 5'),
            (',emulated-mitigations=1', 'has no place in attestation reports'),
            (',emulated-chip=rome', 'emulated-chip')):
        done = subprocess.run([QEMU, '-nodefaults', '-display', 'none',
                               *map(str, snp(guest=options))],
                              capture_output=True, text=True, timeout=LIMIT,
                              check=False)
        assert done.returncode == 1
        assert reason in done.stderr


def test_vcek_disabled(session, start, folder):
    """A guest without the VCEK gets no report, as there is no VLEK."""
    guest = start(*snp(guest=f',cert-dir={session.chip},vcek-disabled=on'),
                  *linux(folder, PREPARE + report_script('r', NONCES[0]),
                         MODULES))
    assert re.search(r'^r outblob\s*$', guest.finish(), re.M)


def test_broken_folder(start, folder):
    """QEMU says what is wrong with a folder; there is no report."""
    chip = folder / 'chip'
    chip.mkdir(exist_ok=True)
    (chip / 'vcek.key').write_text('no key')
    (chip / 'vcek.pem').write_text('no certificate')
    guest = start(*snp(guest=f',cert-dir={chip}'),
                  *linux(folder, PREPARE + report_script('r', NONCES[0]),
                         MODULES))
    serial = guest.finish()
    assert re.search(r'^r outblob\s*$', serial, re.M)
    messages = guest.messages()
    assert messages.count(f"cert-dir '{chip}': ") == 1
    assert 'Remove that folder' in messages


def padded(table, size):
    """Return a table with one more certificate, of that many bytes."""
    count = len(certificates(table))
    entries = [(table[24 * n:24 * n + 16], table[at:at + length])
               for n, (at, length) in enumerate(certificates(table))]
    assert len(entries) == count
    entries.append((b'qemu-upm padding', bytes(size)))
    offset, head, body = 24 * (len(entries) + 1), b'', b''
    for guid, content in entries:
        head += guid + struct.pack('<II', offset + len(body), len(content))
        body += content
    return head + bytes(24) + body


def test_certs_path(session, start, folder):
    """The file may change; a table that is too long costs the guest nothing."""
    file = folder / 'certs.bin'
    tables = [session.evidence[0].certs]
    tables += [padded(tables[0], 3000), padded(tables[0], 20000)]

    def put(table):
        new = folder / 'certs.new'
        new.write_bytes(table)
        os.replace(new, file)
        return hashlib.md5(table).hexdigest()

    first = put(tables[0])
    guest = start(*snp(guest=f',cert-dir={session.chip},certs-path={file}'),
                  *linux(folder, PREPARE + ROUNDS %
                         {'nonce': encoded(NONCES[0])}, MODULES))
    guest.wait_for(f'certs {first}')
    second = put(tables[1])
    guest.wait_for(f'certs {second}')
    put(tables[2])
    guest.wait_for(r'round \d+ failed')
    third = put(padded(tables[0], 100))
    guest.wait_for(f'certs {third}')
    failures = guest.serial.count('failed')

    # Whoever replaces the file in place keeps the guest waiting.
    with open(file, 'r+b') as locked:
        fcntl.lockf(locked, fcntl.LOCK_EX)
        time.sleep(1)
        before = guest.serial.count('round')
        time.sleep(1)
        assert guest.serial.count('round') == before
        locked.truncate(0)
        locked.write(padded(tables[0], 200))
    fourth = hashlib.md5(padded(tables[0], 200)).hexdigest()
    guest.wait_for(f'certs {fourth}')
    assert guest.serial.count('failed') == failures
    assert 'isabling VMPCK' not in guest.serial
