# SPDX-License-Identifier: GPL-2.0-or-later
"""SEV-SNP guests under an unmodified libvirt, from definition to the end."""
import os
import re
import subprocess
import xml.etree.ElementTree

import pytest

from libvirt_room import (BUILD, DOCS, EMULATOR, NOBODY, README,
                          README_BLOCKS, TOP, UP, query_upm, text_of,
                          wait_until_up)

PLAIN = EMULATOR.removesuffix('-snp-emulated')


@pytest.fixture
def user(room):
    """A home for somebody who is not root, and an end of what runs there."""
    home = f'/var/tmp/{NOBODY}'
    room.shell(f'mkdir -p {home}/run; chown -R {NOBODY} {home}; '
               f'chmod 700 {home}/run; chmod 755 /var/lib/libvirt')
    yield home
    # Both daemons would leave by themselves, after two minutes.
    room.shell(f'''
        pkill -u {NOBODY} libvirtd || true
        pkill -u {NOBODY} virtlogd || true
        for wait in $(seq 100); do
            pgrep -u {NOBODY} >/dev/null || break
            sleep 0.1
        done
        if pkill -KILL -u {NOBODY}; then exit 1; fi
        # The emulated chip's folder stays, with its lock.
        test -z "$(find {home} -path '*/qemu-upm' -prune -o \\
                   \\( -name '*sock*' -o -name '*.lock' \\) -print)"
        rm -r {home}
        ''')


@pytest.fixture
def neighbour(room):
    """A domain of the machine's own libvirtd that nobody may disturb."""
    room.virsh('create', '/dev/stdin', stdin=f"""
        <domain type='qemu'><name>neighbour</name>
          <memory unit='MiB'>16</memory>
          <os><type arch='x86_64' machine='q35'>hvm</type></os>
          <devices><emulator>{PLAIN}</emulator></devices></domain>""")
    before = room.virsh('domid', 'neighbour'), room.guests(), \
        room.run('cat', '/run/libvirtd.pid')
    yield
    assert before == (room.virsh('domid', 'neighbour'), room.guests(),
                      room.run('cat', '/run/libvirtd.pid'))
    assert room.virsh('domstate', 'neighbour').strip() == 'running'
    room.virsh('destroy', 'neighbour')


def check_memory(room, name, size, **options):
    """The guest has our backend, and nothing else has any memory."""
    upm = query_upm(room, name, **options)
    ram = upm['blocks'][0]
    assert (ram['id'], ram['size']) == ('ram0', size)
    assert [block['id'] for block in upm['blocks']] == \
        ['ram0', 'pc.bios', 'pc.rom']
    assert ram['private-bytes'] > size // 2 and ram['shared-bytes'] > 0
    listed = room.virsh('qemu-monitor-command', name, '--hmp',
                        'info memdev', **options)
    assert re.findall('memory backend: (.*)', listed) == ['ram0']


def is_off(room, name, **options):
    """A domain runs no more."""
    return 'shut off' in room.virsh('domstate', name, **options)


@pytest.mark.parametrize('name', sorted(p.stem for p in DOCS.glob('*.xml')))
def test_valid(room, name):
    """The domains satisfy libvirt's schema, and sizes agree."""
    assert 'validates' in room.run('virt-xml-validate', DOCS / f'{name}.xml')
    root = xml.etree.ElementTree.fromstring(text_of(name))
    memory = root.find('memory')
    size = int(memory.text) << {'MiB': 20, 'GiB': 30}[memory.get('unit')]
    assert f'"size":{size},' in text_of(name)


@pytest.mark.parametrize('emulator,listed',
                         [(EMULATOR, True), (PLAIN, False)])
def test_capabilities(room, emulator, listed):
    """SEV-SNP is there where the name of the emulator allows it."""
    if not listed and os.path.exists('/dev/sev'):
        pytest.skip('this machine has SEV itself')
    said = room.virsh('domcapabilities', '--emulatorbin', emulator,
                      '--virttype', 'qemu')
    assert ('<value>sev-snp</value>' in said) == listed
    assert ('<cbitpos>51</cbitpos>' in said) == listed


