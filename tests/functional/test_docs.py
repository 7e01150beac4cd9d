# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual can be built, and names nothing that the binary does not have."""
import mmap
import os
import re
import subprocess
import sys

import pytest

from test_snp_launch_errors import ERRORS

from linux_guest import BUILD, LIMIT, QEMU, TOP, QEMUMachine
from patience import run

FOLDER = 'docs/system/i386'
PAGES = ['amd-sev-emulated', 'amd-sev-snp-attestation', 'amd-sev-snp-costs',
         'amd-sev-snp-emulated', 'amd-sev-snp-errors', 'amd-sev-snp-host',
         'amd-sev-snp-host-firmware', 'amd-sev-snp-launch',
         'amd-sev-snp-processor', 'upm', 'upm-backend', 'upm-build', 'upm-ci',
         'upm-monitor', 'upm-operation', 'upm-symptoms', 'upm-tools',
         'upm-versions']
# A page of QEMU's own that ours point to
NEIGHBOUR = 'amd-memory-encryption'
# QOM type whose properties an option has, by the option's first value
MACHINE = 'q35'
CPU = 'EPYC-v4-x86_64-cpu'
DEVICES = ['pc-dimm']


def page(name):
    """Return the source of a page of ours."""
    return (TOP / FOLDER / f'{name}.rst').read_text(encoding='utf-8')


TEXT = '\n'.join(map(page, PAGES))
# Inline literals on one line each, and all text with command lines joined
LITERALS = [' '.join(text.split()) for text in
            re.findall(r'(?<![`\w])``([^`]+)``', TEXT)]
JOINED = re.sub(r' ?\\\\?\n\s*', ' ', re.sub(r',\\\\?\n\s*', ',', TEXT))


def test_build(folder):
    """Sphinx, as QEMU sets it up, has nothing to say about our pages."""
    try:
        import sphinx  # noqa: F401 pylint: disable=unused-import
    except ImportError:
        pytest.skip('python3-sphinx is not installed: make docs installs it')
    tree = BUILD / 'qemu'
    source, html = folder / 'source', folder / 'html'
    source.mkdir(exist_ok=True)
    for name in PAGES + [NEIGHBOUR]:
        copy = source / f'{name}.rst'
        copy.write_bytes((tree / FOLDER / copy.name).read_bytes())
    (source / 'index.rst').write_text(
        'Pages\n=====\n\n.. toctree::\n\n' +
        ''.join(f'   {name}\n' for name in PAGES + [NEIGHBOUR]))
    done = run(
        [sys.executable, '-B', '-m', 'sphinx', '-q', '-E', '-W',
         '--keep-going', '-n', '-c', tree / 'docs', '-b', 'html',
         '-Dversion=test', source, html], LIMIT,
        env=dict(os.environ, CONFDIR='/etc/qemu'), text=True)
    (folder / 'sphinx.log').write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    for name in PAGES:
        assert (html / f'{name}.html').stat().st_size > 10000


def test_in_manual():
    """QEMU's manual has our pages in its table of contents, or below one."""
    contents = (BUILD / 'qemu/docs/system/target-i386.rst').read_text()
    below = re.findall(r'^   ([\w-]+)$', '\n'.join(re.findall(
        r'^\.\. toctree::\n(?:   .*\n|\n)*', TEXT, re.M)), re.M)
    for name in PAGES:
        assert f'   i386/{name}\n' in contents or name in below


def test_width():
    """80 columns, as everywhere."""
    assert [line for line in TEXT.splitlines() if len(line) > 80] == []


