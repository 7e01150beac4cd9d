# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes long, or never ends, keeps nobody but who has asked for it.

Payload ap_flood asks for vCPUs for ever; payload new_chip wants a report of a
chip whose keys are still to be made, payload no_chip of one for which they
cannot be.
"""
import contextlib
import sys
import time

import pytest

import payload as guest
from host_side import MIB
from patience import Patience
from test_guest import images  # noqa: F401  pylint: disable=unused-import
from test_reboot import anonymous, wait_for_lines

sys.path.insert(0, str(guest.BUILD / 'qemu/python'))
# pylint: disable=wrong-import-position
from qemu.machine import QEMUMachine  # noqa: E402

# Seconds that "stop" may take, without those in which others have the CPUs;
# making keys takes longer.
PROMPT = 3


@contextlib.contextmanager
def started(payload, folder, cert_dir=None, **options):
    """A guest, and the file that it prints to."""
    serial = folder / 'serial'
    machine = QEMUMachine(guest.qemu_binary(), base_temp_dir=str(folder),
                          log_dir=str(folder))
    arguments = guest.arguments(payload, **options)
    if cert_dir:
        old = f'cert-dir={guest.BUILD}/logs/chip'
        arguments = [argument.replace(old, f'cert-dir={cert_dir}')
                     for argument in arguments]
    machine.add_args(*arguments, '-S', '-serial', f'file:{serial}')
    with machine:
        machine.launch()
        machine.cmd('cont')
        yield machine, serial


def seconds(machine, command):
    """How long QEMU takes for a command, but for waiting for a CPU."""
    patience = Patience(PROMPT, machine.get_pid())
    machine.cmd(command)
    patience.look()
    return patience.used


def test_ap_flood(tmp_path):
    """However often vCPUs are asked for, one request is on its way."""
    with started('ap_flood', tmp_path, smp=4) as (machine, serial):
        wait_for_lines(machine, serial, 'ok all-run', 1)
        time.sleep(1)
        before, _ = anonymous(machine)
        time.sleep(4)
        after, _ = anonymous(machine)
        assert seconds(machine, 'stop') < PROMPT
        machine.cmd('cont')
        patience = Patience(PROMPT, machine.get_pid(), look=0.2)
        machine.qmp('quit')
        while machine.is_running():
            assert not patience.over()
            time.sleep(0.1)
    assert after - before < MIB // 8, (before, after)


@pytest.mark.parametrize('accel', ['tcg', 'tcg,thread=single'])
def test_new_chip(accel, tmp_path):
    """Who wants its signature waits; other vCPUs, and "stop", do not."""
    chip = tmp_path / 'chip'
    with started('new_chip', tmp_path, cert_dir=chip, smp=2,
                 accel=accel) as (machine, serial):
        wait_for_lines(machine, serial, '# asks', 1)
        time.sleep(0.2)
        assert not (chip / 'vcek.key').exists()
        assert seconds(machine, 'stop') < PROMPT
        machine.cmd('cont')
        wait_for_lines(machine, serial, '# answered', 1)
        assert (chip / 'vcek.key').exists()
        machine.wait(timeout=guest.LIMIT)
    lines = serial.read_text().splitlines()
    assert not [line for line in lines if line.startswith('not ok')], lines
    for name in guest.check_names('new_chip'):
        assert f'ok {name}' in lines


def test_quit_while_it_is_made(tmp_path):
    """QEMU ends in the midst of it, without a chip or with a whole one."""
    chip = tmp_path / 'chip'
    with started('new_chip', tmp_path, cert_dir=chip, smp=2) as (machine,
                                                                 serial):
        wait_for_lines(machine, serial, '# asks', 1)
        time.sleep(0.2)
        machine.qmp('quit')
        machine.wait(timeout=guest.LIMIT)
        assert machine.exitcode() == 0
    files = {path.name for path in chip.iterdir()} - {'.lock'}
    assert not files or 'vcek.key' in files


def test_no_chip(tmp_path):
    """Keys that cannot be made are an error, which keeps nobody waiting."""
    file = tmp_path / 'file'
    file.touch()
    with started('no_chip', tmp_path, cert_dir=file / 'chip',
                 reboot=True) as (machine, serial):
        wait_for_lines(machine, serial, '# refused', 2)
        assert seconds(machine, 'system_reset') < PROMPT
        wait_for_lines(machine, serial, '# begins', 2)
        refused = serial.read_text().count('# refused')
        wait_for_lines(machine, serial, '# refused', refused + 2)
        assert seconds(machine, 'stop') < PROMPT
    assert '# answered' not in serial.read_text()
    assert 'can not make the folder: Not a directory' in machine.get_log()
