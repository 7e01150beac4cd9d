# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests for the functional tests, the demo and the benchmarks.

A guest is Debian's cloud kernel with an initramfs that holds busybox and one
shell script.  It talks on its serial port, and to us by QMP.
"""
import lzma
import os
import pathlib
import re
import sys
import time

from patience import Patience

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('UPM_BUILD', TOP / 'build'))
# In an emulated host the build folder can not be written to.
LOGS = pathlib.Path(os.environ.get('UPM_LOGS', BUILD / 'logs'))
FIRMWARE = BUILD / 'firmware'
KERNEL = BUILD / 'kernel/vmlinuz'
QEMU = BUILD / 'qemu-system-x86_64'
PLAIN_QEMU = BUILD / 'plain/build/qemu-system-x86_64'

sys.path.insert(0, str(BUILD / 'qemu/python'))
# pylint: disable=wrong-import-position
from qemu.machine import QEMUMachine  # noqa: E402

# Every wait ends, even where the machine is very busy: seconds.
LIMIT = float(os.environ.get('UPM_TEST_LIMIT', 240))
# Without no_timer_check a kernel that is emulated on a busy machine may find
# that ticks are late, and then tries timers that no machine has.
COMMAND_LINE = 'console=ttyS0 panic=-1 no_timer_check'

INIT = '''#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for module in $(cat /modules); do insmod /$module; done
echo 1 >/proc/sys/kernel/printk
echo userspace: $(nproc) CPUs
%s
echo userspace: end
poweroff -f
sleep 100
'''


def cpio(entries):
    """Return a "newc" archive of (name, mode, content)."""
    archive = bytearray()
    for number, (name, mode, content) in enumerate(
            [*entries, ('TRAILER!!!', 0, b'')], 1):
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0,
                  len(name) + 1, 0]
        archive += b'070701' + b''.join(b'%08x' % field for field in fields)
        for part in (name.encode() + b'\0', content):
            archive += part
            archive += bytes(-len(archive) % 4)
    return bytes(archive)


def initramfs(path, script='', modules=()):
    """Write an initramfs that loads modules and runs a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [(folder, 0o40755, b'') for folder in
               ('bin', 'dev', 'proc', 'sys', 'tmp', 'run')]
    entries.append(('bin/busybox', 0o100755,
                    (BUILD / 'kernel/busybox').read_bytes()))
    entries.append(('init', 0o100755, (INIT % script).encode()))
    names = []
    for module in modules:
        name, content = kernel_module(module)
        entries.append((name, 0o100644, content))
        names.append(name)
    entries.append(('modules', 0o100644, '\n'.join(names).encode()))
    path.write_bytes(cpio(entries))
    return path


def module_content(path):
    """Return the content of a module's file, as Debian compresses it or not."""
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == '.xz' else content


def kernel_module(name):
    """Return (file name, content) of a module of the guest's kernel."""
    folder = (BUILD / 'kernel/modules').resolve()
    return f'{name}.ko', module_content(next(folder.rglob(f'{name}.ko*')))


def linux(folder, script='', modules=(), append=''):
    """Return the arguments that boot Linux into a script."""
    image = initramfs(folder / 'initramfs', script, modules)
    return ['-kernel', str(KERNEL), '-initrd', str(image),
            '-append', f'{COMMAND_LINE} {append}'.rstrip()]


def snp(memory='1G', vcpus=1, cpu='EPYC-v4', firmware='OVMF.fd', backend='',
        guest='', accel='tcg'):
    """Return the arguments of an SNP guest, as a user of KVM types them."""
    return ['-accel', accel, '-cpu', cpu, '-smp', str(vcpus), '-m', memory,
            '-machine',
            'q35,confidential-guest-support=sev0,memory-backend=ram0',
            '-object', 'memory-backend-memfd-private,id=ram0,'
            f'size={memory},share=on{backend}',
            '-object', 'sev-snp-guest,id=sev0,cbitpos=51,'
            f'reduced-phys-bits=1{guest}', '-bios', firmware]


def sev(policy, memory='1G', vcpus=1, cpu='EPYC-v4', firmware='OVMF.fd',
        mode='on', guest='', accel='tcg'):
    """Return the arguments of an SEV guest, or an SEV-ES one by its policy."""
    return ['-accel', accel, '-cpu', cpu, '-smp', str(vcpus), '-m', memory,
            '-machine',
            'q35,confidential-guest-support=sev0,memory-backend=ram0',
            '-object', 'memory-backend-memfd-private,id=ram0,'
            f'size={memory},share=on',
            '-object', f'sev-guest,id=sev0,policy={policy},cbitpos=51,'
            f'reduced-phys-bits=1,upm-mode={mode}{guest}', '-bios', firmware]


def launch_digest(guest):
    """Return the measurement of an SNP guest that runs, in hexadecimal."""
    return guest.cmd('qom-get', path='sev0', property='launch-digest')


def plain(memory='1G', vcpus=1, cpu='EPYC-v4', firmware='OVMF.fd'):
    """Return the arguments of the same guest without SNP."""
    return ['-accel', 'tcg', '-cpu', cpu, '-smp', str(vcpus), '-m', memory,
            '-machine', 'q35,memory-backend=ram0',
            '-object', f'memory-backend-memfd,id=ram0,size={memory},share=on',
            '-bios', firmware]


class GuestError(Exception):
    """A guest did not do what was waited for."""


class Guest(QEMUMachine):
    """A guest whose serial port goes to a file below build/logs."""

    def __init__(self, name, *args, binary=QEMU):
        self.folder = LOGS / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial_log = self.folder / 'serial.log'
        self.serial_log.unlink(missing_ok=True)
        super().__init__(str(binary), [
            '-nodefaults', '-no-reboot',
            '-serial', f'file:{self.serial_log}', *map(str, args)],
            name='qemu', base_temp_dir=str(self.folder),
            log_dir=str(self.folder))

    @property
    def serial(self):
        """All that the guest has said, without terminal control codes."""
        try:
            text = self.serial_log.read_text(errors='replace')
        except FileNotFoundError:
            return ''
        text = re.sub(r'\x1b(\[[0-9;?=]*[A-Za-z]|[()=].)', '', text)
        return re.sub(r'[^\n\t -~]', '', text)

    def wait_for(self, pattern, limit=LIMIT):
        """Wait until the guest says pattern, return the match."""
        patience = Patience(limit, self.get_pid())
        while True:
            running = self.is_running()
            found = re.search(pattern, self.serial, re.M)
            if found:
                return found
            if not running:
                raise GuestError(f'QEMU ended before "{pattern}"; '
                                 f'{self.last_words()}')
            if patience.over():
                raise GuestError(f'no "{pattern}" after {limit} s; '
                                 f'{self.last_words()}')
            time.sleep(0.02)

    def finish(self, limit=LIMIT):
        """Wait until QEMU ends by itself without an error."""
        self.wait_for('userspace: end', limit)
        self.wait(timeout=limit)
        if self.exitcode():
            raise GuestError(f'QEMU ended with {self.exitcode()}; '
                             f'{self.last_words()}')
        return self.serial

    def messages(self):
        """What QEMU itself has said."""
        return (self.folder / 'qemu.log').read_text(errors='replace')

    def last_words(self):
        """The ends of both logs, for messages."""
        return (f'logs in {self.folder}\n--- qemu:\n{self.messages()[-1500:]}'
                f'\n--- serial:\n{self.serial[-1500:]}')
