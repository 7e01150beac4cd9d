# SPDX-License-Identifier: GPL-2.0-or-later
"""A room with libvirt, apart from whatever libvirt the machine has.

The room (see the script of this name) is the machine with libvirt's packages
unpacked over /usr, with a /run, /var and /etc that are thrown away, and with
process numbers of its own, so that nothing outlives it.
"""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/functional'))
# pylint: disable=wrong-import-position
from linux_guest import BUILD, LIMIT, LOGS  # noqa: E402
from patience import Patience  # noqa: E402

PACKAGES = ['libvirt0', 'libvirt-common', 'libvirt-clients', 'libvirt-daemon',
            'libvirt-daemon-common', 'libvirt-daemon-driver-qemu',
            'libvirt-daemon-log']
# What the newest libvirt needs besides, on a system that is older than it
NEWEST = 'trixie-backports'
LIBRARIES = ('libvirt0', 'libvirt-clients')
# What libvirt starts by itself, and Debian only recommends
SWTPM = ('swtpm', 'swtpm-tools')
EMULATOR = '/usr/local/bin/qemu-system-x86_64-snp-emulated'
NOBODY = 65534
DOCS = TOP / 'docs/libvirt'
README = (DOCS / 'README.md').read_text()
README_BLOCKS = re.findall(r'^```sh\n(.*?)^```$', README, re.M | re.S)
UP = 'waiting for the power button'
SEV_LINES = ['Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP',
             'SEV: Status: SEV SEV-ES SEV-SNP',
             'SEV: SNP running at VMPL0']
# What libvirt keeps, and where a file too many would be found
KEPT = ['/run', '/etc/libvirt', '/var/lib/libvirt', '/var/cache/libvirt',
        '/var/tmp', '/dev/shm']
# What the packages' scripts and an administrator do on a real machine; the
# last lines are for machines without cgroups and device nodes to give away.
FURNISH = '''
set -eu
echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false' >>/etc/passwd
echo 'libvirt-qemu:x:64055:' >>/etc/group
if ! getent passwd swtpm >/dev/null; then
    echo 'swtpm:x:64058:64058::/var/lib/swtpm:/bin/false' >>/etc/passwd
    echo 'swtpm:x:64058:' >>/etc/group
fi
mkdir -p /var/lib/swtpm-localca
chown swtpm:swtpm /var/lib/swtpm-localca
getent group kvm >/dev/null || echo 'kvm:x:64056:' >>/etc/group
getent group libvirt >/dev/null || echo 'libvirt:x:64057:' >>/etc/group
mkdir -p /var/lib/libvirt/images /var/log/libvirt/qemu
printf '#!/bin/sh\\nexec /usr/bin/make -o all "$@"\\n' >/usr/local/bin/make
cat >/usr/local/bin/apt-get <<'END'
#!/bin/sh
# The room has what apt-get would install, or it has to say so.
shift
for package; do
    case $package in
    -*|*-backports) ;;
    *) ls -d {packages}/$package >/dev/null 2>&1 ||
        dpkg -s $package >/dev/null || exit 1 ;;
    esac
done
END
chmod +x /usr/local/bin/make /usr/local/bin/apt-get
cat >>/etc/libvirt/qemu.conf <<'END'
namespaces = []
cgroup_controllers = []
security_driver = "none"
END
echo 'auth_unix_rw = "none"' >>/etc/libvirt/libvirtd.conf
'''
# What the domains of docs/libvirt look for
PROVIDE = '''
install -m 644 build/kernel/vmlinuz /var/lib/libvirt/images/vmlinuz
scripts/tiny-initrd /var/lib/libvirt/images/initrd
truncate -s 1M /var/lib/libvirt/images/snp-emulated.img
'''


