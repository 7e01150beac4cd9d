#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compute SEV-SNP launch digests, apart from the C code that is tested.

usage: launch_digest.py FIRMWARE SIGNATURE VCPUS FEATURES [KERNEL INITRD CMDLINE]
       launch_digest.py --synthetic

SIGNATURE is EAX of CPUID leaf 1, FEATURES is SEV_FEATURES; both in C's
notation.  --synthetic prints the digest of the plan that
tests/unit/test-sev-firmware.c launches.

Written from the SEV-SNP Firmware ABI (56860), 8.17.2, and APM volume 2
(24593), table B-4.
"""
import hashlib
import struct
import sys
import uuid

NORMAL, VMSA, ZERO, UNMEASURED, SECRETS, CPUID = range(1, 7)
VMSA_GPA = 0xFFFFFFFFF000
PAGE = 4096

FOOTER = '96b582de-1fb2-45f7-baea-a366c55a082d'
RESET = '00f771de-1a7e-4fcb-890e-68c77e2fb44e'
METADATA = 'dc886566-984a-4798-a75e-5585a7bf67cc'
HASH_AREA = '7255371f-3a3b-4b04-927b-1da6efa8d454'
HASH_TABLE = '9438d606-4f22-4cc9-b479-a793d411fd21'
HASH_CMDLINE = '97d02dd8-bd20-4c94-aa78-e7714d36ab2a'
HASH_INITRD = '44baf731-3a2f-4bd7-9af1-41e29169781d'
HASH_KERNEL = '4de79437-abd2-427f-b835-d5b172d2045b'


class Digest:
    def __init__(self):
        self.value = bytes(48)

    def page(self, kind, gpa, contents=None):
        inner = bytes(48)
        if kind in (NORMAL, VMSA):
            inner = hashlib.sha384(contents).digest()
        self.chain(kind, gpa, inner)

    def chain(self, kind, gpa, inner):
        info = self.value + inner + struct.pack('<HBB4xQ', 0x70, kind, 0, gpa)
        assert len(info) == 0x70
        self.value = hashlib.sha384(info).digest()

    def pages(self, kind, gpa, size, contents=None):
        for at in range(0, size, PAGE):
            self.page(kind, gpa + at, contents and contents[at:at + PAGE])


def vmsa(signature, features, cs_base=0xffff0000, rip=0xfff0, has_fpu=True):
    """KVM leaves out MXCSR and FCW for a VM of the type before Linux 6.10."""
    page = bytearray(PAGE)

    def put(at, form, *values):
        struct.pack_into('<' + form, page, at, *values)

    segments = {0x00: 0x93, 0x10: 0x9b, 0x20: 0x93, 0x30: 0x93, 0x40: 0x93,
                0x50: 0x93, 0x60: 0, 0x70: 0x82, 0x80: 0, 0x90: 0x8b}
    for at, attributes in segments.items():
        put(at, 'HHIQ', 0, attributes, 0xffff, 0)
    put(0x10, 'HHIQ', 0xf000, 0x9b, 0xffff, cs_base)
    for at, value in ((0xd0, 0x1000), (0x148, 0x40), (0x158, 0x10),
                      (0x160, 0x400), (0x168, 0xffff0ff0), (0x170, 2),
                      (0x178, rip), (0x268, 0x0007040600070406),
                      (0x310, signature), (0x3b0, features), (0x3e8, 1)):
        put(at, 'Q', value)
    if has_fpu:
        put(0x408, 'I', 0x1f80)
        put(0x410, 'H', 0x37f)
    return bytes(page)


def firmware_table(image):
    """The GUIDed table that ends 32 bytes before the firmware does."""
    end = len(image) - 0x20
    assert image[end - 16:end] == uuid.UUID(FOOTER).bytes_le
    length = struct.unpack_from('<H', image, end - 18)[0]
    at, begin, entries = end - 18, end - length, {}
    while at > begin:
        guid = str(uuid.UUID(bytes_le=image[at - 16:at]))
        size = struct.unpack_from('<H', image, at - 18)[0]
        entries[guid] = image[at - size:at - 18]
        at -= size
    return entries


def hashes_page(table, kernel, initrd, cmdline):
    def entry(guid, data):
        return (uuid.UUID(guid).bytes_le + struct.pack('<H', 50) +
                hashlib.sha256(data).digest())

    base = struct.unpack_from('<I', table[HASH_AREA])[0]
    body = (entry(HASH_CMDLINE, cmdline + b'\0') + entry(HASH_INITRD, initrd) +
            entry(HASH_KERNEL, kernel))
    body = (uuid.UUID(HASH_TABLE).bytes_le +
            struct.pack('<H', 18 + len(body)) + body)
    page = bytearray(PAGE)
    page[base % PAGE:base % PAGE + len(body)] = body
    return bytes(page)


def launch(image, signature, vcpus, features, kernel=None):
    table = firmware_table(image)
    digest = Digest()
    digest.pages(NORMAL, (1 << 32) - len(image), len(image), image)

    at = len(image) - struct.unpack('<I', table[METADATA])[0]
    magic, _, version, count = struct.unpack_from('<4sIII', image, at)
    assert (magic, version) == (b'ASEV', 1)
    for i in range(count):
        base, size, kind = struct.unpack_from('<III', image, at + 16 + 12 * i)
        if kind == 0x10 and kernel:
            digest.pages(NORMAL, base, size, hashes_page(table, *kernel))
        else:
            digest.pages({2: SECRETS, 3: CPUID}.get(kind, ZERO), base, size)

    reset = struct.unpack('<I', table[RESET])[0]
    for i in range(vcpus):
        where = (reset & 0xffff0000, reset & 0xffff) if i else ()
        digest.page(VMSA, VMSA_GPA, vmsa(signature, features, *where))
    return digest.value.hex()


def synthetic():
    digest = Digest()
    image = bytes((i * 7 + i // PAGE) & 0xff for i in range(3 * PAGE))
    digest.pages(NORMAL, 0xffffd000, 3 * PAGE, image)
    digest.pages(ZERO, 0x800000, 2 * PAGE)
    digest.pages(UNMEASURED, 0x802000, PAGE)
    digest.pages(SECRETS, 0x80d000, PAGE)
    digest.pages(CPUID, 0x80e000, PAGE)
    digest.page(VMSA, VMSA_GPA, vmsa(0x800f12, 1))
    digest.page(VMSA, VMSA_GPA, vmsa(0x800f12, 1, 0x800000, 0xb004))
    return digest.value.hex()


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def main():
    if sys.argv[1:] == ['--synthetic']:
        print(synthetic())
        return
    if len(sys.argv) not in (5, 8):
        sys.exit(__doc__)
    kernel = None
    if len(sys.argv) == 8:
        kernel = (read(sys.argv[5]), read(sys.argv[6]), sys.argv[7].encode())
    print(launch(read(sys.argv[1]), int(sys.argv[2], 0), int(sys.argv[3]),
                 int(sys.argv[4], 0), kernel))


if __name__ == '__main__':
    main()
