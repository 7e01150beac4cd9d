# SPDX-License-Identifier: GPL-2.0-or-later
"""The host, as far as the checks ask: nothing here judges."""
import ctypes
import fcntl
import os
import pathlib
import resource
import signal
import struct
import subprocess

KVM_CHECK_EXTENSION = 0xae03
# _IOWR('S', 0, struct sev_issue_cmd), linux/psp-sev.h
SEV_ISSUE_CMD = 0xc0105300
SEV_PLATFORM_STATUS, SNP_PLATFORM_STATUS = 1, 9
PLATFORM_SIZE, SNP_PLATFORM_SIZE = 12, 32
# How long a program may take for a question, in seconds
PATIENCE = 60


class HostError(Exception):
    """The host does not say; the text tells why."""


class Host:
    """The machine that the program runs on."""

    def __init__(self, qemu):
        self.qemu_path = qemu

    @staticmethod
    def text(path):
        """Return what is in a file of the kernel's."""
        try:
            return pathlib.Path(path).read_text(errors='replace').strip()
        except OSError as error:
            raise HostError(f'{path}: {error.strerror}') from None

    @staticmethod
    def open_device(path):
        """Open a device for reading and writing, and close it again."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            raise HostError(f'{path}: {error.strerror}') from None

    @staticmethod
    def kvm_extension(number):
        """Return KVM_CHECK_EXTENSION's answer, 0 for what is not there."""
        try:
            device = os.open('/dev/kvm', os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(f'/dev/kvm: {error.strerror}') from None
        try:
            return fcntl.ioctl(device, KVM_CHECK_EXTENSION, number)
        except OSError as error:
            raise HostError(f'KVM_CHECK_EXTENSION: {error.strerror}') from None
        finally:
            os.close(device)

    @staticmethod
    def sev_command(command, size):
        """Return what /dev/sev writes for a command."""
        answer = (ctypes.c_uint8 * size)()
        issue = bytearray(struct.pack('<IQI', command,
                                      ctypes.addressof(answer), 0))
        try:
            device = os.open('/dev/sev', os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(f'/dev/sev: {error.strerror}') from None
        try:
            fcntl.ioctl(device, SEV_ISSUE_CMD, issue)
        except OSError as error:
            status = struct.unpack_from('<I', issue, 12)[0]
            raise HostError(f'command {command}: {error.strerror}, '
                            f'firmware status {status:#x}') from None
        finally:
            os.close(device)
        return bytes(answer)

    @staticmethod
    def log():
        """Return the kernel's log."""
        done = _run(['dmesg'])
        if done.returncode:
            raise HostError(f'the kernel\'s log cannot be read: '
                            f'{done.stderr.strip()}')
        return done.stdout

    @staticmethod
    def memlock():
        """Return the limit of locked memory in bytes, None if there is none."""
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        return None if soft == resource.RLIM_INFINITY else soft

    def qemu(self, *arguments):
        """Return what QEMU prints for a question such as -object help."""
        done = _run([self.qemu_path, *arguments])
        if done.returncode:
            raise HostError(f'{self.qemu_path} {" ".join(arguments)}: '
                            f'status {done.returncode}: '
                            f'{done.stderr.strip()[-200:]}')
        return done.stdout


def _run(command):
    try:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors='replace',
                              start_new_session=True) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except BaseException:
                # What a script has started has our pipes as well.
                os.killpg(process.pid, signal.SIGKILL)
                raise
    except OSError as error:
        raise HostError(f'{command[0]}: {error.strerror}') from None
    except subprocess.TimeoutExpired:
        raise HostError(f'{command[0]}: no answer within {PATIENCE} s') \
            from None
    return subprocess.CompletedProcess(command, process.returncode, out, err)
