# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests start with the identity that was signed for them, and no other."""
import dataclasses
import functools
import struct

import id_block
import pytest

import launch_digest as oracle
import test_snp_attestation as attestation
from linux_guest import FIRMWARE, launch_digest, linux, snp

POLICY = 0x30000
SIGNATURE = 0x800f12    # CPUID of EPYC-v4
# Fields of a report: PLATFORM_INFO, flags
SMT, RAPL_DISABLED, ALIAS_CHECK, AUTHOR_KEY_ENABLED = 1, 1 << 3, 1 << 5, 1
ID_KEY, AUTHOR_KEY, STRANGER = (id_block.new_key() for _ in range(3))


@functools.lru_cache
def digest():
    """What is going to be launched, by our own computation."""
    return oracle.launch((FIRMWARE / 'OVMF.fd').read_bytes(), SIGNATURE, 1, 1)


@dataclasses.dataclass
class Identity:
    """What a launcher hands over."""
    block: bytes
    auth: bytes
    author: bool = True
    policy: int = POLICY

    def arguments(self, memory='256M', more=''):
        """As arguments of a guest."""
        options = f',policy={self.policy:#x}{more}'
        if self.block:
            options += f',id-block={id_block.text(self.block)}'
        if self.auth:
            options += f',id-auth={id_block.text(self.auth)}'
        if self.author:
            options += ',author-key-enabled=on'
        return snp(memory=memory, guest=options)


def signed(block, author=AUTHOR_KEY, **options):
    """An identity whose signatures are right."""
    return Identity(block, id_block.auth(block, ID_KEY, author),
                    author=bool(author), **options)


def changed(data, at):
    """Flip one bit."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def good(author=AUTHOR_KEY):
    """What the owner of the guest signed."""
    return signed(id_block.block(digest(), POLICY), author)


@pytest.mark.parametrize('author', [AUTHOR_KEY, None],
                         ids=['author', 'no-author'])
def test_accepted(start, author):
    """With its ID block, with an author's key or without, a guest boots."""
    guest = start(*good(author).arguments())
    guest.wait_for('BdsDxe')
    assert launch_digest(guest) == digest()


def test_in_report(start, folder):
    """A report shows who signed for the guest, and for which platform."""
    script = attestation.PREPARE + attestation.report_script('r', bytes(64))
    guest = start(*good().arguments('1G', f',cert-dir={folder}/chip'),
                  *linux(folder, script, attestation.MODULES))
    report = attestation.Evidence(folder, guest.finish(), 'r', bytes(64))
    assert report.field(0x04, 4) == struct.pack('<I', id_block.SVN)
    assert report.field(0x08, 8) == struct.pack('<Q', POLICY)
    assert report.field(0x10, 16) == id_block.FAMILY
    assert report.field(0x20, 16) == id_block.IMAGE
    assert report.field(0x40, 8) == struct.pack(
        '<Q', SMT | RAPL_DISABLED | ALIAS_CHECK)
    assert report.field(0x48, 4) == struct.pack('<I', AUTHOR_KEY_ENABLED)
    assert report.field(0x90, 48).hex() == digest()
    assert report.field(0xe0, 48).hex() == id_block.key_digest(ID_KEY)
    assert report.field(0x110, 48).hex() == id_block.key_digest(AUTHOR_KEY)


def of_another_digest():
    return signed(id_block.block('00' * 48, POLICY))


def of_another_policy():
    return signed(id_block.block(digest(), POLICY | 1 << 19))


def of_another_version():
    return signed(id_block.block(digest(), POLICY, version=2))


def with_another_svn():
    identity = good()
    identity.block = id_block.block(digest(), POLICY, svn=8)
    return identity


def with_another_id_key():
    identity = good()
    identity.auth = id_block.auth(identity.block, STRANGER, AUTHOR_KEY)
    identity.auth = identity.auth[:0x240] + id_block.public(ID_KEY) + \
        identity.auth[0x644:]
    return identity


def with_another_author():
    identity = good()
    identity.auth = identity.auth[:0x880] + id_block.public(STRANGER) + \
        identity.auth[0xc84:]
    return identity


def with_a_bit_of_signature():
    identity = good()
    identity.auth = changed(identity.auth, 0x40)
    return identity


