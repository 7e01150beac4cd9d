# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever manual and README have their readers type is typed here, word by
word, or is named with the reason why it is not.
"""
import hashlib
import os
import re
import subprocess
import sys

import pytest

from doc_blocks import MARKDOWN, RST, TOP, block, blocks
from linux_guest import BUILD, FIRMWARE, KERNEL, LIMIT, QEMU, initramfs
from patience import Patience, run
from test_snp_attestation import MODULES

# A block that begins like this is what a monitor or QMP is told, or a part of
# a command line: test_docs.py looks at its names.
PARTS = re.compile(r'->|\(qemu\)|"|<|-object')
# Every other block, by file and by its first words: the test that follows it,
# with its folder, or why there is none.
OUTPUT = 'what a program prints'
HOST = 'tests/host/test_host_manual.py::'
LIBVIRT = 'tests/libvirt/test_libvirt.py::test_follow'
HERE = 'tests/functional/test_doc_blocks.py::'
LONG = 'takes minutes; '
FOLLOWED = {
    'amd-sev-emulated': {
        'qemu-system-x86_64 -accel tcg': HERE + 'test_boots',
        'warning: ': OUTPUT, 'Memory Encryption': OUTPUT, 'info: ': OUTPUT},
    'amd-sev-snp-attestation': {
        # Its guest's options are those of the session that makes the report.
        'qemu-system-x86_64 -accel tcg -cpu EPYC-v4 -smp 1 -m 2G -bios OVMF.fd '
        '-machine q35,confidential-guest-support=sev,memory-backend=ram '
        '-object memory-backend-memfd-private,id=ram,size=2G,share=on >digest':
            HERE + 'test_measures',
        'qemu-system-x86_64 -accel tcg -cpu EPYC-v4 -smp 1 -m 2G -bios OVMF.fd '
        '-machine q35,confidential-guest-support=sev,memory-backend=ram '
        '-object memory-backend-memfd-private,id=ram,size=2G,share=on -object':
            HERE + 'test_boots',
        'head -c 64': HERE + 'test_nonce',
        'modprobe sev-guest': 'in the guest, which has no modprobe in the '
        'tests; report_script() of test_snp_attestation.py does the same',
        'openssl verify': 'tests/functional/test_snp_attestation.py::'
        'test_manual',
        'python3 - ': 'tests/functional/test_snp_attestation.py::test_manual',
        'echo chip/ark': 'tests/functional/test_snp_attestation.py::'
        'test_manual'},
    'amd-sev-snp-emulated': {
        'qemu-system-x86_64 -accel tcg': HERE + 'test_boots',
        'warning: ': OUTPUT, 'Memory Encryption': OUTPUT, 'info: ': OUTPUT},
    'amd-sev-snp-host': {
        'make host': LONG + 'test_host_manual.py runs scripts/host, which it '
        'calls',
        'qemu-system-x86_64 -accel tcg': 'L1 of every test of tests/host has '
        'these options, and an initrd that takes commands',
        'qemu-system-x86_64 -accel kvm': HOST + 'test_guest',
        'SEV-SNP: RMP table': OUTPUT,
        'scripts/host --kernel': HOST + 'test_ci',
        'scripts/host "$(scripts': HOST + 'test_ci',
        "scripts/host 'my-vmm": HOST + 'test_ci'},
    'amd-sev-snp-host-firmware': {
        'qemu-system-x86_64 ... ': 'a part of a command line'},
    'amd-sev-snp-launch': {
        '$ qemu-system-x86_64 -accel kvm': HERE + 'test_digest_of_text',
        'The CPUID page': OUTPUT},
    'amd-sev-snp-processor': {'VMPL2 of': OUTPUT},
    'upm': {
        'qemu-system-x86_64 -accel tcg -cpu EPYC-v4 -smp 2':
            HERE + 'test_boots',
        'qemu-system-x86_64 -accel tcg -cpu EPYC-v4 -m 1G':
            HERE + 'test_firmware_comes_up', 'warning: ': OUTPUT},
    'upm-backend': {'memory-backend-memfd-private': OUTPUT},
    'upm-build': {'make deb': LONG + 'tests/deb/test_deb.py installs it'},
    'upm-ci': {
        'guest=sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,'
        'kernel-hashes=on\nqemu': HERE + 'test_ci',
        'cmp digest': HERE + 'test_ci',
        'guest=sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,'
        'kernel-hashes=on\ntimeout': HERE + 'test_ci',
        'openssl verify': HERE + 'test_ci',
        'jobs:': HERE + 'test_job'},
    'upm-tools': {
        'qemu-system-x86_64 ... ': 'a part of a command line, and the program '
        'that test_upm_map.py runs with it',
        'a cell is': OUTPUT,
        'qemu-upm-map --trace': HERE + 'test_map',
        'qemu-upm-doctor': HERE + 'test_doctor'},
    'upm-versions': {
        'make demo BASE': LONG + 'test_patches.py has make say what it would '
        'do, and tries the scripts', 'QEMU     applies': OUTPUT},
    'README': {
        'make demo BASE': LONG + 'see upm-versions',
        'make demo       #': LONG + 'all else is built by these',
        'make deb': LONG + 'tests/deb/test_deb.py installs it',
        'make demo-host': LONG + 'tests/host/test_host.py boots the same',
        'build/qemu-system-x86_64': HERE + 'test_boots',
        'userspace: ': OUTPUT, '-----': OUTPUT},
    'libvirt': {
        'apt-get install': LIBVIRT, 'virsh domcapabilities': LIBVIRT,
        'virtlogd': 'tests/libvirt/libvirt_room.py::room',
        'mkdir -p /var/lib/libvirt': LIBVIRT, 'virt-xml-validate': LIBVIRT,
        'console=': LIBVIRT, 'virsh qemu-monitor-command': LIBVIRT,
        'virsh shutdown': LIBVIRT, 'qemu-img': LIBVIRT,
        'install -D': 'tests/libvirt/test_launch.py::test_virt_install',
        'mkdir -p /etc/apparmor.d':
            'tests/libvirt/test_launch.py::test_apparmor'},
}
FILES = {path.stem: path for path in RST}
FILES.update(README=MARKDOWN[0], libvirt=MARKDOWN[1])


@pytest.mark.parametrize('name', FILES)
def test_all_listed(name):
    """No block is forgotten, and none is listed that is gone."""
    listed = FOLLOWED.get(name, {})
    wanted = [text for text in blocks(FILES[name]) if not PARTS.match(text)]
    for text in wanted:
        found = [words for words in listed if text.startswith(words)]
        assert len(found) == 1, f'{name}: nobody follows: {text[:200]}'
    for words in listed:
        assert [text for text in wanted if text.startswith(words)], \
            f'{name} has no block: {words}'


@pytest.mark.parametrize('where', sorted({
    value for listed in FOLLOWED.values() for value in listed.values()
    if '::' in value}))
def test_tests_exist(where):
    """What is named is a function there."""
    path, _, function = where.partition('::')
    assert f'\ndef {function}(' in (TOP / path).read_text()


# ---- following them ----

SAYS = 'Memory Encryption Features active: AMD SEV'
REPORT = '''
mount -t configfs none /sys/kernel/config
mkdir /sys/kernel/config/tsm/report/r
head -c 64 /dev/zero >/sys/kernel/config/tsm/report/r/inblob
echo report of $(wc -c </sys/kernel/config/tsm/report/r/outblob) bytes
echo all tests passed
'''
# How long each takes does not matter, but that it ends.
END = 'userspace: end'


@pytest.fixture(name='place')
def fixture_place(folder):
    """A folder with all that a text takes for granted."""
    for name, source in (('OVMF.fd', FIRMWARE / 'OVMF.fd'),
                         ('OVMF.amdsev.fd', FIRMWARE / 'OVMF.amdsev.fd'),
                         ('vmlinuz', KERNEL), ('build', BUILD),
                         ('bin/qemu-system-x86_64', QEMU),
                         ('bin/python3', sys.executable),
                         ('bin/qemu-upm-map', TOP / 'tools/qemu-upm-map'),
                         ('bin/qemu-upm-doctor',
                          TOP / 'tools/qemu-upm-doctor')):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(source)
    initramfs(folder / 'initrd.img', REPORT, MODULES)
    (folder / 'initrd').unlink(missing_ok=True)
    (folder / 'initrd').symlink_to('initrd.img')
    return folder


def words_of(place):
    """How a shell is started there."""
    return {'cwd': place, 'stdin': subprocess.DEVNULL, 'text': True,
            'env': dict(os.environ, PATH=f'{place}/bin:{os.environ["PATH"]}',
                        XDG_STATE_HOME=str(place / 'state'),
                        PYTHONPATH=str(BUILD / 'qemu/python'))}


def shell(place, text):
    """Type something, up to its end, which has to be a good one."""
    done = run(['bash', '-euo', 'pipefail', '-c', text], LIMIT,
               **words_of(place))
    (place / 'shell.log').write_text(done.stdout + done.stderr)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return done.stdout.replace('\r', '')


GUESTS = [(name, words) for name, listed in FOLLOWED.items()
          for words, test in listed.items() if test == HERE + 'test_boots']


@pytest.mark.parametrize('name,words', GUESTS,
                         ids=[name for name, _ in GUESTS])
def test_boots(place, name, words):
    """A guest's command line boots that guest."""
    said = shell(place, block(FILES[name], words))
    assert SAYS in said and END in said
    assert ('SEV-SNP' in said) == (name != 'amd-sev-emulated')