class Room:
    """Run commands in the room, and see what they leave there."""

    def __init__(self, folder, layers):
        self.folder = folder
        scratch = folder / 'scratch'
        scratch.mkdir(parents=True, exist_ok=True)
        self.log = folder / 'room.log'
        # Its end is the end of everything in the room.
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            ['unshare', '--mount', '--pid', '--fork', '--kill-child',
             TOP / 'tests/libvirt/room', scratch, *layers], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log.open('w'))
        if self.process.stdout.readline() != 'ready\n':
            self.close()
            pytest.skip('no room for libvirt: ' + self.log.read_text().strip())
        children = pathlib.Path(f'/proc/{self.process.pid}/task/'
                                f'{self.process.pid}/children')
        self.enter = ['nsenter', '--target', children.read_text().split()[0],
                      '--mount', '--pid', f'--wd={TOP}']

    def close(self):
        """Leave the room, and take it down."""
        self.process.communicate(timeout=LIMIT)

    def command(self, args, user=None):
        """Return the arguments that run args in the room."""
        if user is None:
            return [*self.enter, 'env', 'HOME=/root', *map(str, args)]
        home = f'/var/tmp/{user}'
        return [*self.enter, 'setpriv', f'--reuid={user}', f'--regid={user}',
                '--clear-groups', 'env', '-i', f'HOME={home}',
                f'PATH={os.defpath}:/usr/local/bin:/usr/sbin:/sbin',
                f'XDG_RUNTIME_DIR={home}/run', *map(str, args)]

    def run(self, *args, user=None, status=0, stdin=''):
        """Run a command in the room and return what it printed."""
        done = subprocess.run(self.command(args, user), input=stdin,
                              stdout=subprocess.PIPE, text=True, check=False,
                              stderr=subprocess.STDOUT, timeout=LIMIT)
        with self.log.open('a') as log:
            log.write(f'$ {shlex.join(map(str, args))}\n{done.stdout}')
        assert done.returncode == status, f'{args}: {done.stdout}'
        return done.stdout

    def shell(self, script, **options):
        """Run a script in the room, up to its first error."""
        return self.run('bash', '-euo', 'pipefail', stdin=script, **options)

    def virsh(self, *args, uri='qemu:///system', **options):
        """Run virsh in the room."""
        return self.run('virsh', '-q', '-c', uri, *args, **options)

    def wait(self, what, until):
        """Wait until a function returns something true, return that."""
        patience = Patience(LIMIT)
        while not patience.over():
            result = until()
            if result:
                return result
            time.sleep(0.1)
        raise TimeoutError(f'{what}: not after {LIMIT} s')

    def read(self, path):
        """Return the text of a file in the room, or nothing."""
        text = self.run('sh', '-c', f'cat {path} 2>/dev/null || true')
        return re.sub(r'\x1b(\[[0-9;?=]*[A-Za-z]|[()=].)|\r', '', text)

    def guests(self):
        """Return the command lines of all QEMUs in the room."""
        lines = self.run('ps', '-eo', 'args').splitlines()
        return [line for line in lines if 'qemu-system' in line.split()[0]]

    def traces(self):
        """Return what libvirt keeps, and the processes there are."""
        files = self.run('find', *KEPT, '-type', 'f,s,p').split('\n')
        return {name for name in files
                if '/capabilities/' not in name and '/images/' not in name}, \
            self.guests()


def listing():
    """Return the machine's own files of libvirt, with their numbers."""
    found = subprocess.run(
        ['find', '/run/libvirt', '/etc/libvirt', '/var/lib/libvirt',
         '/var/cache/libvirt', '/var/log/libvirt',
         pathlib.Path.home() / '.cache/libvirt',
         pathlib.Path.home() / '.config/libvirt', '-printf', '%i %p\n'],
        capture_output=True, text=True, check=False)
    return set(found.stdout.splitlines())


def release():
    """The number of this Debian's release, or nothing."""
    found = re.search(r'^VERSION_ID="?(\d+)',
                      pathlib.Path('/etc/os-release').read_text(), re.M)
    return found and found[1]


