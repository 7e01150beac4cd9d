#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that a payload is a valid SNP launch image.

usage: check_image.py [-v] IMAGE...

Walks the GUIDed table that ends 32 bytes before the end of the image and the
SEV metadata that it points to, the way a VMM does before the launch.
"""
import struct
import sys
import uuid

FOOTER = '96b582de-1fb2-45f7-baea-a366c55a082d'
RESET_BLOCK = '00f771de-1a7e-4fcb-890e-68c77e2fb44e'
METADATA = 'dc886566-984a-4798-a75e-5585a7bf67cc'
SECTION_TYPES = {1: 'SEC memory', 2: 'secrets', 3: 'CPUID'}


def guid_at(image, offset):
    return str(uuid.UUID(bytes_le=image[offset:offset + 16]))


def table(image):
    """Return {GUID: data} of the table that the footer closes."""
    end = len(image) - 32
    if guid_at(image, end - 16) != FOOTER:
        raise ValueError('no footer 32 bytes before the end')
    total, = struct.unpack_from('<H', image, end - 18)
    start, entries, at = end - total, {}, end - 18
    while at > start:
        size, = struct.unpack_from('<H', image, at - 18)
        if size < 18 or at - size < start:
            raise ValueError(f'entry of {size} bytes at {at:#x}')
        entries[guid_at(image, at - 16)] = image[at - size:at - 18]
        at -= size
    return entries


def sections(image, offset):
    """Return (base, size, type) of each section of the SEV metadata."""
    start = len(image) - offset
    magic, size, version, count = struct.unpack_from('<4sIII', image, start)
    if magic != b'ASEV' or version != 1 or size != 16 + 12 * count:
        raise ValueError(f'metadata at {start:#x}: {magic} version {version}'
                         f' size {size} with {count} sections')
    return [struct.unpack_from('<III', image, start + 16 + 12 * i)
            for i in range(count)]


def check(image):
    """Return the sections; a ValueError says what is wrong."""
    if len(image) % 4096:
        raise ValueError(f'size {len(image)} is not a multiple of 4096')
    entries = table(image)
    reset, = struct.unpack('<I', entries[RESET_BLOCK])
    if not 2**32 - len(image) <= reset < 2**32:
        raise ValueError(f'AP reset address {reset:#x} is not in the image')
    offset, = struct.unpack('<I', entries[METADATA])
    found = sections(image, offset)
    last = 0
    for base, size, kind in sorted(found):
        if base % 4096 or size % 4096 or not size or base < last:
            raise ValueError(f'section {base:#x} + {size:#x}')
        if kind not in SECTION_TYPES:
            raise ValueError(f'section {base:#x} has type {kind}')
        last = base + size
    if sorted(kind for _, _, kind in found if kind != 1) != [2, 3]:
        raise ValueError('not one secrets and one CPUID section')
    return found


def main():
    names = [name for name in sys.argv[1:] if name != '-v']
    if not names:
        sys.exit(__doc__)
    for name in names:
        with open(name, 'rb') as file:
            image = file.read()
        try:
            found = check(image)
        except (ValueError, KeyError, struct.error) as error:
            sys.exit(f'{name}: {error}')
        if '-v' in sys.argv:
            for base, size, kind in found:
                print(f'{name}: {base:#010x} {size:#8x} '
                      f'{SECTION_TYPES[kind]}')


if __name__ == '__main__':
    main()