class Binary:
    """What QEMU says of itself."""

    def __init__(self, qemu):
        self.qemu = qemu
        self.schema = qemu.cmd('query-qmp-schema')
        self.commands = {item['name'] for item in self.schema
                         if item['meta-type'] in ('command', 'event')}
        self.members, self.values = set(), set()
        for item in self.schema:
            self.members |= {m['name'] for m in item.get('members', [])
                             if 'name' in m}
            self.values |= set(item.get('values', []))
            self.values |= {v['case'] for v in item.get('variants', [])
                            if 'case' in v}
        machine = next(m['name'] for m in qemu.cmd('query-machines')
                       if m.get('alias') == MACHINE)
        self.types = {t['name'] for t in qemu.cmd('qom-list-types')}
        self.models = {m['name'] for m in qemu.cmd('query-cpu-definitions')}
        self.monitor = {'info'} | self.monitor_commands('help') | {
            f'info {name}' for name in self.monitor_commands('help info')}
        self.options = set(re.findall(r'^(-[\w-]+)', qemu_says('-help'),
                                      re.M))
        self.events = set(qemu_says('-trace', 'help').split())
        self.machine = self.properties(f'{machine}-machine') | {
            'confidential-guest-support', 'accel'}

    def monitor_commands(self, line):
        """Return the names that help lists, with all their aliases."""
        text = self.qemu.cmd('human-monitor-command',
                             **{'command-line': line})
        names = re.findall(r'^(?:info )?(\S+)', text, re.M)
        return {name for entry in names for name in entry.split('|')}

    def properties(self, name):
        """Return a type's properties."""
        command = 'device-list-properties' if name in DEVICES \
            else 'qom-list-properties'
        return {prop['name'] for prop in
                self.qemu.cmd(command, typename=name)}

    def of_option(self, option, kind):
        """Return what may follow OPTION KIND, or None where all may."""
        if option in ('-object', 'object_add'):
            return self.properties(kind) | {'id'}
        if option in ('-device', 'device_add'):
            return self.properties(kind) | {'id'}
        if option == '-machine':
            return self.machine
        if option == '-accel':
            return self.properties(f'{kind}-accel')
        if option == '-cpu':
            return self.properties(CPU)
        return None


