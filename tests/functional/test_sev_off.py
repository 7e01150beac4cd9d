# SPDX-License-Identifier: GPL-2.0-or-later
"""SEV and SEV-ES guests whose memory is encrypted in place, emulated."""
import pytest

from linux_guest import FIRMWARE, linux, plain
from test_sev_boot import (ES, MIB, SEV, check_kernel, check_reboots,
                           power_off)


def off(policy, vcpus=1, mode='off'):
    """Arguments of a guest without private memory."""
    words = plain(vcpus=vcpus)
    words[words.index('-machine') + 1] += ',confidential-guest-support=sev0'
    return [*words, '-object', f'sev-guest,id=sev0,policy={policy},cbitpos=51,'
            f'reduced-phys-bits=1,upm-mode={mode}']


def in_flash(words, image):
    """The same with its firmware in a flash device."""
    at = words.index('-bios')
    return [*words[:at], '-drive', f'if=pflash,format=raw,file={image}',
            *words[at + 2:]]


def without_backend(words):
    """The same with the machine's own memory, which has no file."""
    at = words.index('-object')
    return [word.replace(',memory-backend=ram0', '')
            for word in words[:at] + words[at + 2:]]


def check_recorded(guest, resets=0):
    """What Linux has told is written down, and nothing was discarded."""
    info = guest.cmd('query-upm')
    assert info['page-states'] == 'recorded'
    assert info['shared-bytes'] >= 64 * MIB
    assert info['discarded-shared'] == info['discarded-private'] == 0
    causes = {entry['cause']: entry for entry in info['conversions']}
    assert set(causes) == {'hypercall', *['reset'][:resets]}
    assert causes['hypercall']['to-shared-bytes'] >= 64 * MIB
    if resets:
        assert causes['reset']['to-private-bytes'] >= 64 * MIB


@pytest.mark.parametrize('vcpus', [1, 4])
@pytest.mark.parametrize('policy', [SEV, ES])
def test_linux(start, folder, policy, vcpus):
    """Firmware and Linux to userspace and power-off."""
    guest = start(*off(policy, vcpus), *linux(folder), '-no-shutdown')
    power_off(guest)
    check_kernel(guest.serial, policy, vcpus)
    check_recorded(guest)


@pytest.mark.parametrize('policy', [SEV, ES])
def test_flash(start, folder, policy):
    """Firmware runs from a flash device, and keeps its variables there."""
    flash = folder / 'flash'
    flash.write_bytes((FIRMWARE / 'OVMF.fd').read_bytes())
    guest = start(*in_flash(off(policy), flash), *linux(folder),
                  '-no-shutdown')
    power_off(guest)
    check_kernel(guest.serial, policy)
    check_recorded(guest)
    before, after = (FIRMWARE / 'OVMF.fd').read_bytes(), flash.read_bytes()
    variables = 528 << 10
    assert after[:variables] != before[:variables]
    assert after[variables:] == before[variables:]


def test_anonymous_memory(start, folder):
    """Without a memory backend, and without the option."""
    guest = start(*without_backend(off(ES, mode='auto')), *linux(folder),
                  '-no-shutdown')
    power_off(guest)
    check_kernel(guest.serial, ES)
    check_recorded(guest)


def test_reset(start, folder):
    """A guest with SEV alone starts again, and all of it is private then."""
    guest = start(*off(SEV), *linux(folder), '-no-shutdown',
                  '-action', 'reboot=reset')
    power_off(guest)
    check_recorded(guest)
    guest.cmd('system_reset')
    guest.wait_event('RESET')
    assert guest.cmd('query-upm')['shared-bytes'] == 0
    guest.cmd('cont')
    guest.wait_for(r'(?s)userspace: end.*userspace: end')
    check_kernel(guest.serial, SEV)
    check_recorded(guest, resets=1)


def test_es_reboots(start, folder):
    """A guest with SEV-ES is launched again, and encrypted with another key."""
    check_reboots(start, folder, off(ES))
