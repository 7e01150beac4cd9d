# SPDX-License-Identifier: GPL-2.0-or-later
"""Launches of SEV-SNP, SEV-ES and SEV guests on a real kernel's KVM.

The lab's KVM has no SEV: sev-firmware.c answers the SEV commands, and checks
what KVM would check.  Nothing of hardware is proved, but all of QEMU's side of
the protocol runs as it does with it.  After LAUNCH_FINISH an SNP guest finds
zeros for its firmware and runs those; others find HLT.
"""
import base64
import dataclasses
import json
import pathlib
import re
import struct
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent)]
# pylint: disable=wrong-import-position
import lab as machine  # noqa: E402
from lab import Lab  # noqa: E402
import launch_digest as oracle  # noqa: E402
from linux_guest import (COMMAND_LINE, FIRMWARE, KERNEL,  # noqa: E402
                         initramfs)

HERE = pathlib.Path(__file__).parent
SECONDS = 240
PAGE = oracle.PAGE
SIGNATURE = 0x800f12
HOST_DATA = bytes(range(32))
SECRET = bytes(range(100, 132))
SECRET_GPA = 0x100000
TYPES = {'normal': oracle.NORMAL, 'zero': oracle.ZERO,
         'secrets': oracle.SECRETS, 'cpuid': oracle.CPUID}
AMDSEV = FIRMWARE / 'OVMF.amdsev.fd'
# What LAUNCH_MEASURE answers is no measurement.
MEASUREMENT = base64.b64encode(b'M' * 48).decode()

# Numbers of commands, errno and firmware statuses
INIT2, START, UPDATE, FINISH = 22, 100, 101, 102
EIO, EAGAIN, EBUSY, ENOTTY = 5, 11, 16, 25
SUCCESS, POLICY_FAILURE, BAD_MEASUREMENT, INVALID_PARAM = 0, 7, 11, 22

MISSING = machine.why_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def image(name='OVMF.fd'):
    """A firmware's image."""
    return (FIRMWARE / name).read_bytes()


def flash(name='OVMF.fd'):
    """A firmware on a flash device."""
    return ('-drive', f'if=pflash,format=raw,readonly=on,'
            f'file={FIRMWARE / name}')


BIOS = ('-bios', 'OVMF.fd')


def common(vcpus, guest):
    """The machine of all cases."""
    return ['-cpu', 'EPYC-v4', '-smp', str(vcpus), '-m', '256M',
            '-object', f'{guest},id=sev0,cbitpos=0,reduced-phys-bits=1']


def snp(guest='', backend='', vcpus=1, firmware=BIOS, blocks=('256M',)):
    """An SNP guest, whose RAM is one block or several."""
    words = common(vcpus, 'sev-snp-guest')
    words[-1] += guest
    chosen = ',memory-backend=ram0' if len(blocks) == 1 else ''
    words += ['-machine', f'q35,confidential-guest-support=sev0{chosen}']
    for i, size in enumerate(blocks):
        words += ['-object', f'memory-backend-memfd-private,id=ram{i},'
                  f'size={size}{backend}']
        if not chosen:
            words += ['-numa', f'node,nodeid={i},memdev=ram{i}']
    return [*words, *firmware]


def sev(guest, vcpus=1, firmware=BIOS, more=()):
    """A SEV or SEV-ES guest."""
    return [*common(vcpus, 'sev-guest')[:-1],
            f'sev-guest,id=sev0,cbitpos=0,reduced-phys-bits=1,{guest}',
            '-machine', 'q35,confidential-guest-support=sev0', *firmware,
            *more]


@dataclasses.dataclass
class Case:
    """One run of QEMU; without steps it has to end by itself."""

    arguments: list
    fail: tuple = ()            # command, first call, calls, errno, status
    step: int = 0               # pages that one LAUNCH_UPDATE does at most
    steps: tuple = ()

    def as_json(self):
        environment = {}
        if self.fail:
            environment['LAB_SEV_FAIL'] = ':'.join(map(str, self.fail))
        if self.step:
            environment['LAB_SEV_STEP'] = str(self.step)
        return {'arguments': self.arguments, 'environment': environment,
                'steps': self.steps}


def metadata(name='OVMF.fd'):
    """The kinds of the sections of a firmware's SEV metadata."""
    data = image(name)
    table = oracle.firmware_table(data)
    at = len(data) - struct.unpack('<I', table[oracle.METADATA])[0]
    count = struct.unpack_from('<I', data, at + 12)[0]
    return [struct.unpack_from('<I', data, at + 24 + 12 * i)[0]
            for i in range(count)]


