# SPDX-License-Identifier: GPL-2.0-or-later
"""L2: command lines of guests that L1's KVM runs."""
import re
import shlex

import payload
from linux_guest import QEMU, linux, snp

CPU = 'EPYC-Milan'
MEMORY = '512M'
# The exit status of a payload that is content
GOOD_END = payload.EXIT_GOOD
# What Linux says of itself in a guest of each kind
SAYS = {
    'plain': None,
    'sev': 'Memory Encryption Features active: AMD SEV',
    'es': 'Memory Encryption Features active: AMD SEV SEV-ES',
    'snp': 'Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP',
}
POLICIES = {'sev': 1, 'es': 5}
# Each character on the console costs several world switches, in L2 and in L1,
# so it only has what was wrong, and these lines at the end.
# Its watchdogs go by the clock, which does not stop while L2 waits for the
# processor.
QUIET = 'quiet watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300'
TELL = "dmesg | grep -E 'Memory Encryption|SEV|VMGEXIT|CPUs' "


def machine(kind, vcpus=1, firmware=None, guest='', backend=None):
    """QEMU's arguments for a guest of a kind, as a user of KVM types them.

    Without firmware an ordinary guest has SeaBIOS, and others have OVMF.

    An unpatched QEMU knows no memory-backend-memfd-private: backend names
    another one.
    """
    if kind == 'snp':
        words = snp(MEMORY, vcpus, CPU, firmware or 'OVMF.fd', guest=guest,
                    accel='kvm')
        return [word.replace('memory-backend-memfd-private', backend)
                if backend else word for word in words]
    words = ['-accel', 'kvm', '-cpu', CPU, '-smp', str(vcpus), '-m', MEMORY]
    if kind == 'plain':
        return [*words, '-machine', 'q35',
                *(['-bios', firmware] if firmware else [])]
    return [*words, '-machine', 'q35,confidential-guest-support=sev0',
            '-object', 'sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,'
            f'policy={POLICIES[kind]}{guest}', '-bios',
            firmware or 'OVMF.fd']


def command(words, qemu=QEMU, port='-serial'):
    """A shell command that runs QEMU until the guest ends.

    qemu is a program, or a list of words.
    """
    program = qemu if isinstance(qemu, list) else [qemu]
    return shlex.join(str(word) for word in (
        *program, '-nodefaults', '-display', 'none', '-no-reboot', port, 'stdio',
        *words))


def boot_linux(folder, kind, vcpus=1, qemu=QEMU, script=TELL, modules=(),
               **options):
    """A command that boots Linux to userspace, runs a script and ends."""
    return command([*machine(kind, vcpus, **options),
                    *linux(folder, script, modules, QUIET)], qemu)


def payload_words(name, qemu=QEMU):
    """QEMU's arguments for a payload, without the serial port."""
    words = [re.sub(',cert-dir=.*', '', word)
             for word in payload.arguments(name, accel='kvm')]
    if qemu == QEMU:
        return words
    return [word.replace('memory-backend-memfd-private',
                         'memory-backend-memfd') for word in words]


def hello(qemu=QEMU):
    """A command that runs the payload hello; it ends with GOOD_END."""
    return command(payload_words('hello', qemu), qemu)


def check_hello(status, output):
    """The payload made all of its checks, and each was good."""
    assert status == GOOD_END, output
    assert sorted(re.findall('^ok (.*)', output.replace('\r', ''), re.M)) == \
        sorted(payload.check_names('hello')), output


def check_linux(output, kind, vcpus=1):
    """Linux came to userspace, knows what it is, and ended."""
    tail = output[-3000:]
    if SAYS[kind]:
        lines = [line.rstrip() for line in output.splitlines()]
        assert [line for line in lines if line.endswith(SAYS[kind])], tail
    assert f'userspace: {vcpus} CPUs' in output, tail
    assert 'userspace: end' in output, tail
    for word in ('WARNING: CPU', 'Call Trace', 'soft lockup'):
        assert word not in output, tail
