#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with KVM and private memory, wherever this one has none.

usage: lab.py [--kernel pristine|cbit] [--cpus N] [--limit SECONDS] COMMAND

Boots the lab's kernel (scripts/lab-kernel) under our own QEMU's TCG and runs
a shell command in it.  The command finds this machine's files, read-only, at
the same paths; /dev/shm and $LAB, a folder for results, can be written to.

Two kernels: "pristine" is Linux as Debian has it, "cbit" has the patch
kvm-cbit.patch and is booted with kvm.lab_cbit=CBIT, so that a software
protected VM has an encryption bit.
"""
import argparse
import gzip
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get('UPM_BUILD', TOP / 'build'))
LOGS = BUILD / 'logs/lab'
QEMU = BUILD / 'qemu-system-x86_64'
BUSYBOX = BUILD / 'kernel/busybox'

sys.path.insert(0, str(TOP / 'tests/functional'))
# pylint: disable=wrong-import-position
from linux_guest import cpio  # noqa: E402

KERNELS = {'pristine': 'bzImage', 'cbit': 'bzImage-cbit'}
# Guest-physical addresses of the emulated processor end at 1 << 40.
CBIT = 39
BOOT_LIMIT = 240

# 9p brings this machine's files and, at $LAB, a folder that can be written
# to.  Commands come by the second serial port, one word each: the name of a
# script in $LAB.
INIT = r'''#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /h
mount -t tmpfs shm /dev/shm
LAB=$(cat /lab)
options=trans=virtio,version=9p2000.L,msize=262144
mount -t 9p -o $options,cache=loose,ro host /h
mount -t 9p -o $options,cache=none work "/h$LAB"
mount --bind /dev /h/dev
mount --bind /dev/shm /h/dev/shm
mount --bind /sys /h/sys
mount -t proc proc /h/proc
export LAB TMPDIR=/dev/shm PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/dev/shm
stty -F /dev/ttyS1 raw -echo
exec 5<>/dev/ttyS1
echo "ready $(uname -r)" >&5
while read -r name <&5; do
    chroot /h /bin/sh "$LAB/$name.sh" </dev/null >"/h$LAB/$name.out" 2>&1
    echo "$name $?" >&5
done
poweroff -f
'''


class LabError(Exception):
    """The lab did not do what it should."""


def kernel_folder():
    """Return the folder of what scripts/lab-kernel builds, or None."""
    done = subprocess.run([TOP / 'scripts/lab-kernel', '-n'],
                          capture_output=True, text=True, check=False)
    return pathlib.Path(done.stdout.strip()) if not done.returncode else None


def why_missing():
    """Say why there is no lab, or None where there is one."""
    if kernel_folder() is not None:
        return None
    said = BUILD / 'logs/lab-kernel.log'
    lines = said.read_text().splitlines() if said.exists() else []
    return "the lab's kernel is not built here: " + \
        (lines[-1] if lines else 'make lab')


class Lab:
    """The machine, from its start to close()."""

    def __init__(self, kernel='pristine', cpus=1, memory='2G', name=None,
                 counted=False):
        folder = kernel_folder()
        if folder is None:
            raise LabError('the lab\'s kernel is not built: make lab')
        self.kernel = kernel
        self.image = folder / KERNELS[kernel]
        self.selftests = folder / 'selftests'
        LOGS.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(
            prefix=f'{name or kernel}-', dir=LOGS))
        self.count = 0
        self.buffer = b''
        self.started = time.monotonic()
        self.port, theirs = socket.socketpair()
        with theirs:
            self.process = self.start(theirs, cpus, memory, counted)
        try:
            self.release = self.read_line(BOOT_LIMIT, 'boot').split(' ')[1]
        except LabError:
            self.close()
            raise
        self.boot_seconds = time.monotonic() - self.started

    def start(self, port, cpus, memory, counted):
        """Start QEMU, our own, with a kernel that commands come to.

        Where time is counted in instructions, 4 ns each, it does not depend
        on what else this machine does.
        """
        archive = cpio([(name, 0o40755, b'')
                        for name in ('bin', 'dev', 'proc', 'sys')] +
                       [('bin/busybox', 0o100755, BUSYBOX.read_bytes()),
                        ('lab', 0o100644, str(self.folder).encode()),
                        ('init', 0o100755, INIT.encode())])
        initrd = self.folder / 'initramfs'
        initrd.write_bytes(gzip.compress(archive, 1))
        # With single timer events an emulated KVM host, or its guest, sleeps
        # through one now and then, and on until the timer wraps.
        words = 'console=ttyS0 quiet panic=-1 nohz=off highres=off'
        if self.kernel == 'cbit':
            words += f' kvm.lab_cbit={CBIT}'
        shares = []
        for tag, path, more in (('host', '/', ',readonly=on'),
                                ('work', self.folder, '')):
            shares += ['-virtfs', f'local,path={path},mount_tag={tag},'
                       f'security_model=none,multidevs=remap{more}']
        accel = ['-accel', 'tcg,thread=single', '-icount',
                 'shift=2,sleep=off'] if counted else \
            ['-accel', 'tcg,thread=multi']
        return subprocess.Popen(
            [QEMU, '-machine', 'q35', *accel,
             '-cpu', 'max,xlevel=0x80000021', '-smp', str(cpus),
             '-m', memory, '-nodefaults', '-display', 'none', '-no-reboot',
             '-kernel', self.image, '-initrd', initrd, '-append', words,
             '-serial', f'file:{self.folder}/console.log',
             '-chardev', f'socket,id=port,fd={port.fileno()}',
             '-serial', 'chardev:port', *shares],
            stdin=subprocess.DEVNULL, pass_fds=[port.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / 'qemu.log').open('w'))

    def read_line(self, limit, what):
        """Return the next line of the command port."""
        ends = time.monotonic() + limit
        while b'\n' not in self.buffer:
            left = ends - time.monotonic()
            if left <= 0 or not select.select([self.port], [], [], left)[0]:
                raise LabError(f'{what}: no end after {limit} s, see '
                               f'{self.folder}')
            found = self.port.recv(4096)
            if not found:
                raise LabError(f'{what}: the lab ended, see {self.folder}\n'
                               + self.console()[-1000:])
            self.buffer += found
        line, _, self.buffer = self.buffer.partition(b'\n')
        return line.decode(errors='replace').strip()

    def console(self):
        """What the lab's kernel has said."""
        log = self.folder / 'console.log'
        return log.read_text(errors='replace') if log.exists() else ''

    def run(self, command, limit=60):
        """Run a shell command; its exit status and its output.

        A lab whose command goes beyond its limit is closed.
        """
        self.count += 1
        name = f'{self.count:02d}'
        (self.folder / f'{name}.sh').write_text(command + '\n')
        self.port.sendall(name.encode() + b'\n')
        try:
            line = self.read_line(limit, command)
        except LabError as error:
            self.close()
            raise LabError(f'{error}\n{self.output(name)[-2000:]}') from None
        return int(line.split(' ')[1]), self.output(name)

    def output(self, name):
        """What a command has printed so far."""
        path = self.folder / f'{name}.out'
        return path.read_text(errors='replace') if path.exists() else ''

    @property
    def alive(self):
        """Can it take another command?"""
        return self.process.poll() is None

    def close(self):
        """End the machine."""
        self.port.close()
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Machine:
    """One kernel's machine and its jobs; a new one where the last ended.

    Jobs may have @limit seconds each; a pool runs those that are submitted.
    """

    def __init__(self, kernel, limit, pool=None, name=None):
        self.kernel = kernel
        self.limit = limit
        self.pool = pool
        self.name = name
        self.lab = None

    def get(self):
        """The machine, started where there is none."""
        if self.lab is None or not self.lab.alive:
            self.lab = Lab(self.kernel, cpus=2, name=self.name)
        return self.lab

    def run(self, make_command):
        """Exit status and output; of a lab that ends too soon, why.

        An emulated host that stands still, on a busy machine, gets a second
        chance; a check that fails gets none.
        """
        for last in (False, True):
            try:
                lab = self.get()
                return lab.run(make_command(lab), self.limit)
            except LabError as error:
                print(f'the lab ended early: {error}', file=sys.stderr)
                if last:
                    return None, str(error)
        return None, ''

    def submit(self, make_command):
        """Let the pool run a command."""
        return self.pool.submit(self.run, make_command)

    def close(self):
        """End the machine that there is."""
        if self.lab:
            self.lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kernel', choices=KERNELS, default='pristine')
    parser.add_argument('--cpus', type=int, default=1)
    parser.add_argument('--limit', type=float, default=300)
    parser.add_argument('command', nargs='+')
    args = parser.parse_args()
    try:
        with Lab(args.kernel, args.cpus) as lab:
            status, output = lab.run(' '.join(args.command), args.limit)
    except LabError as error:
        sys.exit(f'lab.py: {error}')
    sys.stdout.write(output)
    sys.exit(status)


if __name__ == '__main__':
    main()