def run_until(place, text, name, words):
    """Type what has no end of its own, up to these words in a file there."""
    file = place / name
    file.unlink(missing_ok=True)
    with (place / 'console').open('w+b') as console, subprocess.Popen(
            ['bash', '-c', f'exec {text}'], stdout=console,
            stderr=subprocess.STDOUT, **words_of(place)) as process:
        patience = Patience(LIMIT, process.pid)
        try:
            while not file.exists() or words not in file.read_bytes():
                assert process.poll() is None and not patience.over()
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:
            process.kill()


def test_firmware_comes_up(place):
    """AMD's command line of 2022 has no kernel, and no end of its own."""
    text = block(FILES['upm'], 'qemu-system-x86_64 -accel tcg -cpu EPYC-v4 -m ')
    run_until(place, text, 'console', b'BdsDxe')


def digests(text):
    """The launch digests in what was said."""
    return re.findall(r'^[0-9a-f]{96}$', text, re.M)


def test_measures(place):
    """The first step of a report writes a digest, and the second has it."""
    first, = [text for text in blocks(FILES['amd-sev-snp-attestation'])
              if '>digest' in text and text.startswith('qemu')]
    shell(place, first)
    assert len(digests((place / 'digest').read_text())) == 1


def test_digest_of_text(place):
    """The digest that the text has is that of the OVMF that the table of
    digests is for, and of no other.
    """
    text = block(FILES['amd-sev-snp-launch'], '$ qemu-system')
    command, told = text.removeprefix('$ ').splitlines()
    said, = digests(shell(place, command))
    assert len(told.rstrip('.')) == 64
    image = FIRMWARE.joinpath('OVMF.fd').read_bytes()
    table = (TOP / 'tests/data/launch-digests.tsv').read_text()
    assert f'\t{told.rstrip(".")}' in table
    is_known = hashlib.sha256(image).hexdigest() in table
    assert said.startswith(told.rstrip('.')) == is_known


