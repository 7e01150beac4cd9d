# SPDX-License-Identifier: GPL-2.0-or-later
"""What "make install" has installed runs, and needs nothing of this tree."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from linux_guest import BUILD, LIMIT, LOGS, TOP, Guest, linux, snp

TOOLS = ('qemu-upm-doctor', 'qemu-upm-map')
NO_BYTECODE = {'PYTHONDONTWRITEBYTECODE': '1'}


def run(*words, status=0, **options):
    """Run a program with an empty environment; what it prints."""
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=LIMIT, check=False,
        cwd='/', env={'PATH': '/usr/bin:/bin', 'HOME': '/', 'LC_ALL': 'C',
                      **NO_BYTECODE, **options.pop('env', {})}, **options)
    assert done.returncode == status, (done.stdout + done.stderr)[-2000:]
    return done.stdout


@pytest.fixture(scope='module', name='prefix')
def install(tmp_path_factory):
    """Install, below a folder of the test's."""
    root = tmp_path_factory.mktemp('root')
    subprocess.run(['make', '-s', '-C', TOP, '-o', 'all', 'install',
                    f'DESTDIR={root}', 'PREFIX=/opt/upm'], check=True,
                   timeout=LIMIT, stdout=subprocess.DEVNULL,
                   env={**os.environ, 'UPM_BUILD': str(BUILD)})
    return root / 'opt/upm'


def test_files(prefix):
    """Nothing else is there, and no text names the machine it comes from."""
    assert sorted(os.listdir(prefix / 'bin')) == sorted([
        'qemu-img', 'qemu-system-x86_64', 'qemu-system-x86_64-snp-emulated',
        *TOOLS])
    assert sorted(os.listdir(prefix)) == ['bin', 'lib', 'share']
    assert not list(prefix.rglob('__pycache__'))
    for folder in 'lib', 'share/man', 'share/bash-completion':
        for file in (prefix / folder).rglob('*'):
            text = '' if file.is_dir() else file.read_text()
            assert str(TOP) not in text and str(prefix) not in text, file


def test_moved(prefix, tmp_path):
    """Links lead to where it is now."""
    for name in TOOLS:
        link = pathlib.Path(os.readlink(prefix / 'bin' / name))
        assert not link.is_absolute()
    (tmp_path / 'there').symlink_to(prefix)
    assert 'usage: ' in run(tmp_path / 'there/bin/qemu-upm-map', '--help')


def test_doctor(prefix):
    """It asks the QEMU beside it."""
    said = json.loads(run(prefix / 'bin/qemu-upm-doctor', '--json',
                          '--for', 'emulation'))
    assert said['possible'] == {'emulation': True}
    assert said['command-line'].startswith(
        f'{prefix}/bin/qemu-system-x86_64 ')


def test_guest_and_map(prefix):
    """Linux boots as an SNP guest, and its map is there."""
    folder = LOGS / 'functional/installed'
    guest = Guest('installed', *snp(), *linux(folder, 'sleep 1000'),
                  '-qmp', f'unix:{folder}/map.sock,server=on,wait=off',
                  binary=prefix / 'bin/qemu-system-x86_64-snp-emulated')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        guest.launch()
        guest.wait_for('userspace: ')
        said = json.loads(run(prefix / 'bin/qemu-upm-map', '--qmp',
                              f'{folder}/map.sock', '--json'))
        assert sum(part['size'] for part in said['ranges']
                   if part['state'] == 'private') > 500 << 20
    finally:
        guest.shutdown(hard=True)


@pytest.mark.parametrize('name', TOOLS)
def test_manual_page(prefix, name):
    """man has nothing to say against it, and each option is in it."""
    page = prefix / f'share/man/man1/{name}.1'
    done = subprocess.run(['man', '--warnings', '-l', '-Tutf8', page],
                          capture_output=True, text=True, check=True,
                          timeout=LIMIT, env={**os.environ, 'MANPAGER': 'cat',
                                              'MANWIDTH': '78',
                                              'MANROFFOPT': '-c'})
    assert done.stderr == ''
    text = re.sub('.\x08', '', done.stdout).replace('\u2010', '-')
    assert 'SYNOPSIS' in text
    words = run(prefix / 'bin' / name, '--help').split()
    options = {word.strip('[(,])') for word in words if '--' in word}
    for option in options:
        assert option in text, option


@pytest.mark.parametrize('name', TOOLS)
def test_completion(prefix, name):
    """bash completes an option from what the program says."""
    script = f'''
        . /usr/share/bash-completion/bash_completion
        . {prefix}/share/bash-completion/completions/{name}
        set -- $(complete -p {name})
        while [ "$1" != -F ]; do shift; done
        COMP_WORDS=({name} --js) COMP_CWORD=1 COMP_LINE='{name} --js'
        COMP_POINT=${{#COMP_LINE}}
        "$2" {name} --js {name}
        echo "${{COMPREPLY[@]}}"'''
    assert run('bash', '-c', script, env={
        'PATH': f'{prefix}/bin:/usr/bin:/bin'}).strip() == '--json'
