# SPDX-License-Identifier: GPL-2.0-or-later
"""L1: an unmodified Debian kernel on the emulated SEV-SNP host.

The kernel is that of Debian's package, and so are its modules, which go into
a small initramfs.  Its command line has nothing about SEV or the IOMMU.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/functional'))
# pylint: disable=wrong-import-position
from debian import debian_kernel  # noqa: E402
from kernel_modules import ModuleError, Modules  # noqa: E402
from linux_guest import COMMAND_LINE, LOGS, QEMU  # noqa: E402
from shell_machine import MachineError, ShellMachine  # noqa: E402

# Loaded at start in this order, and only there for modprobe
LOADED = ('ccp', 'kvm-amd', '9p', '9pnet_virtio', 'virtio_blk')
READY = ('virtio_net', 'msr', 'cpuid', 'tun', 'vhost_net', 'vhost_vsock',
         'overlay', 'vfio_iommu_type1')
SUITES = ('trixie', 'trixie-backports')
CPU = 'EPYC-Milan'

# What the kernel and its modules say of SEV and what it needs
SEV_LINE = re.compile(r'^\[ *[\d.]+\] ((?:SEV-SNP|AMD-Vi|ccp|kvm_amd|kvm|'
                      r'x86/mm: Memory Encryption)\b.*)', re.M)

# A shell for people; what it says is all that they see of the ways here.
LOGIN = '''
cd {top}
export QEMU={qemu} PS1='L1:\\w# ' TERM={term}
cat <<END

This is L1, $(uname -r) on an emulated processor: nothing is confidential.
The files of the machine outside are here, read-only; /tmp is L1's own.

    $QEMU -accel kvm ...     a guest of this KVM (L2)
    modprobe, rmmod          for the kernel's modules
    poweroff                 or the end of this shell: back outside

END
ls -l /dev/kvm /dev/sev
shell=/bin/sh
[ -x /bin/bash ] && shell='/bin/bash --norc'
exec $shell -i
'''


class Host(ShellMachine):
    """The emulated SNP host, from its start to close() or power_off()."""

    name = 'L1'

    def __init__(self, kernel=None, cpus=1, memory='3G', snp=True,
                 login=None, folder='l1', firmware=None, extra=(),
                 append=''):
        """Boot a kernel: (image, folder of its modules or None), by default
        Debian's.

        Without snp it is an ordinary machine with SVM.  firmware is None for
        SeaBIOS, or a file for -bios; login is a terminal's type.
        """
        self.image, self.module_folder = kernel or debian_kernel(SUITES[0])
        machine = 'q35,snp-host=on' if snp else 'q35'
        cpu = CPU if snp else f'{CPU},svm=on'
        self.options = ['-accel', 'tcg', '-machine', machine, '-cpu', cpu,
                        '-smp', str(cpus), '-m', memory]
        if firmware:
            self.options += ['-bios', firmware]
        self.options += extra
        self.words = f'{COMMAND_LINE} {append}'.rstrip()
        super().__init__(folder, LOGS / 'host',
                         login and LOGIN.format(top=TOP, qemu=QEMU,
                                                term=login))

    def arguments(self):
        return self.options

    def kernel(self):
        return self.image, self.words

    def kernel_release(self):
        return self.module_folder.name

    def modules(self):
        if self.module_folder is None:
            return [], []
        try:
            return Modules(self.module_folder).take(LOADED + READY), LOADED
        except ModuleError as error:
            raise MachineError(str(error)) from None

    def sev_lines(self):
        """What L1's kernel has said of SEV, without the times.

        There are no files of firmware to load.
        """
        return [line.strip() for line in SEV_LINE.findall(self.console())
                if 'firmware: failed to load' not in line]
