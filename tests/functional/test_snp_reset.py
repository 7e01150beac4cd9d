# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock guests are reset, launched again, and boot as they did at first."""
import re
import time

import pytest

from linux_guest import FIRMWARE, LIMIT, launch_digest, linux, snp
from patience import Patience

REBOOTS = ['-action', 'reboot=reset']
REBOOT = 'reboot -f\nsleep 1000\n'
STAY = 'echo here to stay\nsleep 1000\n'

needs_amdsev = pytest.mark.skipif(
    not (FIRMWARE / 'OVMF.amdsev.fd').exists(),
    reason='OVMF.amdsev.fd was not to be had')


def wait_for_count(guest, text, count):
    """Wait until the guest has said something so often."""
    patience = Patience(LIMIT, guest.get_pid())
    while guest.serial.count(text) < count:
        assert guest.is_running(), guest.last_words()
        assert not patience.over(), guest.last_words()
        time.sleep(0.05)


def next_life(guest):
    guest.wait_event('RESET')


def reset(guest):
    """Reset it from outside; the digest is the one that it had."""
    before = launch_digest(guest)
    guest.cmd('system_reset')
    next_life(guest)
    assert launch_digest(guest) == before


@pytest.mark.parametrize('options', [
    {'vcpus': 2},
    {'vcpus': 1, 'guest': ',emulated-large-pages=on'},
    pytest.param({'vcpus': 1, 'firmware': 'OVMF.amdsev.fd',
                  'guest': ',kernel-hashes=on'}, marks=needs_amdsev)],
    ids=['plain', 'large', 'hashes'])
def test_linux_reboots(start, folder, options):
    """Linux reboots, twice."""
    guest = start(*snp(memory='512M', **options), *linux(folder, REBOOT),
                  *REBOOTS)
    guest.wait_for('userspace: ')
    digest = launch_digest(guest)
    for life in (2, 3):
        next_life(guest)
        assert launch_digest(guest) == digest
        wait_for_count(guest, f'userspace: {options["vcpus"]} CPUs', life)
        assert guest.serial.count('SEV: SNP running at VMPL0.') == life
    assert f'launched again, launch digest {digest}' in guest.messages()
    guest.shutdown()


def test_no_reboot(start, folder):
    """With -no-reboot that is the end."""
    guest = start(*snp(memory='512M'), *linux(folder, REBOOT))
    guest.wait(timeout=LIMIT)
    assert guest.exitcode() == 0
    assert guest.serial.count('userspace: ') == 1
    assert 'launched again' not in guest.messages()


def test_firmware_is_reset(start):
    """From outside, while the firmware runs."""
    guest = start(*snp(memory='512M'), *REBOOTS)
    for life in (1, 2, 3):
        wait_for_count(guest, 'BdsDxe: starting', life)
        reset(guest)
    guest.shutdown()


def test_linux_is_reset(start, folder):
    """From outside, while Linux runs, and while it boots."""
    guest = start(*snp(memory='512M', vcpus=2), *linux(folder, STAY), *REBOOTS)
    wait_for_count(guest, 'here to stay', 1)
    reset(guest)
    wait_for_count(guest, 'SEV: SNP running at VMPL0.', 2)
    reset(guest)
    wait_for_count(guest, 'here to stay', 2)
    assert guest.cmd('query-sev')['sev-type'] == 'sev-snp'
    guest.shutdown()


def test_another_vcpu(start, folder):
    """It cannot be the same guest with one vCPU more, and says so."""
    args = snp(memory='512M')
    args[args.index('-smp') + 1] = '1,maxcpus=2'
    guest = start(*args, *linux(folder, STAY), *REBOOTS)
    guest.wait_for('here to stay')
    guest.cmd('device_add', driver='EPYC-v4-x86_64-cpu', id='more',
              **{'socket-id': 0, 'die-id': 0, 'module-id': 0, 'core-id': 1,
                 'thread-id': 0})
    for _ in range(2):
        guest.cmd('system_reset')
        next_life(guest)
        patience = Patience(LIMIT, guest.get_pid())
        while guest.cmd('query-status')['status'] != 'internal-error':
            assert not patience.over()
            time.sleep(0.05)
    assert ('guest stopped: the guest could not be launched again: it was '
            'launched with 1 vCPUs, and has 2 now') in guest.messages()
    guest.shutdown()


def test_sleep(start, folder):
    """Linux tries S3, finds itself woken up, and goes on."""
    script = "grep -q mem /sys/power/state && echo S3 is offered\n" \
             "echo mem >/sys/power/state; echo slept: $?"
    guest = start(*snp(memory='512M'), *linux(folder, script))
    serial = guest.finish()
    assert 'S3 is offered' in serial
    assert re.search(r'^slept: \d', serial, re.M)
    assert 'the guest is not suspended to RAM (S3)' in guest.messages()
