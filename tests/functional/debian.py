# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/fetch gets from Debian for the tests: kernels, firmware and
programs, none of which is installed.
"""
import pathlib
import subprocess

from linux_guest import TOP
from shell_machine import MachineError


def fetch(what, suite, *names):
    """Have scripts/fetch get something; where it is."""
    done = subprocess.run([TOP / 'scripts/fetch', what, suite, *names],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise MachineError(f'no {what} {" ".join(names)} from {suite}')
    return pathlib.Path(done.stdout.strip())


def debian_kernel(suite, flavour='amd64'):
    """(image, folder of modules) of a kernel as Debian has it."""
    return fetch('kernel', suite, flavour), fetch('modules', suite, flavour)


def fetch_package(suite, package):
    """The folder of a package alone."""
    return fetch('package', suite, package)


def fetch_programs(suite, *packages):
    """The folder of packages and of all that they depend on."""
    return fetch('programs', suite, *packages)


def program(suite, package, path):
    """The words that run a program with its own libraries."""
    folder = fetch_programs(suite, package)
    libraries = folder / 'usr/lib/x86_64-linux-gnu'
    return [str(libraries / 'ld-linux-x86-64.so.2'), '--library-path',
            str(libraries), str(folder / path)]