def test_nonce(place):
    """The nonce is 64 bytes, and one word for the guest."""
    said = shell(place, block(FILES['amd-sev-snp-attestation'], 'head -c 64'))
    assert (place / 'nonce').stat().st_size == 64 and len(said) == 88


def test_ci(place):
    """The steps of a job, one after the other."""
    steps = [text for text in blocks(FILES['upm-ci'])
             if not text.startswith('jobs:')]
    assert len(steps) == 4
    measure, compare, boot, verify = steps
    shell(place, measure)
    reference = place / 'reference-digest'
    reference.write_bytes((place / 'digest').read_bytes())
    assert len(digests(reference.read_text())) == 1
    shell(place, compare)
    said = shell(place, boot)
    assert END in said and 'report of 1184 bytes' in said
    assert 'chip/vcek.pem: OK' in shell(place, verify)
    # A change of the command line is found, and a panic fails the job.
    shell(place, measure.replace('console=ttyS0', 'console=ttyS1'))
    with pytest.raises(AssertionError):
        shell(place, compare)
    with pytest.raises(AssertionError):
        shell(place, boot.replace('console=ttyS0',
                                  '"console=ttyS0 rdinit=/none panic=-1"'))


def test_job():
    """The job's steps are targets and files that are there."""
    text = block(FILES['upm-ci'], 'jobs:')
    makefile = (TOP / 'Makefile').read_text()
    for target in re.findall(r'make -C qemu-upm (\w+)', text):
        assert re.search(f'^{target}:', makefile, re.M)
    assert '~/.cache/qemu-upm' in text
    # A cache is kept as it is for as long as its key is the same.
    assert re.search(r"^ +key: \S*\$\{\{ hashFiles\('qemu-upm/", text, re.M)
    for name in re.findall(r'\$(\w+)', text):
        assert re.search(f'^ +{name}: ', text, re.M), name
    assert '/qemu-upm' in (TOP / 'scripts/common.sh').read_text()


def test_map(place):
    """A picture of a trace, and no other file"""
    run_until(place, "qemu-system-x86_64 -accel tcg -cpu EPYC-v4 "
              "-m 256M -bios OVMF.fd -display none -machine q35,"
              "confidential-guest-support=sev0,memory-backend=ram0 "
              "-object memory-backend-memfd-private,id=ram0,size=256M "
              "-object sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1 "
              "-trace 'upm_convert*',file=LOG -msg timestamp=on",
              'LOG', b'upm_convert_done')
    shell(place, block(FILES['upm-tools'], 'qemu-upm-map --trace'))
    assert (place / 'map.png').read_bytes().startswith(b'\x89PNG')


def test_doctor(place):
    """It has an answer; where no KVM is, that is its answer."""
    text = block(FILES['upm-tools'], 'qemu-upm-doctor')
    done = run(['bash', '-c', text], LIMIT, **words_of(place))
    assert done.returncode in (0, 1), done.stderr
    assert '[ PASS ]' in done.stdout or '[ FAIL ]' in done.stdout


@pytest.mark.parametrize('path', MARKDOWN, ids=lambda path: path.parent.name)
def test_links(path):
    """Files that a README points to are there."""
    for name in re.findall(r'\]\(([\w./-]+)\)', path.read_text()):
        assert (path.parent / name).exists(), name
