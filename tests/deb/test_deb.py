# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package, installed where there is nothing else, and removed."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/functional'))
# pylint: disable=wrong-import-position
from linux_guest import BUILD, LIMIT, LOGS, linux, snp  # noqa: E402
from patience import Patience  # noqa: E402
from test_snp_boot import check_kernel  # noqa: E402

PACKAGE = 'qemu-system-x86-upm'
NAMES = ('qemu-system-x86_64-upm', 'qemu-system-x86_64-upm-snp-emulated',
         'qemu-upm-doctor', 'qemu-upm-map')
ALTERNATIVE = 'qemu-system-x86_64-snp-emulated'
# What apt, dpkg and ldconfig keep for themselves, and a user's own, which the
# emulated chip is
KEPT = re.compile(r'/(proc|dev|run|tmp|srv)(/|$)|/var/cache/|/var/log/|'
                  r'/var/lib/(apt|dpkg)/|/etc/ld.so.cache$|'
                  r'/root/\.local(/state(/qemu-upm(/.*)?)?)?$')
OWN = re.search(r'^VERSION_CODENAME="?(\w+)',
                pathlib.Path('/etc/os-release').read_text(), re.M)[1]
SUITE = os.environ.get('UPM_SUITE') or OWN

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason='only root can make a Debian to install into')


class Debian:
    """A Debian in a folder."""

    def __init__(self, suite, folder):
        self.folder = folder
        self.log = LOGS / f'deb-{suite}.log'
        self.log.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([TOP / 'scripts/debian-root', suite, folder],
                       check=True)

    def words(self, *words):
        """What runs a command there."""
        return [TOP / 'scripts/debian-root', 'run', self.folder, *words]

    def run(self, *words, status=0, limit=LIMIT):
        """Run a command there; what it prints."""
        done = subprocess.run(self.words(*words), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=False,
                              stderr=subprocess.STDOUT, timeout=limit)
        with self.log.open('a') as log:
            log.write(f'$ {words}\n{done.stdout}')
        assert done.returncode == status, done.stdout[-3000:]
        return done.stdout

    def shell(self, script, **options):
        """Run a script there, up to its first error."""
        return self.run('bash', '-euo', 'pipefail', '-c', script, **options)

    def take(self, path):
        """Copy a file there; its path there."""
        shutil.copy(path, self.folder / 'srv')
        return f'/srv/{pathlib.Path(path).name}'

    def files(self):
        """All files, but for what apt and dpkg keep for themselves."""
        found = set()
        for place, folders, files in os.walk(self.folder):
            for name in folders + files:
                path = f'{place}/{name}'.removeprefix(str(self.folder))
                if not KEPT.match(path):
                    found.add(path)
        return found

    def state(self):
        """What dpkg says of the package: "ii" where all is well, and nothing
        where it has never heard of it."""
        said = self.shell("dpkg-query -W -f '${db:Status-Abbrev}' "
                          f'{PACKAGE} 2>/dev/null || true').strip()
        return '' if said.endswith('n') else said

    def purge(self):
        """Remove the package with its configuration, where it is there."""
        if self.state():
            self.run('apt-get', 'purge', '-qy', PACKAGE, limit=4 * LIMIT)


def deb_file():
    """The package that was built last."""
    folder = 'deb' if SUITE == OWN else f'deb-{SUITE}'
    found = sorted((BUILD / folder).glob(f'{PACKAGE}_*.deb'))
    if not found:
        pytest.fail(f'no package in {folder}: make deb', pytrace=False)
    return found[-1]


