# SPDX-License-Identifier: GPL-2.0-or-later
"""What confidential guests with private memory need of a host with KVM.

Numbers are those of linux/kvm.h and linux/psp-sev.h.
"""
import re
import struct

from .check import ES, FAIL, KVM, PASS, SEV, SKIP, SNP, Check, Result
from .host import PLATFORM_SIZE, SEV_PLATFORM_STATUS, SNP_PLATFORM_STATUS
from .host import SNP_PLATFORM_SIZE, HostError

CAP_EXIT_HYPERCALL, HC_MAP_GPA_RANGE = 201, 12
CAP_USER_MEMORY2, CAP_FAULT_INFO = 231, 232
CAP_ATTRIBUTES, ATTRIBUTE_PRIVATE = 233, 1 << 3
CAP_GUEST_MEMFD, CAP_VM_TYPES = 234, 235
VM_TYPES = {SEV: 2, ES: 3, SNP: 4}
NAMES = {SEV: 'SEV', ES: 'SEV-ES', SNP: 'SEV-SNP'}
FLAGS = {SEV: 'sev', ES: 'sev_es', SNP: 'sev_snp'}
# The first firmware that Linux starts SNP with, and the state it is in then
LEAST_API, INITIALISED = (1, 51), 1
PARAMETERS = '/sys/module/kvm_amd/parameters'
# The first that have such a type of VM
KERNEL = {SEV: '6.10', ES: '6.10', SNP: '6.11'}


def processor(kind):
    """Ask whether the processor has it, and the kernel uses it."""
    def ask(host, _options):
        lines = re.findall(r'^flags\s*:(.*)$', host.text('/proc/cpuinfo'),
                           re.M)
        if lines and FLAGS[kind] in lines[0].split():
            return Result(PASS, f'/proc/cpuinfo has {FLAGS[kind]}')
        return Result(FAIL, f'/proc/cpuinfo does not have {FLAGS[kind]}',
                      'an EPYC of the third generation or later, with '
                      'SMEE and SEV-SNP switched on in its firmware setup'
                      if kind == SNP else
                      'an EPYC, with SEV switched on in its firmware setup')
    return ask


def device(host, _options):
    """Ask for /dev/kvm."""
    try:
        host.open_device('/dev/kvm')
    except HostError as error:
        return Result(FAIL, str(error), 'load kvm_amd, join the group kvm; '
                      'or emulate: -accel tcg')
    return Result(PASS, '/dev/kvm can be opened')


def vm_type(kind):
    """Ask for the type of VM."""
    def ask(host, _options):
        if host.kvm_extension(CAP_VM_TYPES) >> VM_TYPES[kind] & 1:
            return Result(PASS, f'KVM has VM type {VM_TYPES[kind]}')
        return Result(
            FAIL, f'KVM has no VM type {VM_TYPES[kind]}',
            f'Linux {KERNEL[kind]}, or later; kvm_amd.{FLAGS[kind]}=1; '
            f'the kernel\'s log says why: dmesg | grep -iE "sev|ccp|rmp"')
    return ask


def parameter(kind):
    """Ask kvm_amd whether it is switched on."""
    def ask(host, _options):
        path = f'{PARAMETERS}/{FLAGS[kind]}'
        if host.text(path) in ('Y', '1'):
            return Result(PASS, f'{path} is on')
        return Result(FAIL, f'{path} is off',
                      f'kvm_amd.{FLAGS[kind]}=1 on the kernel\'s command '
                      f'line, and what the kernel\'s log asks for')
    return ask


def private_memory(host, _options):
    """Ask for all that private memory is made of."""
    has = [(name, host.kvm_extension(number) & mask) for name, number, mask in
           (('KVM_CAP_GUEST_MEMFD', CAP_GUEST_MEMFD, ~0),
            ('KVM_CAP_MEMORY_ATTRIBUTES', CAP_ATTRIBUTES, ATTRIBUTE_PRIVATE),
            ('KVM_CAP_USER_MEMORY2', CAP_USER_MEMORY2, ~0),
            ('KVM_CAP_MEMORY_FAULT_INFO', CAP_FAULT_INFO, ~0))]
    missing = [name for name, there in has if not there]
    if missing:
        return Result(FAIL, f'KVM does not have {", ".join(missing)}',
                      'Linux 6.11 or later, with CONFIG_KVM_AMD_SEV')
    return Result(PASS, 'KVM has ' + ', '.join(name for name, _ in has))


def hypercalls(host, _options):
    """Ask whether page state changes come to QEMU."""
    if host.kvm_extension(CAP_EXIT_HYPERCALL) >> HC_MAP_GPA_RANGE & 1:
        return Result(PASS, 'KVM hands KVM_HC_MAP_GPA_RANGE on')
    return Result(FAIL, 'KVM does not hand KVM_HC_MAP_GPA_RANGE on',
                  'Linux 5.14 or later')


def sev_device(host, _options):
    """Ask for the door to the AMD-SP."""
    try:
        host.open_device('/dev/sev')
    except HostError as error:
        return Result(FAIL, str(error), 'load ccp; give the group kvm access '
                      'to /dev/sev, by a udev rule for example')
    return Result(PASS, '/dev/sev can be opened')