def fetched(what, suite, *names):
    """The folder of unpacked packages."""
    done = subprocess.run([TOP / 'scripts/fetch', what, suite, *names],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f'libvirt cannot be had: {done.stderr.strip()}')
    return done.stdout.strip()


def layers(version):
    """The unpacked packages of libvirt, and of what it starts."""
    old = release() == '12'
    if version == 'own':
        suite = 'bookworm-backports' if old else 'trixie'
        below = []
    else:
        suite = NEWEST
        # The newest libraries hide those of the system's own release.
        below = [fetched('programs', NEWEST, *LIBRARIES),
                 fetched('programs', 'bookworm' if old else 'trixie', *SWTPM)]
    return [fetched('package', suite, name) for name in PACKAGES] + below


@pytest.fixture(scope='session', params=[
    'own', pytest.param('newest', marks=pytest.mark.at_length)])
def room(request):
    """The room, with a libvirtd that serves qemu:///system.

    Debian's own libvirt of the release, or of its backports, and the newest
    one that there is for Debian 13.
    """
    if os.geteuid():
        pytest.skip('only root can make a room for libvirt')
    before = listing()
    folders = layers(request.param)
    place = Room(LOGS / f'libvirt-{request.param}', folders)
    try:
        place.shell(FURNISH.replace(
            '{packages}', str(pathlib.Path(folders[0]).parent)))
        place.run('make', 'install')
        place.shell('virtlogd --daemon; libvirtd --daemon')
        yield place
    finally:
        place.close()
    after = listing()
    assert before - after == set()
    assert [name for name in after - before if 'snp' in name] == []


@pytest.fixture
def old_room():
    """A room with the libvirt of Debian 12, 9.0, and no daemon."""
    package = 'libvirt-daemon-driver-qemu'
    folder = BUILD / 'libvirt9'
    folder.mkdir(exist_ok=True)
    deb = next(folder.glob('*_9.*.deb'), None)
    if not deb:
        subprocess.run(['apt-get', 'download', '-q', package], cwd=folder,
                       capture_output=True, check=False)
        deb = next(folder.glob('*_9.*.deb'), None)
    if not deb:
        pytest.skip('libvirt 9.0 is Debian 12\'s')
    subprocess.run(['dpkg', '-x', deb, folder / package], check=True)
    place = Room(LOGS / 'libvirt9', [folder / package])
    try:
        place.shell(FURNISH.replace('{packages}', str(folder)))
        place.run('make', 'install')
        place.shell(PROVIDE)
        yield place
    finally:
        place.close()


@pytest.fixture(autouse=True)
def tidy(room):
    """Nothing stays behind of what a test did.

    libvirt tidies up after a guest that has ended by itself.
    """
    before = room.traces()
    yield
    room.wait(f'no more than {before}', lambda: room.traces() == before)


def query_upm(room, name, **options):
    """Return query-upm's answer by way of libvirt."""
    reply = room.virsh('qemu-monitor-command', name,
                       '{"execute": "query-upm"}', **options)
    return json.loads(reply)['return']


def text_of(name):
    """Return the source of one of our domains."""
    return (DOCS / f'{name}.xml').read_text()


@pytest.fixture(scope='module', autouse=True)
def images(room):
    """Kernel, initrd and disk where the domains look for them."""
    room.shell(PROVIDE)


@pytest.fixture
def write(room):
    """Write a file into the room for the time of a test."""
    names = []

    def write_file(name, text):
        path = f'/var/tmp/{name}'
        room.run('sh', '-c', f'cat >{path}; chmod 644 {path}', stdin=text)
        names.append(path)
        return path

    yield write_file
    room.run('rm', '-f', *names)


def wait_until_up(room, console):
    """Wait for user space, and look at what the kernel says."""
    said = room.wait(UP, lambda: UP in room.read(console) and
                     room.read(console))
    assert [line for line in SEV_LINES if line not in said] == []
    return said
