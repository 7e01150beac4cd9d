# SPDX-License-Identifier: GPL-2.0-or-later
"""What the manual has its readers do with the host, word by word."""
import re
import textwrap

import pytest

import l2
import patience
from l1 import SUITES, TOP, debian_kernel
from linux_guest import KERNEL, QEMU, initramfs

pytestmark = pytest.mark.at_length
PAGE = TOP / 'docs/system/i386/amd-sev-snp-host.rst'
LIMIT = 500


def blocks():
    """The literal blocks of the page, with lines that go on joined."""
    found = [match[0] for match in re.finditer(
        r'(?<=::\n\n)(?P<in> +)\S.*\n(?:(?P=in).*\n|\n(?=(?P=in)))*',
        PAGE.read_text())]
    return [re.sub(r' ?\\\n\s*', ' ', textwrap.dedent(block)).strip()
            for block in found]


def block(beginning):
    """The block that begins with some words."""
    match, = [text for text in blocks() if text.startswith(beginning)]
    return match


def test_table():
    """The tests that the page names are there."""
    folder = TOP
    for name in re.findall(r'``([\w/-]+\.(?:py|c|tsv))``', PAGE.read_text()):
        if '/' in name:
            folder = (TOP / name).parent
        assert (folder / name.rpartition('/')[2]).exists(), name


# Each block of commands for CI, by what it begins with
CI = ['scripts/host --kernel', 'scripts/host "$(scripts/lab-kernel',
      "scripts/host 'my-vmm"]


def test_blocks():
    """Every block that is for CI is run below."""
    assert sorted(CI) == sorted(
        next(words for words in CI if text.startswith(words))
        for text in blocks() if text.startswith('scripts/host'))


@pytest.mark.parametrize('beginning', CI)
def test_ci(beginning):
    """It ends with the status of what runs in L1."""
    image, modules = debian_kernel(SUITES[0])
    text = block(beginning)
    for words, ours in (('my-vmm --snp ...', f'{QEMU} --version'),
                        (' vmlinuz', f' {image}'),
                        ('lib/modules/VERSION', str(modules))):
        text = text.replace(words, ours)
    done = patience.run(text, LIMIT, shell=True, cwd=TOP, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_status():
    """The status of scripts/host is that of the command."""
    done = patience.run([TOP / 'scripts/host', 'exit 42'], LIMIT, text=True)
    assert done.returncode == 42, done.stderr


def test_guest(host):
    """The command line of an SNP guest boots one in L1."""
    folder = host.get().folder
    text = block('qemu-system-x86_64')
    for words, ours in (('qemu-system-x86_64', f'{QEMU} -no-reboot'),
                        ('vmlinuz', str(KERNEL)),
                        (' -append', f' -initrd {folder}/initrd -append')):
        text = text.replace(words, ours)
    initramfs(folder / 'initrd', l2.TELL)
    l2.check_linux(host.check(text, LIMIT), 'snp')


def numberless(line):
    """A line with its numbers as one."""
    return re.sub(r'0x[0-9a-f]+|\d+', 'N', line)


def test_lines(host):
    """L1 says what the page has it say, but for the numbers."""
    said = [numberless(line) for line in host.get().sev_lines()]
    for line in block('SEV-SNP: RMP table').splitlines():
        assert numberless(line) in said
