# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that is stopped for good, or over, whatever its run state was.

What the guest does, qtest does here, and gdb what goes wrong in QEMU.
"""
import shutil
import subprocess

import pytest

from linux_guest import BUILD, LIMIT
from patience import event
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
        assert event(self, 'SUSPEND', LIMIT)

    def call(self, *calls):
        """Call functions of QEMU, with nothing in between."""
        args = [arg for call in calls
                for arg in ('-ex', f'call (void){call}')]
        done = subprocess.run(
            [GDB, '-batch', '-nx', '-p', str(self.get_pid()), *args, '-ex',
             'detach'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT, check=False)
        if 'ptrace: ' in done.stderr:
            pytest.skip(f'gdb may not attach: {done.stderr}')

    def fail(self):
        self.call(f'upm_memory_stop_guest("{REASON}")')
        # no event comes from a QEMU that has ended
        self.state()

    def panic(self, action='pause', with_calls=()):
        """The guest is over; the action is what the user is told of."""
        self.call('upm_memory_guest_panicked()', *with_calls)
        self.state()
        told = event(self, 'GUEST_PANICKED', LIMIT)
        assert told and told['data'] == {'action': action}

    def expect_stopped(self):
        assert self.state() == 'internal-error'
        with pytest.raises(QMPError, match='Resetting'):
            self.cmd('cont')
        assert self.state() == 'internal-error'

    def expect_panicked(self):
        assert self.state() == 'guest-panicked'
        assert not self.event_wait('GUEST_PANICKED', timeout=0)

    def expect_not_woken(self):
        assert event(self, 'STOP', LIMIT)
        with pytest.raises(QMPError, match='not in suspended state'):
            self.cmd('system_wakeup')

    def expect_cured(self):
        self.cmd('system_reset')
        assert event(self, 'RESET', LIMIT)
        assert self.state() == 'prelaunch'
        self.cmd('cont')
        assert self.state() == 'running'


def launched(folder, *args):
    vm = Stopped(str(QEMU), base_temp_dir=str(folder))
    vm.add_args('-machine', 'q35', '-nodefaults', *args)
    with vm:
        vm.launch()
        yield vm
        assert vm.is_running()
        vm.shutdown()


@pytest.fixture
def machine(folder):
    for vm in launched(folder):
        yield vm
    assert f'guest stopped: {REASON}' in vm.get_log()


@pytest.fixture
def paused(folder):
    """A machine that is paused by a panic, and waits for "cont" at first."""
    yield from launched(folder, '-action', 'panic=pause', '-S')


@pytest.fixture
def panicking(paused):
    """The same, running."""
    paused.cmd('cont')
    return paused


def test_running(machine):
    """A guest that runs stops, and runs again after a reset."""
    machine.fail()
    assert event(machine, 'STOP', LIMIT)
    machine.expect_stopped()
    machine.expect_cured()


def test_suspended(machine):
    """S3 comes first: QEMU stays, and no wake-up leads out of it."""
    machine.suspend()
    machine.fail()
    machine.expect_not_woken()
    machine.expect_stopped()
    machine.expect_cured()


def test_suspended_later(machine):
    """S3 comes from a vCPU that is about to be stopped."""
    machine.fail()
    assert event(machine, 'STOP', LIMIT)
    machine.suspend()
    assert event(machine, 'STOP', LIMIT)
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


def test_panic(panicking):
    """A guest that is over stops, and "cont" has it run."""
    panicking.panic()
    panicking.expect_panicked()
    panicking.cmd('cont')
    assert panicking.state() == 'running'
    panicking.panic()
    panicking.expect_panicked()
    panicking.expect_cured()


def test_panic_suspended(panicking):
    """S3 comes first: QEMU stays, and no wake-up leads out of it."""
    panicking.suspend()
    panicking.panic()
    panicking.expect_not_woken()
    panicking.expect_panicked()
    panicking.expect_cured()


def test_panic_suspended_paused(panicking):
    """The same while it is paused, and "cont" does not lead back to S3."""
    panicking.suspend()
    panicking.cmd('stop')
    assert panicking.state() == 'paused'
    panicking.panic()
    panicking.expect_panicked()
    panicking.cmd('cont')
    assert panicking.state() == 'running'


def test_panic_suspended_later(panicking):
    """S3 comes from a vCPU that is about to be stopped."""
    panicking.panic()
    panicking.suspend()
    assert event(panicking, 'GUEST_PANICKED', LIMIT)
    panicking.expect_panicked()
    panicking.expect_cured()
    panicking.suspend()
    assert panicking.state() == 'suspended'


def test_panic_woken(panicking):
    """A wake-up comes before the main loop has looked."""
    panicking.suspend()
    panicking.panic(with_calls=['qemu_system_wakeup_request(1, 0)'])
    panicking.expect_panicked()
    panicking.expect_cured()


def test_panic_paused(panicking):
    """The guest is paused meanwhile, and that is not all."""
    panicking.cmd('stop')
    panicking.panic()
    panicking.expect_panicked()
    panicking.expect_cured()


def test_panic_not_started(paused):
    """The same before "cont" has it run for the first time."""
    assert paused.state() == 'prelaunch'
    paused.panic()
    paused.expect_panicked()
    paused.expect_cured()


def test_panic_reset(panicking):
    """A reset is asked for at the same time, and loses nothing."""
    panicking.panic(with_calls=['qemu_system_reset_request(3)'])
    assert event(panicking, 'RESET', LIMIT)
    assert panicking.state() in ('guest-panicked', 'prelaunch')
    panicking.expect_cured()


@pytest.mark.parametrize('state', ['running', 'suspended', 'paused'])
def test_panic_none(folder, state):
    """The user wants to be told only, and nothing becomes of the guest."""
    for vm in launched(folder, '-action', 'panic=none'):
        if state == 'suspended':
            vm.suspend()
        if state == 'paused':
            vm.cmd('stop')
        vm.panic(action='run')
        assert vm.state() == state


@pytest.mark.parametrize('action, status', [
    ('shutdown', 0), ('exit-failure', 1)])
@pytest.mark.parametrize('suspended', [True, False],
                         ids=['suspended', 'running'])
def test_panic_ends(folder, action, status, suspended):
    """QEMU ends as the user wants it."""
    vm = Stopped(str(QEMU), base_temp_dir=str(folder))
    vm.add_args('-machine', 'q35', '-nodefaults', '-action',
                f'panic={action}')
    with vm:
        vm.launch()
        if suspended:
            vm.suspend()
        vm.call('upm_memory_guest_panicked()')
        told = event(vm, 'GUEST_PANICKED', LIMIT)
        assert told and told['data'] == {'action': 'poweroff'}
        vm.wait(timeout=LIMIT)
        assert vm.exitcode() == status
