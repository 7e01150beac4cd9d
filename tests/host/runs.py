# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated host, for tests that share one."""
import pytest

from l1 import Host, MachineError, debian_kernel
from linux_guest import LIMIT


class Runs:
    """One L1, booted once; a new one where the last has ended.

    What its kernel says stays in build/logs/host.
    """

    def __init__(self, name, suite=None, **options):
        self.suite = suite
        self.options = dict(options, folder=name)
        self.host = None
        self.broken = None

    def get(self):
        """The machine, started where there is none.

        What does not boot is not tried again for each test.
        """
        if self.broken is None and (self.host is None or not self.host.alive):
            try:
                kernel = self.suite and debian_kernel(self.suite)
                self.host = Host(kernel, **self.options)
            except MachineError as error:
                self.broken = str(error)
        if self.broken is not None:
            pytest.fail(self.broken, pytrace=False)
        return self.host

    def run(self, command, limit=LIMIT):
        """Exit status and output of a command."""
        host = self.get()
        try:
            return host.run(command, limit)
        except MachineError as error:
            wrong = str(error)
        return pytest.fail(f'{wrong}\n--- L1:\n{host.console()[-2000:]}',
                           pytrace=False)

    def check(self, command, limit=LIMIT):
        """The output of a command that has to succeed."""
        status, output = self.run(command, limit)
        assert status == 0, output[-3000:]
        return output

    def console(self):
        """What L1's kernel has said."""
        return self.get().console()

    def close(self):
        """End the machine that there is."""
        if self.host:
            self.host.close()
