# SPDX-License-Identifier: GPL-2.0-or-later
"""The owner of an SEV or SEV-ES guest: sessions, measurements, secrets.

Written from Secure Encrypted Virtualization API (55766): sections 2.2,
6.5.1 and 6.6.1, appendix C for certificates.
"""
import base64
import hmac
import os
import struct

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CERT_SIZE = 2084
PDH, ECDH_SHA256, P384 = 0x1003, 3, 2
AT_X, AT_Y, NUMBER = 0x14, 0x5c, 72
VERSION = bytes((1, 55, 1))


def mac(key, *parts):
    """HMAC-SHA-256"""
    return hmac.digest(key, b''.join(parts), 'sha256')


def derive(key, label, context=b''):
    """NIST SP 800-108 in counter mode, one round"""
    return mac(key, struct.pack('<I', 1), label, b'\0', context,
               struct.pack('<I', 128))[:16]


def crypt(key, start, data):
    """AES-128 in counter mode, either way"""
    return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(
        data)


def key_of(cert):
    """The public key of a platform's certificate"""
    assert len(cert) == CERT_SIZE
    version, usage, algorithm, curve = struct.unpack_from('<I4xIII', cert)
    assert (version, usage, algorithm, curve) == (1, PDH, ECDH_SHA256, P384)
    x, y = (int.from_bytes(cert[at:at + NUMBER], 'little')
            for at in (AT_X, AT_Y))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP384R1()).public_key()


def certificate(key):
    """A certificate without signatures"""
    numbers = key.public_key().public_numbers()
    cert = bytearray(CERT_SIZE)
    struct.pack_into('<IBB2xIII', cert, 0, 1, *VERSION[:2], PDH, ECDH_SHA256,
                     P384)
    cert[AT_X:AT_X + NUMBER] = numbers.x.to_bytes(NUMBER, 'little')
    cert[AT_Y:AT_Y + NUMBER] = numbers.y.to_bytes(NUMBER, 'little')
    for at in (0x414, 0x61c):
        struct.pack_into('<I', cert, at, 0x1000)
    return bytes(cert)


def measurement(tik, policy, digest, data):
    """Does a measurement say this?"""
    return data[:32] == mac(tik, b'\4', VERSION, struct.pack('<I', policy),
                            digest, data[32:])


class Owner:
    """One guest's owner, who has the PDH of the platform."""

    def __init__(self, pdh, policy):
        self.policy = policy
        self.tek, self.tik = os.urandom(16), os.urandom(16)
        key = ec.generate_private_key(ec.SECP384R1())
        nonce, start = os.urandom(16), os.urandom(16)
        master = derive(key.exchange(ec.ECDH(), key_of(pdh)),
                        b'sev-master-secret', nonce)
        wrapped = crypt(derive(master, b'sev-kek'), start,
                        self.tek + self.tik)
        self.cert = certificate(key)
        self.session = (nonce + wrapped + start +
                        mac(derive(master, b'sev-kik'), wrapped) +
                        mac(self.tik, struct.pack('<I', policy)))

    def files(self, folder):
        """Write what QEMU wants; return the properties of the guest."""
        properties = ''
        for option, content in (('dh-cert-file', self.cert),
                                ('session-file', self.session)):
            path = folder / option
            path.write_bytes(base64.b64encode(content))
            properties += f',{option}={path}'
        return properties

    def accepts(self, digest, data):
        """Is that the measurement of a guest with this launch digest?"""
        return measurement(self.tik, self.policy, digest, data)

    def pack(self, secret, data):
        """Header and ciphertext for a guest that was measured as @data"""
        start = os.urandom(16)
        packed = crypt(self.tek, start, secret)
        size = struct.pack('<I', len(secret))
        flags = bytes(4)
        return (flags + start + mac(self.tik, b'\1', flags, start, size, size,
                                    packed, data[:32]), packed)
