# SPDX-License-Identifier: GPL-2.0-or-later
"""Each error of a launch in the manual's table, brought about.

ERRORS has the table's messages, where "..." stands for anything, and what
makes QEMU say each.  Those that need a host with SEV come from the functions
that make the message, in the unit test that calls these.
"""
import os
import re
import struct
import subprocess
import typing
import uuid

import id_block
import pytest

import launch_digest as layout
from linux_guest import BUILD, FIRMWARE, KERNEL, LIMIT, snp

POLICY = 0x30000
MEMORY, SECRETS, CPUID, HASHES = 1, 2, 3, 0x10


class Firmware:
    """OVMF with metadata that are not as they were."""

    def __init__(self, name='OVMF.fd'):
        self.image = bytearray((FIRMWARE / name).read_bytes())
        table = layout.firmware_table(bytes(self.image))
        self.offset = struct.unpack('<I', table[layout.METADATA])[0]
        self.at = len(self.image) - self.offset

    def guid(self, text):
        """Where an entry of the table of GUIDs ends."""
        return self.image.rindex(uuid.UUID(text).bytes_le)

    def without(self, text):
        """Give an entry another GUID."""
        self.image[self.guid(text)] ^= 0xff
        return self

    def put(self, at, value):
        """Store a number of 32 bits."""
        struct.pack_into('<I', self.image, at, value)
        return self

    def header(self, field, value):
        """Store length (1), version (2) or number of sections (3)."""
        return self.put(self.at + 4 * field, value)

    def full(self):
        """Make a table of the image's upper half."""
        half = len(self.image) // 2
        struct.pack_into('<4s3I', self.image, half, b'ASEV', half, 1,
                         (half - 16) // 12)
        return self.put(self.guid(layout.METADATA) - 6, half)

    def section(self, kind):
        """Where the first section of a kind is."""
        return next(at for at in range(self.at + 16, len(self.image), 12)
                    if struct.unpack_from('<I', self.image, at + 8)[0] == kind)

    def set(self, kind, base=None, size=None, into=None):
        """Change the first section of a kind."""
        at = self.section(kind)
        for place, value in ((at, base), (at + 4, size), (at + 8, into)):
            if value is not None:
                self.put(place, value)
        return self


def policy(value, extra=''):
    return lambda folder: snp(guest=f',policy={value:#x}{extra}')


def guest(options, **more):
    return lambda folder: snp(guest=options, **more)


def firmware(make, hashes=False):
    """A launch of an image that make() returns."""
    def arguments(folder):
        path = folder / 'firmware.fd'
        path.write_bytes(make().image)
        args = snp(memory='256M', firmware=str(path),
                   guest=',kernel-hashes=on' if hashes else '')
        return args + ['-kernel', KERNEL] if hashes else args
    return arguments


def amdsev(change):
    """Firmware with a page for kernel hashes."""
    def make():
        if not (FIRMWARE / 'OVMF.amdsev.fd').exists():
            pytest.skip('OVMF.amdsev.fd was not to be had')
        return change(Firmware('OVMF.amdsev.fd'))
    return firmware(make, hashes=True)


def pflash(folder):
    return snp()[:-2] + [
        '-drive', 'if=pflash,format=raw,readonly=on,'
        f'file={FIRMWARE / "OVMF.fd"}']


def pflash_and_bios(folder):
    return pflash(folder) + ['-bios', 'OVMF.fd']


def two_blocks(folder):
    """The first block of RAM ends inside the first section."""
    args = [arg.replace(',memory-backend=ram0', '')
            .replace('size=256M', 'size=8208K')
            for arg in snp(memory='256M')]
    return args + ['-object', 'memory-backend-memfd-private,id=ram1,'
                   'size=253936K', '-numa', 'node,nodeid=0,memdev=ram0',
                   '-numa', 'node,nodeid=1,memdev=ram1']


def identity(digest='00' * 48, version=1, change=None, auth=True):
    """A launch with an ID block, of firmware that nothing else is wrong of"""
    def arguments(folder):
        image = (FIRMWARE / 'OVMF.fd').read_bytes()
        block = id_block.block(digest or layout.launch(image, 0x800f12, 1, 1),
                               POLICY, version)
        key = id_block.new_key()
        page = bytearray(id_block.auth(block, key))
        if change is not None:
            page[change] ^= 1
        options = f',id-block={id_block.text(block)}'
        if auth:
            options += f',id-auth={id_block.text(page)}'
        return snp(memory='256M', guest=options)
    return arguments


def other_policy(folder):
    args = identity(digest='')(folder)
    return [arg + ',policy=0xb0000' if 'sev-snp-guest' in str(arg) else arg
            for arg in args]


def kvm(kind='sev-guest', cbitpos=0, more=''):
    """A launch that KVM is asked for."""
    def arguments(folder):
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            pytest.skip('there is no /dev/kvm')
        if os.path.exists('/dev/sev'):
            pytest.skip('this host has SEV')
        return ['-accel', 'kvm', '-machine',
                'q35,confidential-guest-support=sev0', '-object',
                f'{kind},id=sev0,cbitpos={cbitpos},reduced-phys-bits=1{more}',
                '-bios', 'OVMF.fd']
    return arguments


class Unit(typing.NamedTuple):
    """Case /NAME/... of a unit test: the program is test-NAME and the part."""
    case: str
    part: str = ''

    def program(self):
        """Where it is built."""
        name = self.case.split('/', maxsplit=1)[0]
        return BUILD / f'qemu/build/tests/unit/test-{name}{self.part}'


ERRORS = {
    # the policy
    'LAUNCH_START of policy ...: EINVAL': policy(0x10000),
    'LAUNCH_START of policy ...: EIO (...), firmware status POLICY_FAILURE':
        policy(0x20000),
    'policy: bit 17 is reserved and must be one': policy(0x10000),
    'policy: bit 16 is clear, so that the guest does not run where SMT is on':
        policy(0x20000),
    'policy: bits 0 to 15 want firmware of ABI version ..., the platform has':
        policy(0x30163),
    'policy: bit 18 is set: KVM has no migration agents': policy(0x70000),
    'policy: bit 20 is set: KVM of Linux 6.12 can not keep a guest on one '
    'socket': Unit('sev-error/start/single-socket'),
    'policy: bit 21 is set: CXL needs a newer kernel': Unit('sev-error/start/cxl'),
    'policy: bit 22 is set: memory has to be encrypted with AES-256-XTS':
        policy(0x430000),
    'policy: bit 23 is set: RAPL has to be switched off on the host':
        Unit('sev-error/start/rapl'),
    'policy: bit 24 is set: the host has to hide ciphertext':
        policy(0x1030000),
    'policy: bits 26 to 63 are reserved and must be zero':
        policy(1 << 63 | POLICY),
    # the firmware image
    'A flash device has no private memory': pflash,
    'The flash device displaces what -bios names': pflash_and_bios,
    '... is ROM ..., which has no private half': pflash,
    'the firmware names no reset vector for SEV-ES':
        lambda folder: snp(firmware='bios-256k.bin'),
    'the firmware has no SEV metadata':
        firmware(lambda: Firmware().without(layout.METADATA)),
    'SEV metadata at ... from the end of the firmware are not in its ... '
    'bytes': firmware(lambda: (lambda f: f.put(f.guid(layout.METADATA) - 6,
                                               0x7fffffff))(Firmware())),
    'SEV metadata at ... from the end of the firmware have no signature':
        firmware(lambda: Firmware().header(0, 0)),
    'SEV metadata of version ..., only ... is known':
        firmware(lambda: Firmware().header(2, 2)),
    'SEV metadata: ... sections do not fit into the ... bytes of the table':
        firmware(lambda: Firmware().header(3, 0x10000000)),
    'SEV metadata have ... sections, no more than ... can be launched':
        firmware(lambda: Firmware().full()),
    'SEV metadata section ... overlaps section ...':
        firmware(lambda: Firmware().set(SECRETS, base=0x801000)),
    'SEV metadata section ... overlaps the firmware itself':
        firmware(lambda: Firmware().set(SECRETS, base=0xfffff000)),
    'SEV metadata section ... bytes are not a range of pages below 4 GiB':
        firmware(lambda: Firmware().set(MEMORY, size=0x123)),
    'SEV metadata section ... has to be one page':
        firmware(lambda: Firmware().set(CPUID, size=0x2000)),
    'SEV metadata section ... is not all RAM: ... is at ...':
        firmware(lambda: Firmware().set(SECRETS, base=0xfee00000)),
    'SEV metadata section ... is not all RAM: there is nothing at ...; more '
    'memory (-m) may help': guest('', memory='8M'),
    'SEV metadata section ... is in two blocks of RAM: ... ends at ..., where '
    '... begins': two_blocks,
    # kernel hashes
    'kernel-hashes=on needs a kernel to hash':
        guest(',kernel-hashes=on', firmware='OVMF.amdsev.fd'),
    'kernel-hashes=on: the firmware has no room for the hashes':
        firmware(Firmware, hashes=True),
    "kernel-hashes=on: the firmware's SEV metadata have no section for kernel "
    'hashes': amdsev(lambda f: f.set(HASHES, into=MEMORY)),
    'SEV metadata section ... no room for ... bytes of kernel hashes at offset':
        amdsev(lambda f: f.put(f.guid(layout.HASH_AREA) - 10, 0x810ff0)),
    # the platform
    'cbitpos=... is not possible on the emulated processor':
        lambda folder: [str(arg).replace('cbitpos=51', 'cbitpos=20')
                        for arg in snp()],
    "cbitpos=... is not this host's": kvm(cbitpos=63),
    'reduced-phys-bits=... is not 1 to 63':
        lambda folder: [str(arg).replace('bits=1', 'bits=64')
                        for arg in snp()],
    'can not open ...: No such file or directory': kvm(),
    "this kernel's KVM has no VMs of type KVM_X86_SNP_VM":
        kvm('sev-snp-guest'),
    'SEV: host kernel does not support requested KVM_X86_SEV_ES_VM VM type':
        kvm(more=',policy=5,legacy-vm-type=off'),
    'SEV launch: INIT: EBUSY': Unit('sev-error/init/asids'),
    'All ASIDs are in use': Unit('sev-error/init/asids'),
    'KVM has SEV switched off': Unit('sev-error/init/off'),
    'KVM can not make this kind of guest': Unit('sev-error/init/kind'),
    'SEV launch: PLATFORM_STATUS: ..., firmware status ...':
        Unit('sev-error/status/command'),
    # pages
    'LAUNCH_UPDATE of the ... page at ... (from ...; RAM block ..., offset '
    '...): ..., firmware status ...':
        Unit('sev-launch/failure/middle', '-failure'),
    'SEV launch: LAUNCH_UPDATE_DATA of ... (from ...): ..., firmware status '
    '...': Unit('sev-launch/encrypt/no-memory', '-encrypt'),
    'SEV-ES launch: LAUNCH_UPDATE_VMSA of ... vCPUs: ..., firmware status ...':
        Unit('sev-launch/encrypt/no-memory', '-encrypt'),
    "KVM locks the guest's memory": Unit('sev-error/locked'),
    'The CPUID page was not accepted': Unit('sev-launch/cpuid', '-failure'),
    'KVM does not say why a page could not be launched':
        Unit('sev-error/update'),
    'KVM found no private memory (guest_memfd) at this address':
        Unit('sev-error/update'),
    # the identity
    'LAUNCH_FINISH: EIO (...), firmware status BAD_MEASUREMENT': identity(),
    'LAUNCH_FINISH: EIO (...), firmware status BAD_SIGNATURE':
        identity(digest='', change=0x40),
    'LAUNCH_FINISH: EIO (...), firmware status POLICY_FAILURE': other_policy,
    'LAUNCH_FINISH: EIO (...), firmware status INVALID_PARAM':
        identity(digest='', version=2),
    'id-block needs id-auth, its signature': identity(auth=False),
    '...: ... bytes were given, in base64, and it has ...':
        guest(',id-block=AAAA'),
    'base64 that was cut, or is not padded': guest(',id-block=AAAAA'),
    'init-flags=... takes no flags for an SEV-SNP guest, only 0':
        guest(',init-flags=4'),
}


def matches(message, text):
    """Does a text hold a message of the table?"""
    pattern = r'.*'.join(map(re.escape, message.split('...')))
    return re.search(pattern.replace(r'\ ', r'\s+'), text)


def unit_test(unit):
    """What the functions say where this host has no such error."""
    return subprocess.run(
        [unit.program(), '--verbose', '-p', f'/{unit.case}'],
        stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, timeout=LIMIT, check=True).stdout


@pytest.mark.parametrize('message', ERRORS)
def test_error(refusal, folder, message):
    """It is said, and the launch ends."""
    cause = ERRORS[message]
    text = unit_test(cause) if isinstance(cause, Unit) \
        else refusal(*cause(folder))
    assert matches(message, text), text
    assert '(null)' not in text
