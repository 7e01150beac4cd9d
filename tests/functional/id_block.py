#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the ID block of an SEV-SNP guest and its signatures.

usage: id_block.py DIGEST POLICY

Prints id-block and id-auth as sev-snp-guest takes them, signed by keys made
for the occasion.  DIGEST is hexadecimal, POLICY in C's notation.

Written from the SEV-SNP Firmware ABI (56860): ID_BLOCK and ID_AUTH in 8.18,
keys and signatures in appendix B.
"""
import base64
import hashlib
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

FAMILY = b'a family of them'
IMAGE = b'one of the image'
SVN = 7
P384, ECDSA_P384_SHA384 = 2, 1


def new_key():
    """Return a private key."""
    return ec.generate_private_key(ec.SECP384R1())


def number(value):
    """A number as the firmware keeps them."""
    return value.to_bytes(72, 'little')


def public(key):
    """The public half of a key, 1028 bytes."""
    point = key.public_key().public_numbers()
    return (struct.pack('<I', P384) + number(point.x) +
            number(point.y)).ljust(0x404, b'\0')


def key_digest(key):
    """What a report shows of a key."""
    return hashlib.sha384(public(key)).hexdigest()


def signature(key, data):
    """A signature, 512 bytes."""
    pair = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA384())))
    return b''.join(map(number, pair)).ljust(0x200, b'\0')


def block(digest, policy, version=1, svn=SVN):
    """An ID block, 96 bytes."""
    return bytes.fromhex(digest) + FAMILY + IMAGE + \
        struct.pack('<IIQ', version, svn, policy)


def auth(id_block, id_key, author_key=None, algorithm=ECDSA_P384_SHA384):
    """The page that goes with an ID block."""
    page = bytearray(4096)

    def put(at, data):
        page[at:at + len(data)] = data

    put(0, struct.pack('<II', algorithm, algorithm if author_key else 0))
    put(0x40, signature(id_key, id_block))
    put(0x240, public(id_key))
    if author_key:
        put(0x680, signature(author_key, public(id_key)))
        put(0x880, public(author_key))
    return bytes(page)


def text(data):
    """As a property of the guest object takes it."""
    return base64.b64encode(data).decode()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    id_block = block(sys.argv[1], int(sys.argv[2], 0))
    print(f'id-block={text(id_block)}')
    print(f'id-auth={text(auth(id_block, new_key(), new_key()))}')


if __name__ == '__main__':
    main()
