# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains as libvirt's other users make them: with libvirt's own devices, by
virt-install, and with a profile of AppArmor.
"""
import pathlib
import re
import shlex
import xml.etree.ElementTree

import pytest

from libvirt_room import (EMULATOR, README_BLOCKS, fetched, query_upm,
                          text_of, wait_until_up)
from debian import debian_kernel
from linux_guest import initramfs

NEWEST_ROOM = pytest.mark.parametrize(
    'room', [pytest.param('newest', marks=pytest.mark.at_length)],
    indirect=True, scope='session')
CONSOLE = '/var/log/libvirt/qemu/snp-tiny.console'
# What libvirt, virt-install and virt-manager add where nothing is said
DEVICES = '''
    <memballoon model='virtio'><driver iommu='on'/></memballoon>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend><driver iommu='on'/>
    </rng>
    <tpm model='{model}'><backend type='emulator' version='2.0'/></tpm>
'''
SCRIPT = '''
echo tpm: $(cat /sys/class/tpm/tpm0/tpm_version_major) \\
    $(cat /sys/class/tpm/tpm0/pcr-sha256/0)
echo log: $(wc -c </sys/kernel/security/tpm0/binary_bios_measurements)
echo rng: $(cat /sys/class/misc/hw_random/rng_available)
echo virtio: $(cat /sys/bus/virtio/devices/*/device)
echo 'waiting for the power button'
sleep 10000
'''
# Numbers of virtio devices
RNG, BALLOON = '0x0004', '0x0005'


@pytest.fixture(name='initrd')
def fixture_initrd(room, tmp_path):
    """An initrd that tells of its devices, where libvirt looks for it, and a
    kernel that knows TPMs, as Debian's for clouds does not.
    """
    image, folder = debian_kernel('trixie')
    path = initramfs(tmp_path / 'initrd',
                     'mount -t securityfs none /sys/kernel/security\n' +
                     SCRIPT, ['virtio_pci', 'virtio-rng', 'virtio_balloon'],
                     folder)
    images = '/var/lib/libvirt/images/defaults'
    room.run('install', '-m', '644', path, f'{images}.initrd')
    room.run('install', '-m', '644', image, f'{images}.vmlinuz')
    yield images
    room.run('rm', f'{images}.initrd', f'{images}.vmlinuz')


@NEWEST_ROOM
@pytest.mark.parametrize('model', ['tpm-crb', 'tpm-tis'])
def test_defaults(room, write, initrd, model):
    """Balloon, TPM and random numbers: the guest has, and uses, them all."""
    text = text_of('snp-tiny').replace(
        "<memballoon model='none'/>", DEVICES.format(model=model))
    path = write('defaults.xml', text.replace(
        '/var/lib/libvirt/images/initrd', f'{initrd}.initrd').replace(
            '/var/lib/libvirt/images/vmlinuz', f'{initrd}.vmlinuz'))
    assert 'validates' in room.run('virt-xml-validate', path)
    room.virsh('create', path)
    try:
        said = wait_until_up(room, CONSOLE)
        assert re.search('^tpm: 2 (?!0{64})[0-9A-F]{64}$', said, re.M), said
        assert int(re.search(r'^log: (\d+)', said, re.M)[1]) > 1000
        assert 'virtio_rng.0' in re.search('^rng: .*', said, re.M)[0]
        found = re.search('^virtio: (.*)', said, re.M)[1].split()
        assert {RNG, BALLOON} <= set(found)
        assert query_upm(room, 'snp-tiny')['page-states'] == 'enforced'
    finally:
        room.virsh('destroy', 'snp-tiny')
        room.shell('rm -rf /var/lib/libvirt/swtpm/*; pkill swtpm || true')


VIRT_INSTALL = ('trixie', 'virtinst')


@pytest.fixture(name='virt_install')
def fixture_virt_install(room):
    """virt-install of Debian 13, with its own Python, in the room."""
    folder = pathlib.Path(fetched('programs', *VIRT_INSTALL)) / 'usr'
    libraries = folder / 'lib/x86_64-linux-gnu'
    where = '/usr/local/bin/virt-install'
    variables = {
        'PYTHONHOME': folder, 'PYTHONDONTWRITEBYTECODE': 1,
        'PYTHONPATH': f'{folder}/lib/python3/dist-packages:'
                      f'{folder}/share/virt-manager',
        'GI_TYPELIB_PATH': libraries / 'girepository-1.0',
        'OSINFO_SYSTEM_DIR': folder / 'share/osinfo',
        'XDG_DATA_DIRS': folder / 'share'}
    words = [libraries / 'ld-linux-x86-64.so.2', '--library-path', libraries,
             folder / 'bin/python3.13', folder / 'bin/virt-install']
    room.shell(f"cat >{where} <<'END'\n#!/bin/sh\nexec env " + shlex.join(
        [f'{name}={value}' for name, value in variables.items()] +
        list(map(str, words))) + f' "$@"\nEND\nchmod 755 {where}')
    yield
    room.run('rm', '-f', where, '/var/tmp/snp-install.xml')


@NEWEST_ROOM
def test_virt_install(room, virt_install):
    """Its domain is what it was told, and starts, as the text has it."""
    block, = [block for block in README_BLOCKS if 'virt-install' in block]
    made, start, rest = block.partition('virsh create')
    room.shell(made)
    text = room.run('cat', '/var/tmp/snp-install.xml')
    root = xml.etree.ElementTree.fromstring(text)
    security = root.find('launchSecurity')
    assert security.get('type') == 'sev-snp'
    assert security.get('kernelHashes') == 'yes'
    assert security.find('policy').text == '0x30000'
    assert root.find('devices/emulator').text == EMULATOR
    assert root.find('os').get('firmware') == 'efi'
    try:
        room.shell(start + rest)
        wait_until_up(room, '/var/log/libvirt/qemu/snp-install.console')
        upm = query_upm(room, 'snp-install')
        assert upm['blocks'][0]['id'] == 'pc.ram'
        assert "<loader type='rom'" in room.virsh('dumpxml', 'snp-install')
    finally:
        room.virsh('destroy', 'snp-install')


# ---- AppArmor, whose rules are looked at: the kernel need not have it ----

HELPER = '/usr/lib/libvirt/virt-aa-helper'
PARSER = ('trixie', 'apparmor')
NAME = 'libvirt-11111111-2222-3333-4444-555555555555'
PROFILES = '/etc/apparmor.d/libvirt'
# Below a guest's home: the chip that signs its reports
CHIP = ['', 'state/', 'state/qemu-upm/', 'state/qemu-upm/vcek.key',
        'state/qemu-upm/genoa/vcek.key']
# What is none of its business
OTHERS = ['/var/lib/libvirt/qemu/domain-2-other' + path for path in (
    '/', '/master-key.aes', '/monitor.sock', '/.ssh/id_rsa',
    '/.local/share/secret', '/.local/state/secret')]
# What QEMU reads and then closes, of each guest
ROMS = ['linuxboot_dma.bin', 'kvmvapic.bin', 'keymaps/en-us']


def expression(glob):
    """A path of a rule as a regular expression."""
    parts = re.findall(r'\*\*|\[[^]]*\]|.', re.sub('/+', '/', glob))
    words = {'**': '.*', '*': '[^/]*', '?': '[^/]', '{': '(?:', '}': ')',
             ',': '|'}
    return re.compile(''.join(
        words.get(part) or (part if part[0] == '[' else re.escape(part))
        for part in parts))


class Profile:
    """What AppArmor would allow a domain, as its own compiler has it."""

    def __init__(self, room, text):
        self.room = room
        tree = pathlib.Path(fetched('programs', *PARSER))
        self.libraries = tree / 'usr/lib/x86_64-linux-gnu'
        self.parser = tree / 'usr/sbin/apparmor_parser'
        room.shell(f'rm -f {PROFILES}/{NAME}*; '
                   f'cp -rn {tree}/etc/apparmor.d/. /etc/apparmor.d/')
        said = room.run(HELPER, '--create', '--dryrun', '-u', NAME,
                        stdin=text)
        files = '\n'.join(re.findall(r'^  (?:deny )?"/.*,$', said, re.M))
        room.run('sh', '-c', f'cat >{PROFILES}/{NAME}.files', stdin=files)
        room.shell(f"""
            cd {PROFILES}
            sed 's/LIBVIRT_TEMPLATE/{NAME}/; $i \\
                include <libvirt/{NAME}.files>' TEMPLATE.qemu >{NAME}""")
        self.rules = self.compile(f'{PROFILES}/{NAME}', NAME)
        self.daemon = self.compile('/etc/apparmor.d/usr.sbin.libvirtd',
                                   'libvirtd')

    def compile(self, path, name):
        """The rules of a profile: (expression, letters)."""
        said = self.room.run(
            self.libraries / 'ld-linux-x86-64.so.2', '--library-path',
            self.libraries, self.parser, '--skip-kernel-load', '--skip-cache',
            '--debug', path)
        own = said.partition(f'Name:\t\t{name}\n')[2].partition('\nName:')[0]
        found = re.findall(r'^Perms:\t(\S*?):\S* .*\tName:\t\((/.*)\)$',
                           own, re.M)
        assert len(found) > 50, said[:2000]
        return [(expression(glob), letters) for letters, glob in found]

    @staticmethod
    def allows(rules, path, letters):
        """May all of this be done with a file?"""
        granted = set().union(*(given for glob, given in rules
                                if glob.fullmatch(path)))
        return set(letters) <= granted


