# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are reset are launched again, and find nothing of before.

Payloads reboot, with SEV-SNP, and reboot_es, with SEV-ES, reset themselves, and
each life looks for what the last one has left; payload reset_busy is reset
while both of its vCPUs convert memory.
"""
import base64
import contextlib
import pathlib
import re
import sys
import time

import pytest

import patience
import payload as guest
from host_side import MIB, PAGE
from test_guest import SINGLE, images  # noqa: F401  pylint: disable=unused-import

sys.path.insert(0, str(guest.BUILD / 'qemu/python'))
# pylint: disable=wrong-import-position
from qemu.machine import QEMUMachine  # noqa: E402

# Payload reboot_es: private memory, memory encrypted in place
ES_VARIANTS = {
    'private': {'kind': 'es', 'mode': 'on'},
    'in-place': {'kind': 'es', 'mode': 'off'},
    'single': {'kind': 'es', 'mode': 'on', **SINGLE},
}
VARIANTS = {
    'both': {'policy': 'both'},
    'none': {'policy': 'none'},
    'large': {'large': True},
    'single': SINGLE,
}
RESETS = 20


@contextlib.contextmanager
def started(payload, folder, extra=(), waits=False, **options):
    """A guest of two vCPUs, which runs or waits, and what it prints to."""
    serial = folder / 'serial'
    machine = QEMUMachine(guest.qemu_binary(), base_temp_dir=str(folder),
                          log_dir=str(folder))
    machine.add_args(*guest.arguments(payload, smp=2, reboot=True, **options),
                     '-S', '-serial', f'file:{serial}', *extra)
    with machine:
        machine.launch()
        if not waits:
            machine.cmd('cont')
        yield machine, serial


def digest(machine):
    return machine.cmd('qom-get', path='sev0', property='launch-digest')


def encrypted_digest(machine):
    """Of an SEV-ES guest: what QEMU has computed, and what the firmware has."""
    report = base64.b64decode(machine.cmd(
        'query-sev-attestation-report',
        mnonce=base64.b64encode(bytes(16)).decode())['data'])
    return machine.cmd('query-sev')['launch']['digest'], report[16:48].hex()


def next_life(machine):
    assert patience.event(machine, 'RESET', guest.LIMIT)


def wait_for_lines(machine, serial, line, count):
    """Wait until the guest has printed a line so often."""
    limit = patience.Patience(guest.LIMIT, machine.get_pid())
    while serial.read_text().count(line) < count:
        assert machine.is_running(), machine.get_log()
        assert not limit.over(), serial.read_text()
        time.sleep(0.01)


@pytest.mark.parametrize('variant', VARIANTS)
def test_reboot(variant, tmp_path):
    """Four lives: each is launched with the same digest, and finds nothing."""
    with started('reboot', tmp_path, **VARIANTS[variant]) as (machine, serial):
        digests = [digest(machine)]
        for _ in range(3):
            next_life(machine)
            digests.append(digest(machine))
        machine.wait(timeout=guest.LIMIT)
        status = machine.exitcode()
        log = machine.get_log()
    lines = serial.read_text().splitlines()
    assert not [line for line in lines if line.startswith('not ok')], lines
    for name in guest.check_names('reboot'):
        assert f'ok {name}' in lines
    assert status == guest.EXIT_GOOD and '# finished' in lines
    assert re.fullmatch('[0-9a-f]{96}', digests[0])
    assert digests == [digests[0]] * 4
    # Once a second at most
    assert 1 <= log.count('the guest was launched again, launch digest '
                          f'{digests[0]}') <= 3


@pytest.mark.parametrize('variant', ES_VARIANTS)
def test_reboot_es(variant, tmp_path):
    """The same with SEV-ES."""
    with started('reboot_es', tmp_path, waits=True,
                 **ES_VARIANTS[variant]) as (machine, serial):
        # Later it may have come to its end before it is asked.
        ours, firmware = encrypted_digest(machine)
        machine.cmd('cont')
        machine.wait(timeout=guest.LIMIT)
        status = machine.exitcode()
        log = machine.get_log()
    lines = serial.read_text().splitlines()
    assert not [line for line in lines if line.startswith('not ok')], lines
    for name in guest.check_names('reboot_es', 'es'):
        assert f'ok {name}' in lines
    assert status == guest.EXIT_GOOD and '# finished' in lines
    assert ours == firmware and re.fullmatch('[0-9a-f]{64}', ours)
    assert ('SEV-ES: the guest was launched again, launch digest '
            f'{ours}') in log


def test_no_reboot(tmp_path):
    """-no-reboot ends such a guest, as it ends others."""
    with started('reboot', tmp_path, extra=['-no-reboot']) as (machine, serial):
        machine.wait(timeout=guest.LIMIT)
        assert machine.exitcode() == 0
        assert 'launched again' not in machine.get_log()
    assert 'ok converts' in serial.read_text()
    assert 'ok port-cf9' not in serial.read_text()


def anonymous(machine):
    """Bytes of QEMU's own memory, and its open files."""
    process = pathlib.Path(f'/proc/{machine.get_pid()}')
    size = re.search(r'RssAnon:\s+(\d+) kB', (process / 'status').read_text())
    return int(size[1]) * 1024, len(list((process / 'fd').iterdir()))