def with_an_unknown_algorithm():
    identity = good()
    identity.auth = changed(identity.auth, 0)
    return identity


def with_an_unknown_curve():
    identity = good()
    identity.auth = changed(identity.auth, 0x880)
    return identity


def without_author_key():
    identity = good(author=None)
    identity.author = True
    return identity


def without_auth():
    identity = good()
    identity.auth = b''
    return identity


def cut_short():
    """The rest is zeros, whatever lies behind it in memory."""
    identity = good()
    identity.auth = identity.auth[:0x680]
    return identity


WRONG = {
    of_another_digest: ('BAD_MEASUREMENT', 'not the one of the ID block'),
    of_another_policy: ('POLICY_FAILURE', "is not the ID block's 0xb0000"),
    of_another_version: ('INVALID_PARAM', 'version 2'),
    with_another_svn: ('BAD_SIGNATURE', 'the ID block was not signed'),
    with_another_id_key: ('BAD_SIGNATURE', 'the ID block was not signed'),
    with_another_author: ('BAD_SIGNATURE', 'the ID key was not signed'),
    with_a_bit_of_signature: ('BAD_SIGNATURE', 'the ID block was not signed'),
    with_an_unknown_algorithm: ('INVALID_PARAM', 'algorithm 0'),
    with_an_unknown_curve: ('INVALID_PARAM', 'curve 3'),
    without_author_key: ('INVALID_PARAM', 'author key: algorithm 0'),
    without_auth: ('EINVAL', 'an ID block needs id-auth'),
    cut_short: ('INVALID_PARAM', 'author key: curve 0'),
}


@pytest.mark.parametrize('make', WRONG, ids=lambda make: make.__name__)
def test_refused(refusal, make):
    """Anything else does not start, and says why."""
    status, reason = WRONG[make]
    message = refusal(*make().arguments())
    assert status in message
    assert reason in message


def test_lengths(refusal):
    """Properties of the wrong length are refused at once."""
    for option, size, reason in (
            ('id-block', 95, '95 bytes were given, in base64, and it has 96'),
            ('id-auth', 4097, '4097 bytes were given, in base64, and it has'
             ' 4096 at most'),
            ('host-data', 33, '33 bytes were given, in base64, and it has 32'),
            ('guest-visible-workarounds', 15,
             '15 bytes were given, in base64, and it has 16')):
        value = id_block.text(bytes(size))
        assert f'{option}: {reason}' in refusal(
            *snp(guest=f',{option}={value}'))


@pytest.mark.parametrize('value', ['A' * 43, 'A' * 45, 'AAA'])
def test_cut_short(refusal, value):
    """Base64 without its end is not taken for something shorter."""
    message = refusal(*snp(guest=f',host-data={value}'))
    assert 'host-data: base64 that was cut, or is not padded' in message
    message = refusal(*snp(guest=f',id-auth={value}'))
    assert 'id-auth: base64 that was cut, or is not padded' in message


def test_no_base64(refusal):
    """What is no base64 is named, too."""
    message = refusal(*snp(guest=',host-data=????'))
    assert 'host-data: Base64 data contains invalid characters' in message


def test_shown_again(start):
    """What was given can be read back."""
    values = {'host-data': id_block.text(bytes(range(32))),
              'guest-visible-workarounds': id_block.text(bytes(range(16)))}
    options = ''.join(f',{name}={value}' for name, value in values.items())
    guest = start(*snp(memory='256M', guest=options + ',vcek-disabled=on'))
    guest.wait_for('BdsDxe')
    for name, value in values.items():
        assert guest.cmd('qom-get', path='sev0', property=name) == value
    assert guest.cmd('qom-get', path='sev0', property='vcek-disabled')


@pytest.mark.parametrize('smt', ['on', 'off'])
def test_smt(start, refusal, smt):
    """A policy without SMT needs a platform that has it off."""
    arguments = snp(memory='256M', guest=f',policy=0x20000,emulated-smt={smt}')
    if smt == 'on':
        message = refusal(*arguments)
        assert 'POLICY_FAILURE' in message
        assert 'does not allow SMT' in message
    else:
        start(*arguments).wait_for('BdsDxe')
