#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with KVM and private memory, wherever this one has none.

usage: lab.py [--kernel pristine|cbit] [--cpus N] [--limit SECONDS] COMMAND

Boots the lab's kernel (scripts/lab-kernel) under our own QEMU's TCG and runs
a shell command in it.  The command finds this machine's files, read-only, at
the same paths; /tmp, the lab's own, and $LAB, a folder for results, can be
written to.

Two kernels: "pristine" is Linux as Debian has it, "cbit" has the patch
kvm-cbit.patch and is booted with kvm.lab_cbit=CBIT, so that a software
protected VM has an encryption bit.
"""
import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get('UPM_BUILD', TOP / 'build'))
LOGS = BUILD / 'logs/lab'

sys.path.insert(0, str(TOP / 'tests/functional'))
# pylint: disable=wrong-import-position
from shell_machine import MachineError, ShellMachine  # noqa: E402

KERNELS = {'pristine': 'bzImage', 'cbit': 'bzImage-cbit'}
# Guest-physical addresses of the emulated processor end at 1 << 40.
CBIT = 39
# Time by instructions, of 4 ns each, and not by the clock
COUNTED = ['-icount', 'shift=2,sleep=off']


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


class Lab(ShellMachine):
    """The machine, from its start to close()."""

    name = 'the lab'

    def __init__(self, kernel='pristine', cpus=1, memory='2G', name=None,
                 counted=False):
        """Where time is counted in instructions, 4 ns each, it does not
        depend on what else this machine does.
        """
        folder = kernel_folder()
        if folder is None:
            raise MachineError('the lab\'s kernel is not built: make lab')
        self.variant = kernel
        self.image = folder / KERNELS[kernel]
        self.selftests = folder / 'selftests'
        self.shape = ['-smp', str(cpus), '-m', memory]
        self.accel = ['-accel', 'tcg,thread=single', *COUNTED] if counted \
            else ['-accel', 'tcg,thread=multi']
        super().__init__(name or kernel, LOGS)

    def arguments(self):
        return [*self.accel, '-machine', 'q35',
                '-cpu', 'max,xlevel=0x80000021', *self.shape]

    def kernel(self):
        # With single timer events an emulated KVM host, or its guest, sleeps
        # through one now and then, and on until the timer wraps.
        words = 'console=ttyS0 quiet panic=-1 nohz=off highres=off'
        if self.variant == 'cbit':
            words += f' kvm.lab_cbit={CBIT}'
        return self.image, words


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
            except MachineError as error:
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
    except MachineError as error:
        sys.exit(f'lab.py: {error}')
    sys.stdout.write(output)
    sys.exit(status)


if __name__ == '__main__':
    main()
