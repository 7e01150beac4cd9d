# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that is stopped for good, whatever else becomes of its run state.

What the guest does, qtest does here, and gdb what goes wrong in QEMU.
"""
import shutil
import subprocess

import pytest

from linux_guest import BUILD, LIMIT
from qemu.machine.qtest import QEMUQtestMachine
from qemu.qmp import QMPError

GDB = shutil.which('gdb')
# The binary that has symbols, even where what is installed has none
QEMU = BUILD / 'qemu/build/qemu-system-x86_64'
REASON = 'this test wants it so'
# Ports of Intel's ICH9: PCI configuration, and the base that is chosen here
# for its power management
ADDRESS, DATA, PM_BASE = 0xcf8, 0xcfc, 0x600
LPC = 0x80000000 | 0x1f << 11
SLEEP_S3 = 1 << 13 | 1 << 10

pytestmark = pytest.mark.skipif(not GDB, reason='this machine has no gdb')


class Stopped(QEMUQtestMachine):
    """A machine that has RAM and no code to run."""

    def state(self):
        return self.cmd('query-status')['status']

    def suspend(self):
        self.qtest(f'outl {ADDRESS:#x} {LPC | 0x40:#x}')
        self.qtest(f'outl {DATA:#x} {PM_BASE | 1:#x}')
        self.qtest(f'outl {ADDRESS:#x} {LPC | 0x44:#x}')
        self.qtest(f'outb {DATA:#x} 0x80')
        self.qtest(f'outw {PM_BASE + 4:#x} {SLEEP_S3:#x}')
        assert self.event_wait('SUSPEND', timeout=LIMIT)

    def fail(self):
        done = subprocess.run(
            [GDB, '-batch', '-nx', '-p', str(self.get_pid()), '-ex',
             f'call (void)upm_memory_stop_guest("{REASON}")', '-ex', 'detach'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT, check=False)
        if 'ptrace: ' in done.stderr:
            pytest.skip(f'gdb may not attach: {done.stderr}')
        # no event comes from a QEMU that has ended
        self.state()

    def expect_stopped(self):
        assert self.state() == 'internal-error'
        with pytest.raises(QMPError, match='Resetting'):
            self.cmd('cont')
        assert self.state() == 'internal-error'

    def expect_cured(self):
        self.cmd('system_reset')
        assert self.event_wait('RESET', timeout=LIMIT)
        assert self.state() == 'prelaunch'
        self.cmd('cont')
        assert self.state() == 'running'


@pytest.fixture
def machine(folder):
    with Stopped(str(QEMU), base_temp_dir=str(folder)) as vm:
        vm.add_args('-machine', 'q35', '-nodefaults')
        vm.launch()
        yield vm
        assert vm.is_running()
        vm.shutdown()
    assert f'guest stopped: {REASON}' in vm.get_log()


def test_running(machine):
    """A guest that runs stops, and runs again after a reset."""
    machine.fail()
    assert machine.event_wait('STOP', timeout=LIMIT)
    machine.expect_stopped()
    machine.expect_cured()


def test_suspended(machine):
    """S3 comes first: QEMU stays, and no wake-up leads out of it."""
    machine.suspend()
    machine.fail()
    assert machine.event_wait('STOP', timeout=LIMIT)
    machine.expect_stopped()
    with pytest.raises(QMPError, match='not in suspended state'):
        machine.cmd('system_wakeup')
    machine.expect_cured()


def test_suspended_later(machine):
    """S3 comes from a vCPU that is about to be stopped."""
    machine.fail()
    assert machine.event_wait('STOP', timeout=LIMIT)
    machine.suspend()
    assert machine.event_wait('STOP', timeout=LIMIT)
    machine.expect_stopped()
    machine.expect_cured()
    machine.suspend()
    assert machine.state() == 'suspended'


def test_paused(machine):
    """The guest is paused meanwhile, and can not be continued."""
    machine.cmd('stop')
    machine.fail()
    machine.expect_stopped()
    machine.expect_cured()
