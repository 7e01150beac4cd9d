# SPDX-License-Identifier: GPL-2.0-or-later
"""What management software needs: capabilities by name, and a free hand."""
import base64
import json
import subprocess

import pytest

from linux_guest import LIMIT, QEMU, snp

# How libvirt asks a binary what it can do
PROBE = ['-S', '-no-user-config', '-nodefaults', '-nographic',
         '-machine', 'none,accel=kvm:tcg', '-qmp', 'stdio']
# A certificate of the Secure Encrypted Virtualization API, appendix C
CERT_SIZE = 0x824
OTHER = ['-object', 'memory-backend-memfd,id=pc.ram,size=256M,share=on']


def capabilities(name, folder):
    """Return the reply to query-sev-capabilities under a name of QEMU."""
    link = folder / name
    link.unlink(missing_ok=True)
    link.symlink_to(QEMU.resolve())
    commands = 'qmp_capabilities', 'query-sev-capabilities', 'quit'
    done = subprocess.run(
        [link, *PROBE], input=''.join(json.dumps({'execute': command})
                                      for command in commands),
        capture_output=True, text=True, timeout=LIMIT, check=True)
    return json.loads(done.stdout.splitlines()[2])


@pytest.mark.parametrize('name', ['qemu-system-x86_64', 'snp-emulated',
                                  'qemu-snp-emulated-not'])
def test_no_consent(folder, name):
    """Under another name the emulated platform does not pass for a host's."""
    reply = capabilities(name, folder)
    assert 'emulated' not in base64.b64decode(
        reply.get('return', {}).get('cpu0-id', '')).decode(errors='replace')


def test_consent(folder):
    """The name is the operator's consent, and the answer says what it is."""
    reply = capabilities('qemu-system-x86_64-snp-emulated', folder)['return']
    assert (reply['cbitpos'], reply['reduced-phys-bits']) == (51, 1)
    assert base64.b64decode(reply['cpu0-id']).startswith(b'emulated SEV-SNP')
    assert len(base64.b64decode(reply['pdh'])) == CERT_SIZE
    assert len(base64.b64decode(reply['cert-chain'])) == 3 * CERT_SIZE


def test_guest_decides(start):
    """With a guest, its platform answers, whatever the name."""
    guest = start('-S', *[arg.replace('cbitpos=51', 'cbitpos=47')
                          for arg in snp(memory='256M')])
    assert guest.cmd('query-sev-capabilities')['cbitpos'] == 47


def test_name_allows_fallback(start, folder):
    """A list of accelerators may end at TCG under that name."""
    link = folder / 'x-snp-emulated'
    link.unlink(missing_ok=True)
    link.symlink_to(QEMU.resolve())
    guest = start('-S', '-accel', 'kvm,device=/dev/null', *snp(memory='256M'),
                  binary=link)
    assert 'nothing in this guest is confidential' in guest.messages()


def test_replaces(start):
    """An unused backend goes without a trace."""
    guest = start('-S', *OTHER,
                  *snp(memory='256M', backend=',replaces=pc.ram'))
    assert [dev['id'] for dev in guest.cmd('query-memdev')] == ['ram0']
    assert 'pc.ram' not in [block['id']
                            for block in guest.cmd('query-upm')['blocks']]


@pytest.mark.parametrize('args,message', [
    (OTHER + snp(memory='512M', backend=',replaces=pc.ram'),
     'replaces=pc.ram: that one has 256 MiB, and the guest is to have as much'),
    (snp(backend=',replaces=pc.ram'),
     'replaces=pc.ram: there is no other memory backend of this name'),
    (snp(backend=',replaces=ram0'),
     'replaces=ram0: there is no other memory backend of this name'),
    (snp(backend=',replaces=sev0'),
     'replaces=sev0: there is no other memory backend of this name'),
], ids=['size', 'missing', 'itself', 'no-backend'])
def test_cannot_replace(refusal, args, message):
    """What has no room to give is named."""
    assert message in refusal(*args)


def test_in_use(start):
    """Memory that the guest has stays."""
    guest = start('-S', '-object', 'memory-backend-memfd-private,id=one,'
                  'size=128M', *snp(memory='256M'))
    reply = guest.cmd('human-monitor-command', **{
        'command-line': 'object_add memory-backend-memfd-private,id=two,'
                        'size=256M,replaces=ram0'})
    assert 'in use' in reply
    reply = guest.cmd('human-monitor-command', **{
        'command-line': 'object_add memory-backend-memfd-private,id=two,'
                        'size=128M,replaces=one'})
    assert reply == ''
    assert {dev['id'] for dev in guest.cmd('query-memdev')} == {'ram0', 'two'}


def test_counting_after_removal(start):
    """Memory is not looked at any more once its backend is gone.

    What QEMU frees a moment later must not be counted in that moment.
    """
    guest = start('-S', *snp(memory='256M'))
    for _ in range(8):
        guest.cmd('object-add', qom_type='memory-backend-ram', id='extra',
                  size=256 << 20)
        assert 'extra' in [block['id']
                           for block in guest.cmd('query-upm')['blocks']]
        guest.cmd('object-del', id='extra')
        info = guest.cmd('query-upm', count_resident=True)
        assert 'extra' not in [block['id'] for block in info['blocks']]
    assert guest.cmd('query-status')['running'] is False