def field(name):
    """A field of the package."""
    return subprocess.run(['dpkg-deb', '-f', deb_file(), name], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture(name='debian', scope='module')
def fixture_debian():
    """The release that the package is for, with what it depends on."""
    place = Debian(SUITE, BUILD / f'roots/{SUITE}')
    place.run('apt-get', 'update', '-q', limit=4 * LIMIT)
    place.run('apt-get', 'satisfy', '-qy', field('Depends'), limit=8 * LIMIT)
    yield place
    shutil.rmtree(place.folder)


@pytest.fixture(name='before')
def fixture_before(debian):
    """What is there without the package, and is all that is there later."""
    debian.purge()
    files = debian.files()
    yield files
    debian.purge()
    assert debian.files() - files == set()
    assert files - debian.files() == set()
    assert debian.state() == ''


@pytest.fixture(name='installed')
def fixture_installed(debian, before):
    """The package is installed, by apt."""
    debian.run('apt-get', 'install', '-qy', debian.take(deb_file()),
               limit=4 * LIMIT)
    assert debian.state() == 'ii'
    return debian.files() - before


def payload(debian, script=''):
    """Arguments that boot the kernel of the tests, with copies there."""
    words = linux(LOGS / 'deb', script)
    return [debian.take(os.path.realpath(word))
            if word.startswith('/') else word for word in words]


def boot(debian, qemu, *more):
    """Boot an SNP guest from what is installed; its console."""
    said = debian.run(qemu, '-nodefaults', '-display', 'none', '-no-reboot',
                      '-serial', 'stdio', *snp(vcpus=2), *payload(debian),
                      *more)
    said = re.sub(r'\x1b(\[[0-9;?=]*[A-Za-z]|[()=].)|\r', '', said)
    check_kernel(said, 2)
    assert 'userspace: end' in said
    return said


def test_files(debian, installed):
    """Programs are there, each with a manual page and a completion, and all
    files but these have a folder of the package's own."""
    for name in (*NAMES, ALTERNATIVE):
        assert f'/usr/bin/{name}' in installed
        assert f'/usr/share/man/man1/{name}.1.gz' in installed
        assert f'/usr/share/bash-completion/completions/{name}' in installed
    own = re.compile(r'/usr/(bin|share/man/man1|share/bash-completion/'
                     r'completions)/qemu-(upm|system-x86_64-(upm|snp))|'
                     r'/usr/lib/qemu-upm(/|$)|/usr/share/doc/' + PACKAGE +
                     r'|/usr/share/ovmf/upm(/OVMF\.fd)?$|/usr/share/lintian/'
                     r'|/etc/alternatives/' + ALTERNATIVE +
                     r'|/etc/apparmor.d/abstractions|'
                     r'/usr/share/bash-completion(/completions)?$|'
                     r'/etc/apparmor.d$|/usr/share/python3/runtime.d/' +
                     PACKAGE)
    assert [path for path in installed if not own.match(path)] == []
    for name in NAMES[:2]:
        assert 'QEMU-UPM' in debian.run(name, '--version')


def test_guest(debian, installed):
    """What "make demo" boots, by the name that an alternative has."""
    said = boot(debian, ALTERNATIVE)
    assert 'Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP' in said


def test_programs(debian, installed):
    """The doctor asks the QEMU of the package."""
    said = json.loads(debian.run('qemu-upm-doctor', '--json', '--for',
                                 'emulation'))
    assert said['possible'] == {'emulation': True}
    assert said['command-line'].startswith('/usr/bin/qemu-system-x86_64-upm ')
    assert 'usage: qemu-upm-map' in debian.run('qemu-upm-map', '--help')


# libvirt without a systemd, and without cgroups to give away
LIBVIRT = '''
mkdir -p /var/log/libvirt/qemu /var/lib/libvirt/images
cat >>/etc/libvirt/qemu.conf <<'END'
namespaces = []
cgroup_controllers = []
security_driver = "none"
END
echo 'auth_unix_rw = "none"' >>/etc/libvirt/libvirtd.conf
name={name}
console=/var/log/libvirt/qemu/$name.console
cp {kernel} /var/lib/libvirt/images/vmlinuz
cp {initrd} /var/lib/libvirt/images/initrd
virtlogd --daemon
libvirtd --daemon
virsh -q -c qemu:///system create \
    /usr/share/doc/qemu-system-x86-upm/examples/$name.xml
while virsh -q -c qemu:///system domstate $name 2>/dev/null; do
    sleep 1
done
cat $console
'''
LIBVIRT_PACKAGES = ('libvirt-daemon-system', 'libvirt-daemon-driver-qemu',
                    'libvirt-clients', 'apparmor')
# The first libvirt that knows of SEV-SNP is Debian 13's.
DOMAIN = 'snp-libvirt9' if SUITE == 'bookworm' else 'snp-tiny'
# What libvirt does when such a domain starts where AppArmor is on.  9.0 reads
# no folder of ours, which README.Debian has a remedy for.
APPARMOR = '''
folder=/usr/share/doc/{package}
id=11111111-2222-3333-4444-555555555555
if ! grep -q libvirt-qemu.d /etc/apparmor.d/abstractions/libvirt-qemu; then
    sed -n '/^ *cd \\/etc/,/^ *echo/p' $folder/README.Debian | bash -eux
fi
touch /var/lib/libvirt/images/vmlinuz /var/lib/libvirt/images/initrd
sed "0,/<memory/s,<memory,<uuid>$id</uuid><memory," \\
    $folder/examples/{domain}.xml |
    /usr/lib/libvirt/virt-aa-helper --create --dryrun -u libvirt-$id \\
    >/srv/said 2>&1
cd /etc/apparmor.d/libvirt
sed -n '/^  \\(deny \\)\\?"/p' /srv/said >libvirt-$id.files
sed "s/LIBVIRT_TEMPLATE/libvirt-$id/
     \\$i #include <libvirt/libvirt-$id.files>" TEMPLATE.qemu >libvirt-$id
apparmor_parser -QKT libvirt-$id
apparmor_parser -QK --debug libvirt-$id
rm libvirt-$id libvirt-$id.files
'''
FIRMWARE = '/usr/share/ovmf/' + ('upm/' if SUITE == 'bookworm' else '')


@pytest.fixture(name='libvirt')
def fixture_libvirt(debian, before):
    """libvirt is there before the package, and goes after it."""
    debian.run('apt-get', 'install', '-qy', *LIBVIRT_PACKAGES,
               limit=8 * LIMIT)
    files = debian.files()
    debian.run('apt-get', 'install', '-qy', debian.take(deb_file()))
    yield
    debian.purge()
    left = debian.files() - files
    assert [path for path in left if 'libvirt' not in path or
            'apparmor' in path] == []
    debian.run('apt-get', 'purge', '-qy', '--autoremove', *LIBVIRT_PACKAGES,
               limit=4 * LIMIT)
    debian.run('apt-get', 'satisfy', '-qy', field('Depends'))
    before.clear()
    before.update(debian.files())


def test_libvirt(debian, libvirt):
    """A domain among the package's examples lives under Debian's libvirt."""
    words = payload(debian)
    said = debian.shell(LIBVIRT.format(name=DOMAIN, kernel=words[1],
                                       initrd=words[3]), limit=2 * LIMIT)
    said = re.sub(r'\x1b(\[[0-9;?=]*[A-Za-z]|[()=].)|\r', '', said)
    check_kernel(said)
    assert 'userspace: end' in said


def test_apparmor(debian, libvirt):
    """The profile that libvirt gives a domain of the package's examples has
    the emulator and all files of it.

    It is not loaded: that takes a kernel with AppArmor.
    """
    said = debian.shell(APPARMOR.format(package=PACKAGE, domain=DOMAIN))
    rules = re.findall(r'^(?:Mode|Perms):\t(\S*?):\S*\s(?:.*\t)?Name:\t'
                       r'\((/.*)\)$', said, re.M)
    images = '/var/lib/libvirt/images/'
    for path, letters in (('/usr/bin/qemu-system-x86_64-upm', 'rmx'),
                          (FIRMWARE + 'OVMF.fd', 'r'),
                          (images + 'vmlinuz', 'r'), (images + 'initrd', 'r'),
                          (f'/var/log/libvirt/qemu/{DOMAIN}.console', 'w')):
        granted = ''.join(part for part, place in rules if place == path)
        assert set(letters) <= set(granted), path


def test_beside_debians(debian, before):
    """Debian's own QEMU is the same before, with and after the package."""
    asked = 'qemu-system-x86_64 --version; md5sum /usr/bin/qemu-*'
    debian.run('apt-get', 'install', '-qy', 'qemu-system-x86',
               limit=8 * LIMIT)
    try:
        says = debian.shell(asked)
        files = debian.files()
        debian.run('apt-get', 'install', '-qy', debian.take(deb_file()))
        assert set(says.splitlines()) < set(debian.shell(asked).splitlines())
        debian.purge()
        assert debian.shell(asked) == says
        assert debian.files() == files
    finally:
        debian.run('apt-get', 'purge', '-qy', '--autoremove',
                   'qemu-system-x86', limit=4 * LIMIT)
        # What the package depends on had been asked for by its fixture.
        debian.run('apt-get', 'satisfy', '-qy', field('Depends'))
        before.clear()
        before.update(debian.files())


def test_alternative(debian, installed):
    """Another one can be chosen, and goes its own way."""
    debian.shell("echo '#!/bin/sh' >/usr/local/bin/other-qemu; "
                 'chmod 755 /usr/local/bin/other-qemu')
    debian.run('update-alternatives', '--install', f'/usr/bin/{ALTERNATIVE}',
               ALTERNATIVE, '/usr/local/bin/other-qemu', '99')
    assert debian.run(ALTERNATIVE, '--version') == ''
    debian.run('update-alternatives', '--remove', ALTERNATIVE,
               '/usr/local/bin/other-qemu')
    assert 'QEMU-UPM' in debian.run(ALTERNATIVE, '--version')
    debian.run('rm', '/usr/local/bin/other-qemu')


def test_removed(debian, installed):
    """Without a purge its configuration stays, and nothing else."""
    debian.run('apt-get', 'remove', '-qy', PACKAGE)
    left = debian.files() & installed
    assert {path for path in left
            if not (debian.folder / path[1:]).is_dir()} == \
        {'/etc/apparmor.d/abstractions/libvirt-qemu.d/qemu-upm'}


def test_unpacked_only(debian, before):
    """apt ends what dpkg has begun."""
    debian.run('dpkg', '--unpack', debian.take(deb_file()))
    assert debian.state() == 'iU'
    debian.run('apt-get', 'install', '-qyf', limit=4 * LIMIT)
    assert debian.state() == 'ii'
    assert 'QEMU-UPM' in debian.run(ALTERNATIVE, '--version')


def kill_dpkg(debian, deb):
    """Have dpkg unpack, and kill it while it does."""
    words = debian.words('dpkg', '--unpack', deb)
    part = debian.folder / 'usr/bin/qemu-system-x86_64-upm.dpkg-new'
    # pylint: disable=consider-using-with
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.STDOUT)
    patience = Patience(LIMIT)
    while not part.exists() and process.poll() is None:
        assert not patience.over()
        time.sleep(0.001)
    # With it ends all that it has started.
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize('cure', [
    # apt asks for the first of these before it does anything.
    'dpkg --configure -a; apt-get install -qy --reinstall ', 'dpkg -i '],
    ids=['apt', 'dpkg'])
def test_half_installed(debian, before, cure):
    """A dpkg that was killed while it unpacked: the next one ends it, and
    then nothing is left of either.

    dpkg itself says that a removal is not enough.
    """
    deb = debian.take(deb_file())
    kill_dpkg(debian, deb)
    assert debian.state().startswith('iH')
    debian.shell(cure + deb, limit=4 * LIMIT)
    assert debian.state() == 'ii'
    assert 'QEMU-UPM' in debian.run(ALTERNATIVE, '--version')


def test_cut_off(debian, before):
    """A file that has not come whole is refused, and nothing is changed."""
    deb = deb_file().read_bytes()
    (debian.folder / 'srv/cut.deb').write_bytes(deb[:len(deb) // 2])
    debian.run('dpkg', '-i', '/srv/cut.deb', status=1)
    assert not (debian.folder / 'usr/bin/qemu-system-x86_64-upm').exists()
    debian.run('dpkg', '--purge', '--force-remove-reinstreq', PACKAGE)
