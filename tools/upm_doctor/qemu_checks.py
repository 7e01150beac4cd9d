# SPDX-License-Identifier: GPL-2.0-or-later
"""What any guest with private memory needs: QEMU, firmware, and memory."""
import pathlib
import re
import uuid

from .check import ALL, EMULATION, FAIL, KVM, PASS, SKIP, SNP, Check, Result
from .host import HostError

GIB = 1 << 30
# OVMF's table of GUIDs ends 32 bytes below the end of the image; an entry is
# data, a length of 16 bits, and a GUID.  The SEV metadata's entry is wanted.
FOOTER_AT = 48
FOOTER = uuid.UUID('96b582de-1fb2-45f7-baea-a366c55a082d').bytes_le
METADATA = uuid.UUID('dc886566-984a-4798-a75e-5585a7bf67cc').bytes_le
LIMIT = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'
# One page is one entry where memory is converted page by page.
ENTRY = 4096


def binary(host, _options):
    """Ask QEMU whether it is ours."""
    hint = 'name the right one: --qemu PATH'
    try:
        version = host.qemu('--version').partition('\n')[0]
        objects = host.qemu('-object', 'help')
    except HostError as error:
        return Result(FAIL, str(error), hint)
    if 'memory-backend-memfd-private' not in objects:
        return Result(FAIL, f'{host.qemu_path} ({version}) has no '
                      f'memory-backend-memfd-private', hint)
    return Result(PASS, version)


def accelerator(name):
    """Ask QEMU whether it was built with an accelerator."""
    def ask(host, _options):
        if name in host.qemu('-accel', 'help').split():
            return Result(PASS, f'-accel {name}')
        return Result(FAIL, f'{host.qemu_path} has no accelerator {name}',
                      'another build of QEMU')
    return ask


def find_firmware(host, options):
    """Return the path that QEMU would take, None if there is none."""
    folders = [''] + re.findall(r'^\s*(/.*)$', host.qemu('-L', 'help'), re.M)
    for folder in folders:
        path = pathlib.Path(folder) / options.firmware
        if path.is_file():
            return path
    return None


def firmware(host, options):
    """Look for SEV metadata, without which no SEV-SNP guest starts."""
    path = find_firmware(host, options)
    if not path:
        return Result(FAIL, f'{options.firmware} is not in QEMU\'s folders',
                      'name a file: --firmware PATH; Debian has OVMF in ovmf '
                      'and ovmf-amdsev')
    try:
        image = path.read_bytes()
    except OSError as error:
        return Result(SKIP, f'{path}: {error.strerror}')
    if METADATA not in guids(image):
        return Result(FAIL, f'{path} has no SEV metadata',
                      'an OVMF for SEV-SNP: OVMF.fd or OVMF.amdsev.fd, not '
                      'OVMF_CODE_4M.fd')
    return Result(PASS, str(path))


def guids(image):
    """Return the GUIDs of OVMF's table, as bytes; none where it is broken."""
    at = len(image) - FOOTER_AT
    if at < 18 or image[at:at + 16] != FOOTER:
        return []
    first = at + 16 - int.from_bytes(image[at - 2:at], 'little')
    at -= 2
    found = []
    while at - 18 >= max(first, 0):
        length = int.from_bytes(image[at - 18:at - 16], 'little')
        if length < 18:
            break
        found.append(image[at - 16:at])
        at -= length
    return found


def memory(host, options):
    """Compare what is free with what the guests want."""
    free = int(re.search(r'^MemAvailable:\s+(\d+)', host.text('/proc/meminfo'),
                         re.M)[1]) * 1024
    wanted = options.memory * options.guests
    words = f'{free / GIB:.1f} GiB are available, guests may use ' \
        f'{wanted / GIB:.1f} GiB'
    if free < wanted:
        return Result(FAIL, words, 'smaller guests; with discard=none both '
                      'halves of a page may be in use, twice as much')
    return Result(PASS, words)


def huge_pages(host, _options):
    """Tell of huge pages: the shared half may use them, private does not."""
    shmem = re.search(r'\[(\w+)\]', host.text(
        '/sys/kernel/mm/transparent_hugepage/shmem_enabled'))
    pool = host.text('/proc/sys/vm/nr_hugepages')
    words = f'{pool} in the pool, transparent ones of shared memory: ' \
        f'{shmem[1] if shmem else "unknown"}'
    return Result(PASS, words + '; a huge page is given back only when all '
                  'of it is private')


def vfio(host, options):
    """Compare the limit of mappings with the guest's pages."""
    limit = int(host.text(LIMIT))
    wanted = -(-options.memory // ENTRY)
    words = f'dma_entry_limit is {limit}, a guest whose pages are all apart ' \
        f'needs {wanted}'
    if limit < wanted:
        return Result(FAIL, words, f'vfio_iommu_type1.dma_entry_limit='
                      f'{wanted}, else a guest with an assigned device may '
                      f'hang when it converts memory')
    return Result(PASS, words)


def locked(host, options):
    """Compare the limit of locked memory with the guest's memory."""
    limit = host.memlock()
    if limit is None:
        return Result(PASS, 'no limit')
    words = f'{limit / GIB:.2f} GiB'
    if limit < options.memory:
        return Result(FAIL, words, 'ulimit -l, or LimitMEMLOCK= of the '
                      'service: assigned devices lock the shared half')
    return Result(PASS, words)


def checks():
    """Return those before KVM's, and those behind them."""
    assigned = 'vfio_iommu_type1', 'assigned devices: mappings'
    return [
        Check('qemu', 'QEMU with private memory', ALL, (), binary),
        Check('tcg', 'QEMU with TCG', (EMULATION,), ('qemu',),
              accelerator('tcg')),
        Check('qemu-kvm', 'QEMU with KVM', KVM, ('qemu',),
              accelerator('kvm')),
        Check('ovmf', 'firmware with SEV metadata', (EMULATION, SNP),
              ('qemu',), firmware),
    ], [
        Check('ram', 'memory', ALL, (), memory),
        Check('huge', 'huge pages', ALL, (), huge_pages),
        Check(*assigned, KVM, ('kvm',), vfio),
        Check('memlock', 'assigned devices: locked memory', KVM, ('kvm',),
              locked),
    ]
