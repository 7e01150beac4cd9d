# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels and firmware of Debian's suites run as SNP guests, small and large.

The usual guest, of all other tests, is Debian 13's cloud kernel with its OVMF,
1 GiB and one or two vCPUs.
"""
import re
import time

import pytest

from debian import debian_kernel, fetch_package
from linux_guest import LIMIT, linux, snp
from test_snp_boot import OLD_KERNEL_LINES, check_kernel

at_length = pytest.mark.at_length
MEMORY = "sed -n 's/^MemTotal: *//p' /proc/meminfo | sed 's/^/memory /'"
RELEASE = 'echo release $(uname -r)'


def at_length_kernel(suite, flavour):
    """A kernel that is left to "make check-full"."""
    return pytest.param(suite, flavour, marks=at_length)


# 6.1, 6.12, 7.x; the one for every check is that of the host's tests.
@pytest.mark.parametrize('suite, flavour', [
    at_length_kernel('bookworm', 'cloud-amd64'),
    at_length_kernel('bookworm', 'amd64'),
    ('trixie', 'amd64'),
    at_length_kernel('trixie-backports', 'cloud-amd64'),
    at_length_kernel('trixie-backports', 'amd64'),
    at_length_kernel('sid', 'cloud-amd64')])
def test_kernel(start, folder, suite, flavour):
    """Each of Debian's kernels gets to userspace on two vCPUs, and ends."""
    kernel = debian_kernel(suite, flavour)
    guest = start(*snp(vcpus=2), *linux(folder, RELEASE, kernel=kernel))
    serial = guest.finish()
    check_kernel(serial, 2,
                 OLD_KERNEL_LINES if suite == 'bookworm' else None)
    assert f'release {kernel[1].name}' in serial


def ovmf(suite, package):
    """The firmware in a package."""
    return fetch_package(suite, package) / 'usr/share/ovmf/OVMF.fd'


@at_length
def test_new_firmware(start, folder):
    """OVMF of Debian's newest suite boots Linux."""
    guest = start(*snp(vcpus=2, firmware=str(ovmf('sid', 'ovmf-generic'))),
                  *linux(folder))
    check_kernel(guest.finish(), 2)


@pytest.mark.parametrize('memory, vcpus', [
    ('512M', 1),
    pytest.param('1G', 16, marks=at_length),
    pytest.param('64G', 1, marks=at_length),
    pytest.param('64G', 16, marks=at_length)])
def test_size(start, folder, memory, vcpus):
    """Small and large guests come to userspace with all that they have."""
    began = time.monotonic()
    guest = start(*snp(memory=memory, vcpus=vcpus), *linux(folder, MEMORY))
    serial = guest.finish()
    print(f'{memory}, {vcpus} vCPUs: {time.monotonic() - began:.1f} s')
    check_kernel(serial, vcpus)
    found = int(re.search(r'^memory (\d+) kB', serial, re.M)[1]) << 10
    asked = int(memory[:-1]) << {'M': 20, 'G': 30}[memory[-1]]
    assert asked * 0.7 < found < asked


@at_length
def test_large_pages(start, folder):
    """With pages of 2 MiB, which a host with hugetlb may have one day."""
    guest = start(*snp(vcpus=2, guest=',emulated-large-pages=on'),
                  *linux(folder))
    check_kernel(guest.finish(), 2)


@at_length
@pytest.mark.parametrize('large', ['off', 'on'])
def test_old_firmware(start, large):
    """OVMF 2022.11 reaches for its APIC as if that were private memory, where
    KVM makes no exception for it.
    """
    guest = start(*snp(firmware=str(ovmf('bookworm', 'ovmf')),
                       guest=f',emulated-large-pages={large}'))
    stop = guest.wait_event('STOP')
    assert guest.cmd('query-status')['status'] == 'internal-error'
    assert 'guest stopped: vCPU 0: private use of 0xfee000f0, where no ' \
        'private memory is' in guest.messages()


@at_length
@pytest.mark.parametrize('suite', ['trixie', 'trixie-backports'])
def test_hot_plug(start, folder, suite):
    """Linux does not validate memory that is plugged in, and ends itself when
    it comes to use it.
    """
    script = '''
echo here to stay
while sleep 1; do cat /proc/meminfo >/dev/null; done
'''
    args = snp()
    args[args.index('-m') + 1] = '1G,slots=2,maxmem=4G'
    kernel = debian_kernel(suite, 'cloud-amd64')
    guest = start(*args, *linux(folder, script, kernel=kernel))
    guest.wait_for('^here to stay')
    guest.cmd('object-add', id='d1', size=256 << 20,
              **{'qom-type': 'memory-backend-memfd-private'})
    guest.cmd('device_add', driver='pc-dimm', id='dimm1', memdev='d1')
    guest.wait(timeout=LIMIT)
    assert 'general termination request (set 0x0 code 0x0)' in \
        guest.messages(), guest.last_words()