def sev_firmware(host, _options):
    """Ask the firmware for its API of SEV."""
    major, minor, state, _, build, guests = struct.unpack(
        '<BBBIBI', host.sev_command(SEV_PLATFORM_STATUS, PLATFORM_SIZE))
    words = f'SEV API {major}.{minor} build {build}, {guests} guests'
    if state:
        return Result(PASS, words)
    return Result(PASS, words + ', not initialised before the first guest')


def snp_firmware(host, _options):
    """Ask the firmware for its API of SNP."""
    major, minor, state, rmp, build, _, guests, _, _ = struct.unpack(
        '<BBBBIIIQQ', host.sev_command(SNP_PLATFORM_STATUS,
                                       SNP_PLATFORM_SIZE))
    words = f'SNP API {major}.{minor} build {build}, {guests} guests'
    if (major, minor) < LEAST_API:
        return Result(FAIL, words, 'SNP firmware 1.51 or later: '
                      'linux-firmware, or a newer BIOS')
    if not rmp & 1:
        return Result(FAIL, f'{words}; the RMP is not initialised',
                      'SNP memory coverage in the firmware setup; neither '
                      'iommu=off nor iommu=pt')
    if state != INITIALISED:
        return Result(PASS, words + ', not initialised before the first guest')
    return Result(PASS, words)


def iommu(host, _options):
    """Ask the kernel's log: the IOMMU must check the RMP."""
    log = host.log()
    if 'IOMMU SNP support enabled' in log:
        return Result(PASS, 'the IOMMU checks what devices write')
    if 'AMD-Vi' not in log:
        return Result(SKIP, 'the kernel\'s log begins too late to tell')
    return Result(FAIL, 'the IOMMU has no SNP support',
                  'switch the IOMMU on in the firmware setup; none of '
                  'iommu=off, iommu=pt, amd_iommu=off')


def asids(resource, kinds):
    """Ask how many guests there can be at a time."""
    def ask(host, options):
        capacity = dict(line.split() for line in host.text(
            '/sys/fs/cgroup/misc.capacity').splitlines())
        used = dict(line.split() for line in host.text(
            '/sys/fs/cgroup/misc.current').splitlines())
        if resource not in capacity:
            return Result(FAIL, f'misc.capacity has no {resource}: no such '
                          f'guest can be started', 'MinASID in the firmware '
                          'setup divides what there is between SEV and '
                          'SEV-ES')
        free = int(capacity[resource]) - int(used.get(resource, 0))
        words = f'{free} of {capacity[resource]} ASIDs are free'
        if free < options.guests:
            return Result(FAIL, words, f'end guests, or plan fewer than '
                          f'{options.guests}; for {" and ".join(kinds)}, '
                          f'MinASID in the firmware setup shifts the border')
        return Result(PASS, words)
    return ask


def hiding(host, _options):
    """Ask whether ciphertext hiding divides the ASIDs once more."""
    path = f'{PARAMETERS}/ciphertext_hiding_asids'
    try:
        number = int(host.text(path), 0)
    except HostError:
        return Result(PASS, 'no ciphertext hiding in this kernel: a policy '
                      'that asks for it is refused by the firmware')
    if not number:
        return Result(PASS, 'off: a policy that asks for it is refused')
    return Result(PASS, f'SEV-SNP guests have ASIDs 1 to {number}, SEV-ES '
                  f'guests those above')


def checks():
    """Return all of it, in the order of a boot."""
    found = []
    for kind in SEV, ES, SNP:
        found.append(Check(f'cpu-{kind}', f'processor with {NAMES[kind]}',
                           (kind,), (), processor(kind)))
    found.append(Check('kvm', '/dev/kvm', KVM, (), device))
    for kind in SEV, ES, SNP:
        found.append(Check(f'parameter-{kind}', f'kvm_amd with {NAMES[kind]}',
                           (kind,), (f'cpu-{kind}', 'kvm'), parameter(kind)))
        found.append(Check(f'type-{kind}', f'VMs of type {NAMES[kind]}',
                           (kind,), ('kvm',), vm_type(kind)))
    return found + [
        Check('memory', 'private memory', (SNP,), ('kvm',), private_memory),
        Check('hypercall', 'requests of guests', KVM, ('kvm',), hypercalls),
        Check('sev', '/dev/sev', KVM, (), sev_device),
        Check('firmware', 'firmware for SEV and SEV-ES', (SEV, ES), ('sev',),
              sev_firmware),
        Check('snp-firmware', 'firmware for SEV-SNP', (SNP,), ('sev',),
              snp_firmware),
        Check('iommu', 'IOMMU with SNP', (SNP,), ('cpu-snp',), iommu),
        Check('asids-sev', 'ASIDs for SEV', (SEV,), ('cpu-sev',),
              asids('sev', ('SEV',))),
        Check('asids-es', 'ASIDs for SEV-ES and SEV-SNP', (ES, SNP),
              ('cpu-sev-es',), asids('sev_es', ('SEV-ES', 'SEV-SNP'))),
        Check('hiding', 'ciphertext hiding', (SNP,), ('parameter-snp',),
              hiding),
    ]
