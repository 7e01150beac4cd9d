# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests for the functional tests, the demo and the benchmarks.

A guest is Debian's cloud kernel with an initramfs that holds busybox and one
shell script.  It talks on its serial port, and to us by QMP.
"""
import os
import pathlib
import re
import sys
import time

from kernel_modules import Modules
from patience import Patience, event

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('UPM_BUILD', TOP / 'build'))
# In an emulated host the build folder can not be written to.
LOGS = pathlib.Path(os.environ.get('UPM_LOGS', BUILD / 'logs'))
FIRMWARE = BUILD / 'firmware'
KERNEL = BUILD / 'kernel/vmlinuz'
QEMU = BUILD / 'qemu-system-x86_64'
PLAIN_QEMU = BUILD / 'plain/build/qemu-system-x86_64'



class GuestError(Exception):
    """A guest did not do what was waited for."""


sys.path.insert(0, str(BUILD / 'qemu/python'))
# pylint: disable=wrong-import-position
try:
    from qemu.machine import QEMUMachine  # noqa: E402
    from qemu.machine.machine import QEMUMachineError  # noqa: E402
except ModuleNotFoundError:
    QEMUMachineError = GuestError

    class QEMUMachine:
        """What stands for it where nothing was built."""

        def __init__(self, *_, **__):
            raise GuestError(f'{QEMU} is not built: make all')

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


def initramfs(path, script='', modules=(), folder=None, more=()):
    """Write an initramfs that loads modules, with those that they need, and
    runs a shell script.

    folder has the modules of another kernel than the usual one; more are
    entries for cpio().
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [(name, 0o40755, b'') for name in
               ('bin', 'dev', 'proc', 'sys', 'tmp', 'run')]
    entries.append(('bin/busybox', 0o100755,
                    (BUILD / 'kernel/busybox').read_bytes()))
    entries.append(('init', 0o100755, (INIT % script).encode()))
    loaded = modules and Modules(
        folder or (BUILD / 'kernel/modules').resolve()).take(modules)
    entries += [(f'{name}.ko', 0o100644, content)
                for name, content, _ in loaded]
    entries.append(('modules', 0o100644, '\n'.join(
        f'{name}.ko' for name, *_ in loaded).encode()))
    path.write_bytes(cpio([*entries, *more]))
    return path


def linux(folder, script='', modules=(), append='', kernel=None, more=()):
    """Return the arguments that boot Linux into a script.

    kernel is (image, folder of its modules) of another one than the usual.
    """
    image, from_folder = kernel or (KERNEL, None)
    initrd = initramfs(folder / 'initramfs', script, modules, from_folder,
                       more)
    return ['-kernel', str(image), '-initrd', str(initrd),
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


class Guest(QEMUMachine):
    """A guest whose serial port goes to a file below build/logs."""

    def __init__(self, name, *args, binary=QEMU, keyboard=False):
        """With a keyboard its serial port takes what type() is given."""
        self.folder = LOGS / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial_log = self.folder / 'serial.log'
        self.serial_log.unlink(missing_ok=True)
        self.keys = None
        serial = ['-serial', f'file:{self.serial_log}']
        if keyboard:
            serial = self.plug_keyboard()
        super().__init__(str(binary), [
            '-nodefaults', '-no-reboot', *serial, *map(str, args)],
            name='qemu', base_temp_dir=str(self.folder),
            log_dir=str(self.folder))

    def plug_keyboard(self):
        """Return arguments for a serial port that can be typed at."""
        pipe = self.folder / 'keyboard'
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        # QEMU would wait for somebody who has it open to write.
        self.keys = pipe.open('r+b', buffering=0)
        return ['-chardev', f'file,id=console,path={self.serial_log},'
                f'input-path={pipe}', '-serial', 'chardev:console']

    def type(self, text):
        """Type at the serial port."""
        self.keys.write(text.encode())

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
                                 f'{self.last_words()}{self.vcpus()}')
            time.sleep(0.02)

    def wait_event(self, name, limit=LIMIT):
        """Wait until QEMU tells of an event, return it."""
        told = event(self, name, limit)
        if told:
            return told
        if not self.is_running():
            raise GuestError(f'QEMU ended before {name}; '
                             f'{self.last_words()}')
        raise GuestError(f'no {name} after {limit} s; '
                         f'{self.last_words()}{self.vcpus()}')

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

    def vcpus(self):
        """Where the vCPUs of one that hangs are, for messages."""
        try:
            self._qmp.settimeout(20.0)
            said = self.cmd('human-monitor-command',
                            command_line='info registers -a')
        except Exception as error:      # pylint: disable=broad-except
            return f'\n--- vCPUs: {error!r}'
        return '\n--- vCPUs:\n' + '\n'.join(
            line for line in said.splitlines()
            if line.startswith(('CPU#', 'RIP=', 'RSI=', 'EIP=', 'ESI=')))

    def last_words(self):
        """The ends of both logs, for messages."""
        return (f'logs in {self.folder}\n--- qemu:\n{self.messages()[-1500:]}'
                f'\n--- serial:\n{self.serial[-1500:]}')