def test_system(room):
    """A life under libvirtd: two vCPUs, a disk, kernel hashes."""
    name = 'snp-emulated'
    if not (BUILD / 'firmware/OVMF.amdsev.fd').exists():
        pytest.skip('OVMF.amdsev.fd is missing')
    room.virsh('define', DOCS / f'{name}.xml')
    try:
        room.virsh('start', name)
        said = wait_until_up(room, f'/var/log/libvirt/qemu/{name}.console')
        assert 'userspace: 2 CPUs' in said
        assert room.virsh('domstate', name).strip() == 'running'
        check_memory(room, name, 1 << 30)
        assert "<launchSecurity type='sev-snp' kernelHashes='yes'>" in \
            room.virsh('dumpxml', name)
        room.virsh('destroy', name)
        assert is_off(room, name)
    finally:
        room.virsh('undefine', name)


def test_session(room, user, write, neighbour):
    """A life under an ordinary user's libvirtd."""
    options = {'uri': 'qemu:///session', 'user': NOBODY}
    console = f'{user}/console'
    path = write('tiny.xml', text_of('snp-tiny').replace(
        '/var/log/libvirt/qemu/snp-tiny.console', console))
    room.virsh('define', path, **options)
    room.virsh('start', 'snp-tiny', **options)
    wait_until_up(room, console)
    assert room.virsh('domstate', 'snp-tiny', **options).strip() == 'running'
    check_memory(room, 'snp-tiny', 512 << 20, **options)
    room.virsh('shutdown', 'snp-tiny', **options)
    room.wait('power off', lambda: is_off(room, 'snp-tiny', **options))
    room.virsh('undefine', 'snp-tiny', **options)


def run_without_daemon(room, name):
    """Run a domain by virt-qemu-run, with a root of its own."""
    console = f'/var/log/libvirt/qemu/{name}.console'
    root = '/var/tmp/embedded'
    room.shell(f'rm -f {console}; mkdir -p {root}/etc; '
               f'cp /etc/libvirt/qemu.conf {root}/etc; '
               f'echo \'stdio_handler = "file"\' >>{root}/etc/qemu.conf; '
               f'echo \'user = "root"\' >>{root}/etc/qemu.conf')
    others = len(room.guests())
    with subprocess.Popen(
            room.command(['virt-qemu-run', '-v', '-r', root,
                          DOCS / f'{name}.xml']),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True) as process:
        try:
            wait_until_up(room, console)
            assert len(room.guests()) == others + 1
        finally:
            room.run('pkill', '-INT', 'virt-qemu-run')
            said = process.communicate()[0]
    assert 'guest running' in said and 'cleaned up' in said
    assert len(room.guests()) == others
    assert room.shell(f'find {root} -type s -o -name "*.pid" '
                      f'! -name driver.pid -o -name "{name}.xml"') == ''
    room.run('rm', '-r', root)


def test_no_daemon(room, neighbour):
    """virt-qemu-run needs no libvirtd, and does not mind one."""
    run_without_daemon(room, 'snp-tiny')


def test_libvirt9(old_room):
    """Debian 12's own libvirt, by QEMU's command line alone."""
    run_without_daemon(old_room, 'snp-libvirt9')


def test_idle_memory(room, write):
    """Without "replaces" libvirt's memory is listed, and takes nothing."""
    path = write('idle.xml', text_of('snp-tiny').replace(
        ',"replaces":"pc.ram"', ''))
    room.virsh('create', path)
    try:
        listed = room.virsh('qemu-monitor-command', 'snp-tiny', '--hmp',
                            'info memdev')
        assert set(re.findall('memory backend: (.*)', listed)) == \
            {'ram0', 'pc.ram'}
    finally:
        room.virsh('destroy', 'snp-tiny')


