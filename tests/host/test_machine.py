# SPDX-License-Identifier: GPL-2.0-or-later
"""-machine snp-host=on: where it can be, and what it says."""
import json
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'functional'))
# pylint: disable=wrong-import-position
from linux_guest import LIMIT, QEMU  # noqa: E402

HOST = ('-machine', 'q35,snp-host=on', '-accel', 'tcg', '-cpu', 'EPYC-Milan')
SAID = 'snp-host=on: SEV-SNP is emulated, nothing on this machine is ' \
       'confidential'
LACKS = re.compile('warning: TCG lacks ([0-9]+) features of the CPU model, '
                   'the guest does without: (pcid .*)')
GUEST = ('-object', 'sev-snp-guest,id=snp,cbitpos=51,reduced-phys-bits=1')


def start(*arguments, commands=()):
    """Start QEMU, send QMP commands, end it: status, messages, answers."""
    lines = ['{"execute": "qmp_capabilities"}',
             *(json.dumps(command) for command in commands),
             '{"execute": "quit"}']
    done = subprocess.run(
        [QEMU, '-nodefaults', '-display', 'none', '-S', '-qmp', 'stdio',
         *arguments], input='\n'.join(lines), text=True, capture_output=True,
        check=False, timeout=LIMIT)
    messages = [line.removeprefix('qemu-system-x86_64: ')
                for line in done.stderr.splitlines()]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, messages, [answer for answer in answers
                                       if 'return' in answer or
                                       'error' in answer][1:-1]


@pytest.mark.parametrize('arguments, message', [
    (('-machine', 'pc,snp-host=on'),
     'snp-host=on needs an IOMMU, which a machine of type '
     "'pc-i440fx-10.0' cannot have; use -machine q35"),
    (('-machine', 'microvm,snp-host=on'),
     'snp-host=on needs an IOMMU, which a machine of type '
     "'microvm' cannot have; use -machine q35"),
    (('-machine', 'q35,snp-host=on'),
     'snp-host=on needs an AMD processor of family 19h or later; use -cpu '
     'EPYC-Milan or -cpu EPYC-Genoa'),
    ((*HOST[:4], '-cpu', 'EPYC-Rome'),
     'snp-host=on needs an AMD processor of family 19h or later; use -cpu '
     'EPYC-Milan or -cpu EPYC-Genoa'),
    ((*HOST[:4], '-cpu', 'EPYC-Milan,svm=off'),
     'snp-host=on is there to run guests; leave svm=on in -cpu'),
    ((*HOST, '-m', '255'),
     'snp-host=on needs 256 MiB of RAM at least, give more with -m'),
    (('-machine', 'q35,snp-host=on,confidential-guest-support=snp',
      '-accel', 'tcg', '-cpu', 'EPYC-Milan', *GUEST),
     'snp-host=on makes a host of the machine, and '
     'confidential-guest-support a guest: give one of them'),
    (('-machine', 'q35,snp-host=on', '-accel', 'qtest', '-cpu', 'EPYC-Milan'),
     'snp-host=on emulates a processor: it needs -accel tcg'),
    ((*HOST, '-m', '512', '-device', 'amd-iommu'),
     'QEMU does not support multiple vIOMMUs'),
])
def test_refused(arguments, message):
    status, messages, _ = start(*arguments)
    assert status == 1
    assert message in messages[-1].replace('-10.2', '-10.0')


def test_says_so():
    """Emulation never passes for hardware."""
    status, messages, _ = start(*HOST, '-m', '512')
    assert status == 0
    assert f'warning: {SAID}' in messages


@pytest.mark.parametrize('cpus', [1, 4])
def test_lacks(cpus):
    """What TCG lacks is told in one line, however many vCPUs there are."""
    status, messages, _ = start(*HOST, '-m', '512', '-smp', str(cpus))
    assert status == 0
    line, = [line for line in messages if 'TCG' in line]
    count, names = LACKS.fullmatch(line).groups()
    assert int(count) == len(set(names.split())) > 5
    status, messages, _ = start(*HOST[:-1], 'EPYC-Milan,check=off',
                                '-m', '512', '-smp', str(cpus))
    assert status == 0
    assert messages == [f'warning: {SAID}']


def test_lacks_enforced():
    """Who insists on them is told each, and QEMU ends."""
    status, messages, _ = start(*HOST[:-1], 'EPYC-Milan,enforce=on',
                                '-m', '512')
    assert status == 1
    assert features(messages, UNSUPPORTED) == lacking()
    assert "doesn't support requested features" in messages[-1]


UNSUPPORTED = "TCG doesn't support requested feature: "
DEPENDS = 'This feature depends on other features that were not requested: '


def features(messages, words):
    """The names in QEMU's own lines, as in CPUID.01H:ECX.pcid [bit 17]."""
    return sorted(re.search(r'\.([\w-]+) \[bit', line)[1]
                  for line in messages if words in line)


def lacking():
    """The names in the line that is ours; their number is QEMU's matter."""
    _, messages, _ = start(*HOST, '-m', '512')
    line, = [line for line in messages if 'TCG' in line]
    return sorted(LACKS.fullmatch(line)[2].split())


def test_told_by_qemu():
    """What is there all the same, and what depends on others, has its line."""
    status, messages, _ = start(*HOST[:-1], 'EPYC-Milan,x-force-features=on',
                                '-m', '512')
    assert status == 0
    assert features(messages, UNSUPPORTED) == lacking()
    _, messages, _ = start(*HOST[:-1], 'EPYC-Milan,svm=off', '-m', '512')
    assert {'npt', 'nrip-save', 'vgif'} <= set(features(messages, DEPENDS))


def test_no_migration():
    """Its state is not all of it in the machine's."""
    status, _, answers = start(*HOST, '-m', '512', commands=[
        {'execute': 'query-migrate'},
        {'execute': 'migrate', 'arguments': {'uri': 'exec:cat >/dev/null'}}])
    assert status == 0
    assert 'snp-host=on: the state of an emulated SEV-SNP host cannot be ' \
        'migrated or saved' in answers[0]['return']['blocked-reasons']
    assert 'error' in answers[1]


@pytest.mark.parametrize('value', [True, False])
def test_fixed(value):
    """Not while the machine runs."""
    status, _, answers = start('-machine', 'q35', '-accel', 'tcg', commands=[
        {'execute': 'qom-set', 'arguments': {
            'path': '/machine', 'property': 'snp-host', 'value': value}},
        {'execute': 'qom-get', 'arguments': {
            'path': '/machine', 'property': 'snp-host'}}])
    assert status == 0
    assert ('error' in answers[0]) == value
    assert answers[1] == {'return': False}


def test_off():
    """An ordinary machine has none of it."""
    status, messages, answers = start(
        '-machine', 'q35,snp-host=off', '-accel', 'tcg',
        '-cpu', 'EPYC-Milan,check=off',
        commands=[{'execute': 'qom-list', 'arguments': {'path': '/machine'}},
                  {'execute': 'query-pci'}])
    assert (status, messages) == (0, [])
    names = [entry['name'] for entry in answers[0]['return']]
    assert 'snp-host' in names
    assert 'snp-host-state' not in names
    devices = [device for bus in answers[1]['return']
               for device in bus['devices']]
    assert devices
    assert 0x1022 not in [device['id']['vendor'] for device in devices]
