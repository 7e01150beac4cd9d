# SPDX-License-Identifier: GPL-2.0-or-later
"""XSAVE's compacted format under TCG.

Two guests, both built here from xsave/: a static program that is the init
process of Debian's kernel, and a bare-metal program for what only ring 0 can
do.  Each prints one line a check.  Run by pytest, or alone:

    python3 -m unittest -v tests/functional/test_xsave.py

QEMU names the emulator to test.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.append(os.path.dirname(os.path.realpath(__file__)))
# pylint: disable=wrong-import-position
import patience  # noqa: E402

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
SOURCES = os.path.join(TOP, 'tests', 'functional', 'xsave')
QEMU = os.environ.get('QEMU', os.path.join(
    os.environ.get('UPM_BUILD', os.path.join(TOP, 'build')),
    'qemu', 'build', 'qemu-system-x86_64'))
MODELS = ('EPYC-v4', 'EPYC-Milan', 'max')
SECONDS = 120

USER_SPACE = """
    cpuid-xsavec cpuid-xsaves cpuid-compact-size xsavec xsavec64 xrstor
    init-writes-nothing xrstor-initialises bad-xcomp-not-in-xcr0 user-xsaves
    user-xrstors xsavec-page-fault task-switch signal ptrace-get
    ptrace-resumed xss-read xss-write-cet kernel-compacted kernel-no-warning
""".split()
RING0 = """
    xsavec xsaves xsaves-initial xrstors xrstors-part xrstors-standard-format
    xsaves-gp xsaves-nm xsaves-ud xrstors-gp xrstors-nm xrstors-ud
    cpuid-follows-xcr0 xss-write-any-bit
""".split()


def call(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          encoding='utf-8').stdout.strip()


def fetch(*what):
    return call(os.path.join(TOP, 'scripts', 'fetch'), *what)


def record(number, name, mode, data):
    """One file of a cpio archive in the newc format."""
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
              len(name) + 1, 0]
    head = '070701' + ''.join(f'{field:08x}' for field in fields)
    head = head.encode() + name.encode() + b'\0'
    return (head + b'\0' * (-len(head) % 4) +
            data + b'\0' * (-len(data) % 4))


def initrd(path, files):
    with open(path, 'wb') as archive:
        for number, (name, source) in enumerate(files.items()):
            with open(source, 'rb') as data:
                archive.write(record(number, name, 0o100755, data.read()))
        archive.write(record(0, 'TRAILER!!!', 0, b''))


class Guests:
    """What all tests share: built and fetched once."""

    def __init__(self, folder):
        self.kernel = fetch('kernel', 'trixie')
        self.firmware = [
            os.path.join(fetch('package', 'trixie', 'seabios'),
                         'usr/share/seabios'),
            os.path.join(fetch('package', 'trixie', 'qemu-system-data'),
                         'usr/share/qemu'),
        ]
        program = os.path.join(folder, 'xsave-test')
        call('gcc', '-static', '-O1', '-Wall', '-Wextra', '-Werror',
             '-o', program, os.path.join(SOURCES, 'xsave-test.c'),
             os.path.join(SOURCES, 'ops.S'))
        self.initrd = os.path.join(folder, 'initrd')
        initrd(self.initrd, {'init': program, 'msr.ko.xz': self.module()})
        self.ring0 = os.path.join(folder, 'ring0')
        call('gcc', '-m32', '-O1', '-Wall', '-Wextra', '-Werror',
             '-ffreestanding', '-fno-pie', '-no-pie', '-mgeneral-regs-only',
             '-fno-stack-protector', '-nostdlib', '-static',
             '-Wl,--build-id=none,-Ttext=0x100000',
             '-Wl,-N,--no-warn-rwx-segments',
             '-o', self.ring0, os.path.join(SOURCES, 'ring0.S'),
             os.path.join(SOURCES, 'ring0.c'))

    def module(self):
        package = os.path.dirname(os.path.dirname(self.kernel))
        return glob.glob(os.path.join(package, '**', 'msr.ko.xz'),
                         recursive=True)[0]

    def run(self, cpu, *more):
        command = [QEMU, '-accel', 'tcg', '-cpu', cpu, '-machine', 'q35',
                   '-m', '256', '-nodefaults', '-display', 'none',
                   '-no-reboot']
        for folder in self.firmware:
            command += ['-L', folder]
        return patience.run(command + list(more), SECONDS,
                            stdin=subprocess.DEVNULL, encoding='utf-8',
                            errors='replace')

    def linux(self, cpu, *more):
        return self.run(cpu, '-kernel', self.kernel, '-initrd', self.initrd,
                        '-append', 'console=ttyS0 panic=-1 quiet',
                        '-serial', 'stdio', *more)

    def bare(self, cpu):
        return self.run(cpu, '-kernel', self.ring0, '-debugcon', 'stdio',
                        '-device', 'isa-debug-exit,iobase=0xf4,iosize=4')


class XsaveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.guests = Guests(cls.folder.name)

    def checks(self, done, wanted):
        """All checks that ran are good, and those that matter did run."""
        self.assertEqual(re.findall(r'^not ok .*', done.stdout, re.M), [],
                         done.stdout)
        names = re.findall(r'^ok (\S+)\r?$', done.stdout, re.M)
        self.assertEqual(set(wanted) - set(names), set(), done.stdout)
        self.assertRegex(done.stdout, rf'xsave: {len(names)} passed, 0 failed')

    def exposed(self, done):
        """The model has the instructions, and nothing was masked."""
        masked = re.findall(r".*CPUID\.0DH.*", done.stderr)
        self.assertEqual(masked, [])

    def test_user_space(self):
        for cpu in MODELS:
            with self.subTest(cpu=cpu):
                done = self.guests.linux(cpu)
                self.checks(done, USER_SPACE)
                self.exposed(done)

    def test_user_space_two_processors(self):
        self.checks(self.guests.linux('max', '-smp', '2'),
                    USER_SPACE + ['pkru-last', 'mpx-bounds'])

    def test_ring0(self):
        for cpu in MODELS:
            with self.subTest(cpu=cpu):
                done = self.guests.bare(cpu)
                self.checks(done, RING0)
                self.exposed(done)
                self.assertEqual(done.returncode, 1)

    def test_absent(self):
        """A model without the instructions has none of it."""
        done = self.guests.bare('EPYC-v4,xsavec=off,xsaves=off')
        self.checks(done, ['absent-xsavec', 'absent-xsaves',
                           'absent-xrstors', 'absent-compact-xrstor',
                           'absent-xss-read', 'absent-xss-write'])
        self.assertEqual(done.returncode, 1)

    def test_plain(self):
        """A model without XSAVE boots as ever."""
        done = self.guests.linux('qemu64')
        self.assertIn('no XSAVE', done.stdout)
        self.assertIn('Power down', done.stdout)


if __name__ == '__main__':
    unittest.main()