def test_no_commandline(room, write):
    """Without <qemu:commandline> libvirt's memory has a private half too."""
    text = text_of('snp-tiny')
    start, end = text.index('  <qemu:comm'), text.index('</domain>')
    text = text[:start] + text[end:]
    path = write('own.xml', text.replace('<os>', '<memoryBacking><source '
                 "type='memfd'/><access mode='shared'/></memoryBacking><os>"))
    room.virsh('create', path)
    try:
        block = query_upm(room, 'snp-tiny')['blocks'][0]
        assert (block['id'], block['discard']) == ('pc.ram', 'both')
        assert block['private-bytes'] > 256 << 20
    finally:
        room.virsh('destroy', 'snp-tiny')


def test_balloon(room, write):
    """What libvirt adds where nothing is said; the guest boots with it."""
    path = write('balloon.xml', text_of('snp-tiny').replace(
        "<memballoon model='none'/>", "<memballoon model='virtio'>"
        "<driver iommu='on'/></memballoon>"))
    console = '/var/log/libvirt/qemu/snp-tiny.console'
    room.virsh('create', path)
    try:
        wait_until_up(room, console)
        room.virsh('setmem', 'snp-tiny', '256M', '--live')
        assert 'actual' in room.virsh('dommemstat', 'snp-tiny')
    finally:
        room.virsh('destroy', 'snp-tiny')


def sev_domain(policy):
    """A domain as the text makes one of snp-tiny.xml."""
    text = text_of('snp-tiny')
    start, end = text.index('  <qemu:comm'), text.index('</domain>')
    text = text[:start] + text[end:]
    block, = re.findall(r'^```xml\n(.*?)^```$', README, re.M | re.S)
    assert '<policy>0x0005<' in block
    return re.sub(r"  <launchSecurity type='sev-snp'>.*</launchSecurity>\n",
                  block.replace('0x0005', policy), text, flags=re.S)


@pytest.mark.parametrize('policy,features', [
    ('0x0001', 'AMD SEV'), ('0x0005', 'AMD SEV SEV-ES')])
def test_sev(room, write, policy, features):
    """Older kinds of guests, with a measurement and a secret's place."""
    path = write('sev.xml', sev_domain(policy))
    console = '/var/log/libvirt/qemu/snp-tiny.console'
    room.run('virt-xml-validate', path)
    room.virsh('create', '--paused', path)
    try:
        said = room.virsh('domlaunchsecinfo', 'snp-tiny')
        assert re.search(r'sev-measurement *: [\w+/=]{64}$', said, re.M)
        assert re.search(f'sev-policy *: {int(policy, 0)}$', said, re.M)
        room.virsh('resume', 'snp-tiny')
        said = room.wait(UP, lambda: UP in room.read(console) and
                         room.read(console))
        assert f'Memory Encryption Features active: {features}\n' in said
        assert query_upm(room, 'snp-tiny')['page-states'] == 'recorded'
        room.virsh('shutdown', 'snp-tiny')
        room.wait('power off', lambda: not room.guests())
    finally:
        if room.guests():
            room.virsh('destroy', 'snp-tiny')


NO_SNP = "'sev-snp' launch security is not supported with this QEMU binary"
TOO_MUCH = 'replaces=pc.ram: that one has 512 MiB, and the guest is to have ' \
    'as much'