@pytest.fixture(name='confined')
def fixture_confined(room, write):
    """A domain that runs: (what is denied to it, what to its libvirtd)."""
    def denied():
        text = text_of('snp-tiny').replace(
            '<memory', f'<uuid>{NAME[8:]}</uuid><memory', 1)
        profile = Profile(room, text)
        room.virsh('create', write('confined.xml', text))
        try:
            wait_until_up(room, CONSOLE)
            pid = room.run('pgrep', '-f', 'guest=snp-tiny').split()[0]
            mapped = set(re.findall(r'(/[/\w.+-]+)$', room.run(
                'cat', f'/proc/{pid}/maps'), re.M))
            opened = set(re.findall(r'-> (/(?!dev/|memfd).*)$', room.run(
                'ls', '-l', f'/proc/{pid}/fd'), re.M))
        finally:
            room.virsh('destroy', 'snp-tiny')
        home = '/var/lib/libvirt/qemu/domain-1-snp-tiny'
        wants = {**{path: 'mr' for path in mapped if '.so' in path},
                 **{path: 'r' for path in mapped if '.so' not in path},
                 **{path: 'w' for path in opened},
                 **{f'/usr/local/share/qemu/{rom}': 'r' for rom in ROMS},
                 **{f'{home}/.local/{path}': 'rw' for path in CHIP},
                 CONSOLE: 'w'}
        assert len(wants) > 20 and any('OVMF' in path or 'initrd' in path
                                       for path in wants)
        assert [path for path in OTHERS if any(
            profile.allows(profile.rules, path, letter)
            for letter in 'rw')] == []
        return sorted(path for path, letters in wants.items()
                      if not profile.allows(profile.rules, path, letters)), \
            [path for path in (EMULATOR, EMULATOR.removesuffix(
                '-snp-emulated')) if not profile.allows(profile.daemon, path,
                                                        'x')]

    yield denied
    room.shell(f'rm -f {PROFILES}/{NAME}*; rm -rf /etc/apparmor.d/local')


@NEWEST_ROOM
def test_apparmor(room, confined):
    """libvirt's profile has the domain's files, and nothing of /usr/local;
    with the lines of the text it has all that QEMU uses.
    """
    guest, daemon = confined()
    assert guest and daemon
    assert [path for path in guest
            if not path.startswith(('/usr/local/', '/var/lib/libvirt/qemu/'))
            ] == []
    block, = [block for block in README_BLOCKS if 'apparmor' in block]
    room.shell(block)
    assert confined() == ([], [])