def qemu_says(*args):
    """Return what QEMU prints."""
    return subprocess.run([QEMU, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LIMIT,
                          check=True).stdout


@pytest.fixture(scope='module')
def binary(tmp_path_factory):
    """The QEMU that was built, without a machine."""
    folder = str(tmp_path_factory.mktemp('docs'))
    qemu = QEMUMachine(str(QEMU), ['-machine', 'none', '-nodefaults'],
                       base_temp_dir=folder, log_dir=folder)
    qemu.launch()
    try:
        yield Binary(qemu)
    finally:
        qemu.shutdown(hard=True)


def test_command_lines(binary):
    """Types and properties in command lines exist."""
    uses = re.findall(r'(?<![\w-])(-object|-device|-machine|-accel|-cpu|'
                      r'object_add|device_add) ([\w-]+)((?:,[\w-]+'
                      r'(?:=[^\s,`]*)?)*)', JOINED)
    assert len(uses) > 20
    wrong = []
    for option, kind, rest in uses:
        if option in ('-object', 'object_add') and kind not in binary.types:
            wrong.append(f'{option} {kind}')
            continue
        known = binary.of_option(option, kind)
        wrong += [f'{option} {kind},{name}' for name in
                  re.findall(r',([\w-]+)', rest) if name not in known]
    # A property may come first, as in -machine smm=on.
    wrong += [f'-machine {name}' for name in
              re.findall(r'-machine ([\w-]+)=', JOINED)
              if name not in binary.machine]
    assert not wrong


def test_options_of_backend(binary):
    """The list of the backend's options is right, and complete."""
    kind = 'memory-backend-memfd-private'
    told = {name for term in re.findall(r'^``\w.*', page('upm-backend'), re.M)
            for name in re.findall(r'``([\w-]+)=', term)}
    has = {name for name in binary.properties(kind)
           if not name.startswith('x-')} - {'type'}
    assert told == has


def test_names(binary):
    """Commands, properties, values and events in the text exist."""
    known = (binary.commands | binary.members | binary.values |
             binary.monitor | binary.types | binary.models | binary.machine |
             binary.properties('sev-snp-guest') |
             binary.properties('memory-backend-memfd-private') |
             binary.properties(CPU) | binary.properties('tcg-accel') |
             {field for fields in trace_events().values()
              for field in fields.split(', ')})
    wrong = []
    for text in LITERALS:
        first = text.split()[0]
        if text.startswith('--'):
            continue
        if text.startswith('-'):
            good = first in binary.options
        elif re.fullmatch(r'(snp|psp|upm)_\w+', text):
            good = text in binary.events
        elif text.startswith('UPM_'):
            good = text in binary.commands
        elif re.fullmatch(r'info [\w-]+', text):
            good = text in binary.monitor
        elif re.fullmatch(r'[a-z][a-z0-9-]*', text) or \
                text.startswith('EPYC'):
            good = text in known
        elif re.fullmatch(r'[a-z][a-z0-9-]*=\S*', text):
            good = text.split('=')[0] in known
        else:
            continue
        if not good:
            wrong.append(text)
    # -drive's options are in no list.
    assert sorted(set(wrong) - {'if=pflash'}) == []


def test_options_of_programs():
    """Each section of a program names all of its options, and no others."""
    sections = re.split(r'^(qemu-upm-\w+)\n-+\n', page('upm-tools'),
                        flags=re.M)[1:]
    assert len(sections) >= 4
    for program, text in zip(sections[::2], sections[1::2]):
        said = subprocess.run(
            [sys.executable, '-B', TOP / 'tools' / program, '--help'],
            capture_output=True, text=True, timeout=LIMIT, check=True).stdout
        has = set(re.findall(r'^ +(?:-\w, )?(--[\w-]+)', said, re.M))
        assert set(re.findall(r'(--[\w-]+)', ' '.join(
            re.findall(r'``([^`]+)``', text)))) == has - {'--help'}


def trace_events():
    """Return the fields of each trace event of the core and of KVM."""
    found = re.findall(r'^(\w+)\((.*?)\) "',
                       (TOP / 'upm/trace-events').read_text(), re.M)
    return {name: ', '.join(field.split()[-1].lstrip('*')
                            for field in fields.split(','))
            for name, fields in found}


def test_trace_events():
    """Each trace event is in the manual's table, with its fields."""
    has = trace_events()
    assert len(has) > 10
    told = dict(re.findall(r'^   \* - ``(upm_\w+)\(([^)]*)\)``$',
                           page('upm-monitor'), re.M))
    assert told == has


def test_counters(binary):
    """Each member that query-upm counts with has its meaning in the manual."""
    told = set()
    table = re.search(r'   \* - Counter\n(.*?)\n\n', page('upm-monitor'),
                      re.S)[1]
    for cell in re.findall(r'   \* - (.*?)\n     - ', table, re.S):
        told |= set(re.findall(r'``([\w-]+)``', cell))
    types = {item['name']: item for item in binary.schema}
    info = types[types['query-upm']['ret-type']]
    has = set()
    for members in (info['members'], *(
            types[types[member['type']]['element-type']]['members']
            for member in info['members'] if member['name'] in
            ('blocks', 'conversions'))):
        has |= {member['name'] for member in members
                if member['type'] == 'int'}
    assert told == has - {'size'}


def test_transcripts(binary):
    """JSON and monitor commands in transcripts exist."""
    keys = set(re.findall(r'"([a-z-]+)":', TEXT))
    assert keys - binary.members <= {'execute', 'arguments', 'return'}
    assert set(re.findall(r'"execute": "([\w-]+)"', TEXT)) <= binary.commands
    lines = re.findall(r'^ *\(qemu\) (\S+)(?: (\S+))?', TEXT, re.M)
    assert lines
    for name, what in lines:
        assert name in binary.monitor
        assert name != 'info' or f'info {what}' in binary.monitor


def messages(text):
    """Return the first cell of each row of the tables of messages."""
    tables = re.findall(r'^   \* - Message\n(.*?)\n\n', text, re.M | re.S)
    cells = [re.match(r'``([^`]+)``', cell) for table in tables
             for cell in table.split('   * - ')[1:]]
    return [' '.join(cell[1].split()) for cell in cells]


def test_launch_errors():
    """A test brings about each launch error of the manual, and no other."""
    section = re.search(r'^Launch errors\n-+\n(.*?)^[^\n]+\n-+\n',
                        page('amd-sev-snp-errors'), re.M | re.S)[1]
    listed = messages(section)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(ERRORS)


def test_messages():
    """Messages in the tables are the binary's own."""
    listed = set(messages(TEXT)) - set(ERRORS)
    assert len(listed) > 15
    missing = []
    with open(QEMU, 'rb') as file, \
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as image:
        for message in listed:
            for part in message.split('...'):
                part = part.strip(" ,.:'")
                if len(part) > 3 and image.find(part.encode()) < 0:
                    missing.append(part)
    assert not missing


def test_commands():
    """The table of the emulated firmware has its commands, and no others."""
    folder = TOP / 'target/i386/psp'
    commands = set(re.findall(r'PSP_CMD_(\w+) = 0x',
                              (folder / 'host-abi.h').read_text()))
    commands |= {f'SNP_{name}' for name in
                 re.findall(r'PSP_SNP_(\w+) = 0x',
                            (folder / 'command-abi.h').read_text())}
    rows = re.findall(r'^   \* - ([A-Z].*?)\n     -(.*?)(?=\n   \* -|\n\n)',
                      page('amd-sev-snp-host-firmware'), re.M | re.S)
    listed = [name for names, text in rows if 'INVALID_COMMAND' not in text
              for name in re.split(r',\s+', names)]
    assert len(commands) > 45
    assert sorted(listed) == sorted(commands)