# What is changed in snp-tiny.xml, and what the error then says
BAD = {
    'policy-no-number': (
        '<policy>0x30000<', '<policy>strict<', ['failed to get launch security policy']),
    'policy-bit-17': (
        '<policy>0x30000<', '<policy>0x10000<', ['bit 17 is reserved and must be one']),
    'policy-version': (
        '<policy>0x30000<', '<policy>0x3ff00<', ['wants firmware ABI']),
    'discard-policy': (
        '"replaces"', '"discard":"sometimes","replaces"',
        ["Parameter 'discard' does not accept value 'sometimes'"]),
    'backend-too-small': (
        '536870912', '268435456', [TOO_MUCH, '(256 MiB)']),
    'backend-too-large': (
        '536870912', '1073741824', [TOO_MUCH, '(1 GiB)']),
    'backend-odd': (
        '536870912', '536870913', ['size must be a multiple of']),
    'backend-too-small-beside': (
        '536870912,"replaces":"pc.ram"', '268435456',
        ['Machine memory size does not match the size of the memory backend']),
    'backend-unnamed': (
        'memory-backend=ram0', 'memory-backend=ram1',
        ["Memory backend 'ram1' not found"]),
    'no-consent': (
        'x86_64-snp-emulated<', 'x86_64<',
        [NO_SNP]),
    'other-qemu': (
        'x86_64-snp-emulated<', 'plain-snp-emulated<',
        [NO_SNP]),
    'no-qemu': (
        'x86_64-snp-emulated<', 'x86_64-missing<',
        ['qemu-system-x86_64-missing', 'No such file']),
    'firmware': (
        'OVMF.fd', 'bios-256k.bin', ['SEV information block']),
    'flash': (
        "<loader readonly='yes' type='rom'>",
        "<loader readonly='yes' stateless='yes' type='pflash'>",
        ['A flash device has no private memory']),
    'c-bit': (
        '<cbitpos>51<', '<cbitpos>20<', ['cbitpos=20 is not possible']),
    'kvm': (
        "<domain type='qemu'", "<domain type='kvm'", ['kvm']),
}


@pytest.fixture(scope='module')
def other_qemu(room):
    """QEMU as it was before, under a name that would give consent."""
    plain = BUILD / 'plain/build/qemu-system-x86_64'
    path = '/usr/local/bin/qemu-system-plain-snp-emulated'
    if plain.exists():
        room.run('ln', '-sf', plain, path)
    return plain.exists()


@pytest.mark.parametrize('case', BAD)
def test_bad_input(room, write, other_qemu, case):
    """What is wrong is named, by virsh define or virsh start."""
    old, new, messages = BAD[case]
    if case == 'other-qemu' and not other_qemu:
        pytest.skip('build/plain is missing: make plain')
    text = text_of('snp-tiny')
    assert old in text
    path = write('bad.xml', text.replace(old, new))
    try:
        said = room.virsh('create', path, status=1)
    except AssertionError:
        room.virsh('destroy', 'snp-tiny')
        raise
    assert [part for part in messages if part not in said] == [], said
    assert room.virsh('list', '--all', '--name').strip() == ''


# ---- docs/libvirt/README.md, word by word ----

# The fixtures have started both.
STARTS_DAEMON = 'virtlogd --daemon\nlibvirtd --daemon\n'
# test_launch.py follows these.
OTHERS = re.compile('virt-install|apparmor')


def test_follow(room):
    """All blocks, one after the other."""
    assert STARTS_DAEMON in README_BLOCKS
    for block in README_BLOCKS:
        if block != STARTS_DAEMON and not OTHERS.search(block):
            said = room.shell(block)
            if 'info upm' in block:
                assert 'ram0' in said and 'pc.ram' not in said
                assert 'emulated SEV-SNP processor' in said


def test_names(room):
    """Files that the text names exist."""
    for name in re.findall(r'\]\(([\w.-]+)\)', README):
        assert (TOP / 'docs/libvirt' / name).exists()


def test_messages():
    """Messages in the table are ones that the tests have seen."""
    table = README.split('| message |')[1].split('\n\n')[0]
    messages = re.findall(r'^\| `([^`]+)`', table, re.M)
    seen = [part for case in BAD.values() for part in case[2]]
    assert len(messages) == 8
    assert set(messages) - set(seen) == set()


def test_width():
    """80 columns, but for tables."""
    assert [line for line in README.splitlines()
            if len(line) > 80 and line[0] != '|'] == []