UPM = ('query-upm', {'count-resident': True})
# Stopped before it runs, and then run
LAUNCH = (('query-sev', {}), ('query-sev-launch-pages', {}), UPM,
          ('cont', {}), ('query-sev', {}), ('query-sev-launch-pages', {}),
          UPM, ('query-status', {}),
          ('human-monitor-command', {'command-line': 'info registers -a'}),
          ('quit', {}))
RUN = (('query-sev', {}), ('query-status', {}), ('quit', {}))
SNP_LAUNCHES = {
    'bios': Case(snp(f',host-data={base64.b64encode(HOST_DATA).decode()}',
                     vcpus=2) + ['-S'], steps=LAUNCH),
    'keeping': Case(snp(backend=',discard=none') + ['-S'], steps=LAUNCH),
    # the end of a block, and of its memory slot, inside a section
    'two-blocks': Case(snp(blocks=('8208K', '253936K')) + ['-S'],
                       steps=LAUNCH),
    'by-100-pages': Case(snp() + ['-S'], step=100, steps=LAUNCH),
    'busy': Case(snp() + ['-S'], fail=(UPDATE, 2, 3, EAGAIN, SUCCESS),
                 steps=LAUNCH),
}


def sev_launch(*arguments):
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
    'sev-bios': sev_launch('policy=1'),
    'sev-flash': sev_launch('policy=1', 1, flash()),
    'sev-new-type': sev_launch('policy=1,legacy-vm-type=off', 2),
    'es-bios': sev_launch('policy=5', 2),
    'es-flash': sev_launch('policy=5', 2, flash()),
    'es-new-type': sev_launch('policy=5,legacy-vm-type=off', 2),
}

# What QEMU says where a launch ends; "..." stands for anything
FAILURES = {
    'update-eio': (
        Case(snp(), fail=(UPDATE, 2, 1, EIO, SUCCESS)),
        'LAUNCH_UPDATE of the zero page at 0x800000 (from metadata section 0;'
        " RAM block 'ram0', offset 0x800000): EIO",
        'KVM does not say why a page could not be launched'),
    'update-eio-after-progress': (
        Case(snp(), step=10, fail=(UPDATE, 3, 1, EIO, SUCCESS)),
        'LAUNCH_UPDATE of the normal page at 0xffc14000 (from ...OVMF.fd,'
        " offset 0x14000; RAM block 'pc.bios', offset 0x14000): EIO"),
    'update-busy-for-ever': (
        Case(snp(), fail=(UPDATE, 1, 1000, EAGAIN, SUCCESS)),
        'LAUNCH_UPDATE of the normal page at 0xffc00000 ...: EAGAIN',
        'KVM was asked many times'),
    'cpuid-page': (
        Case(snp(), fail=(UPDATE, 2 + metadata().index(3), 1, EIO,
                          INVALID_PARAM)),
        'LAUNCH_UPDATE of the cpuid page at ... firmware status '
        'INVALID_PARAM', 'The CPUID page was not accepted',
        'leaf 0x1, subleaf 0x0, ECX: given', 'bit 0 (pni)',
        'Add to -cpu: pni=off'),
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
    'certificates': (
        Case(snp(',certs-path=/dev/null')),
        "certs-path: this kernel's KVM can not ask for certificates "
        '(KVM_SEV_SNP_ENABLE_REQ_CERTS, Linux 7.0)'),
}


def all_cases(folder):
    """All of them by name; one needs files in a folder."""
    cases = {f'snp-{name}': case for name, case in SNP_LAUNCHES.items()}
    cases.update(SEV_LAUNCHES)
    cases.update({name: case for name, (case, *_) in FAILURES.items()})
    if AMDSEV.exists():
        kernel = ['-kernel', str(KERNEL), '-initrd',
                  str(initramfs(folder / 'initramfs')),
                  '-append', COMMAND_LINE]
        for policy in (1, 5):
            cases[f'hashes-{policy}'] = sev_launch(
                f'policy={policy},kernel-hashes=on', 1, ('-bios', str(AMDSEV)),
                kernel)
    return cases


@pytest.fixture(scope='module', name='results')
def run_all():
    """What every case came to; the folder of the lab is with it."""
    with Lab('pristine', cpus=2, name='sev') as lab:
        cases = lab.folder / 'cases.json'
        cases.write_text(json.dumps(
            {name: case.as_json()
             for name, case in all_cases(lab.folder).items()}))
        status, output = lab.run(f'python3 -B {HERE}/run_sev.py {cases}',
                                 SECONDS)
        assert status == 0, output[-3000:]
        found = {'folder': lab.folder}
    for line in output.splitlines():
        record = json.loads(line)
        found[record['name']] = record
    return found


def test_x(results):
    pathlib.Path('/tmp/sevresults.json').write_text(json.dumps({k: v for k, v in results.items() if k != 'folder'}))