def resident(machine):
    info = machine.cmd('query-upm')
    return sum(block[f'{half}-resident'] for block in info['blocks']
               for half in ('private', 'shared'))


def rise(memory):
    """How much more there is in the last lives than in the first ones.

    What is freed later comes and goes, up to a MiB; the least of some lives is
    steady.  Translated code may make one step of a huge page.
    """
    steps = [after - before for before, after in zip(memory, memory[1:])]
    at = steps.index(max(steps)) + 1
    level = [*memory[:at], *(size - steps[at - 1] for size in memory[at:])]
    return min(level[-6:]) - min(level[:6])


def test_rise():
    """Noise and one step are no growth; 100 KiB a life are."""
    noise = [0, 700, 300, 500, 100, 800]
    memory = [1024 * (18000 + noise[i % 6] + 2300 * (i > 15))
              for i in range(18)]
    assert rise(memory) == 0
    assert rise([size + 100 * 1024 * i for i, size in enumerate(memory)]) > MIB


@pytest.mark.parametrize('variant', ['both', 'none', 'single'])
def test_reset_while_converting(variant, tmp_path):
    """Reset in the midst of conversions, again and again: nothing grows."""
    with started('reset_busy', tmp_path,
                 **VARIANTS[variant]) as (machine, serial):
        seen = []
        for life in range(1, RESETS + 1):
            wait_for_lines(machine, serial, '# both convert', life)
            seen.append((*anonymous(machine), resident(machine)))
            machine.cmd('system_reset')
            next_life(machine)
            expected = expected if life > 1 else digest(machine)
            assert digest(machine) == expected
        wait_for_lines(machine, serial, '# both convert', RESETS + 1)
        assert machine.cmd('query-status')['status'] == 'running'
        conversions = {entry['cause']: entry for entry in
                       machine.cmd('query-upm')['conversions']}
        machine.shutdown()
    assert conversions['reset']['to-private-bytes'] > RESETS * PAGE
    memory, files, backing = zip(*seen)
    assert rise(memory[2:]) < MIB, memory
    assert len(set(files[2:])) == 1, files
    assert max(backing) < (40 if variant == 'none' else 24) * MIB, backing


def test_reset_paused(tmp_path):
    """A guest that is paused is launched again, and waits for "cont"."""
    with started('reset_busy', tmp_path) as (machine, serial):
        wait_for_lines(machine, serial, '# both convert', 1)
        before = digest(machine)
        machine.cmd('stop')
        machine.cmd('system_reset')
        next_life(machine)
        assert machine.cmd('query-status')['status'] == 'prelaunch'
        assert digest(machine) == before
        machine.cmd('cont')
        wait_for_lines(machine, serial, '# both convert', 2)
        machine.shutdown()


def test_reset_before_launch(tmp_path):
    """Where nothing was launched yet, the first launch is still to come."""
    machine = QEMUMachine(guest.qemu_binary(), base_temp_dir=str(tmp_path),
                          log_dir=str(tmp_path))
    serial = tmp_path / 'serial'
    machine.add_args(*guest.arguments('reset_busy', smp=2, reboot=True), '-S',
                     '-serial', f'file:{serial}')
    with machine:
        machine.launch()
        machine.cmd('system_reset')
        next_life(machine)
        assert machine.cmd('query-status')['status'] == 'prelaunch'
        machine.cmd('cont')
        wait_for_lines(machine, serial, '# both convert', 1)
        assert 'launched again' not in (machine.get_log() or '')
        machine.shutdown()


def test_panicked(tmp_path):
    """A guest that is over begins anew."""
    with started('terminate_msr', tmp_path,
                 extra=['-action', 'panic=pause']) as (machine, serial):
        for life in (1, 2):
            assert patience.event(machine, 'GUEST_PANICKED', guest.LIMIT)
            machine.cmd('system_reset')
            next_life(machine)
            machine.cmd('cont')
        assert patience.event(machine, 'GUEST_PANICKED', guest.LIMIT)
        assert life == 2
        machine.shutdown()
    name, = guest.check_names('terminate_msr')
    assert serial.read_text().count(f'ok {name}') == 3
