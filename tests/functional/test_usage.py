# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that are called in a wrong way, or where nothing is as it should
be: they say so, at once, with a status that tells, and leave nothing.
"""
import os
import signal
import subprocess
import sys
import time

import pytest

from linux_guest import BUILD, LIMIT, LOGS, TOP
from patience import run

sys.path.append(str(TOP / 'tools'))
# pylint: disable=wrong-import-position
from upm_doctor import host as doctor_host  # noqa: E402

# Each program with what it cannot take
WRONG = {
    'scripts/build': [[], ['--fast']],
    'scripts/check-hooks': [[], ['one', 'two'], ['--all']],
    'scripts/check-patches': [['--all']],
    'scripts/check-style': [[], ['one', 'two'], ['--all']],
    'scripts/deb': [[], ['everything'], ['build', 'one', 'two', 'three']],
    'scripts/debian-root': [[], ['--all'], ['run', '-b', '/tmp', '/tmp']],
    'scripts/demo': [
        ['--fast'], ['surplus'], ['--accel', 'xen'], ['--vcpus', '0'],
        ['--vcpus', '-1'], ['--vcpus', '256'], ['--vcpus', 'two'],
        ['--memory', 'much'], ['--memory', '0'], ['--memory', '-1G'],
        ['--memory', '1G,slots=2'], ['--limit', 'nan'], ['--limit', '-5'],
        ['--limit', 'inf'], ['--memory']],
    'scripts/demo-host': [['--fast'], ['--vcpus', '0'], ['--memory', 'much'],
                          ['--limit', '0'], ['surplus']],
    'scripts/equip': [[], ['--all']],
    'scripts/fetch': [[], ['everything'], ['package', 'trixie'],
                      ['programs', 'trixie'], ['kernel'], ['modules'],
                      ['kernel', 'a', 'b', 'c']],
    'scripts/host': [
        ['--fast'], ['--suite', 'potato'], ['--cpus', '0'],
        ['--memory', '3 G'], ['--limit', 'soon'], ['--kernel', '/no/kernel'],
        ['--kernel', '/tmp'], ['--modules', '/tmp'],
        ['--kernel', '/bin/true', '--modules', '/bin/true']],
    'scripts/install-tools': [[], ['one'], ['one', 'two', 'three']],
    'scripts/lab-kernel': [['-x']],
    'scripts/lay-over': [[], ['one'], ['one', 'two', 'three']],
    'scripts/series': [[], ['one', 'two', 'three']],
    'scripts/setup': [['--reinstall']],
    'scripts/tiny-initrd': [[], ['one', 'two'], ['--all']],
    'scripts/verifier': [['--all']],
    'bench/run': [['--fast'], ['surplus']],
    'tools/qemu-upm-doctor': [['--fast'], ['--guests', '0']],
    'tools/qemu-upm-map': [[], ['--fast']],
}
CASES = [(program, words) for program, list_ in WRONG.items()
         for words in list_]


def words_of(program, *words):
    """What runs a program, by the Python that runs the tests."""
    path = TOP / program
    with path.open(encoding='utf-8') as file:
        python = 'python3' in file.readline()
    return [*([sys.executable, '-B'] if python else []), str(path), *words]


def call(folder, program, *words, **variables):
    """Status, output and complaints of a program."""
    done = run(words_of(program, *words), LIMIT, cwd=folder, text=True,
               stdin=subprocess.DEVNULL,
               env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1',
                    'UPM_BUILD': str(folder / 'build'), **variables})
    return done.returncode, done.stdout, done.stderr


def test_all_programs():
    """No program is forgotten."""
    programs = {path.relative_to(TOP).as_posix()
                for folder in ('scripts', 'tools') for path in
                (TOP / folder).iterdir() if os.access(path, os.X_OK)
                and path.is_file() and path.suffix == ''}
    assert programs - set(WRONG) == set()


@pytest.mark.parametrize('program,words', CASES, ids=[
    ' '.join([program, *words]) for program, words in CASES])
def test_usage(tmp_path, program, words):
    """Usage, status 2, and nothing else happens; nothing has to be built."""
    began = time.monotonic()
    status, out, err = call(tmp_path, program, *words)
    assert (status, out) == (2, ''), err
    assert 'usage: ' in err and 'Traceback' not in err
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - began < LIMIT / 4


@pytest.mark.parametrize('program,words', [
    ('scripts/demo', ()), ('scripts/host', ('true',)),
    ('scripts/demo-host', ())])
def test_not_built(tmp_path, program, words):
    """Before "make all" that is what is said."""
    status, out, err = call(tmp_path, program, *words)
    name = program.rpartition('/')[2]
    assert status == 1 and out.strip() == ''
    assert err.splitlines()[-1] == \
        f'{name}: {tmp_path}/build/qemu-system-x86_64 is not built: make all'
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('program,words', [
    ('scripts/demo', ()), ('scripts/host', ('true',)),
    ('scripts/demo-host', ())])
def test_no_logs(tmp_path, program, words):
    """A folder that cannot be written to is named."""
    status, _, err = call(tmp_path, program, *words, UPM_BUILD=str(BUILD),
                          UPM_LOGS='/proc/nothing')
    assert status == 1
    assert '/proc/nothing' in err and 'Traceback' not in err
    assert list(tmp_path.iterdir()) == []


def test_demo_refused(tmp_path):
    """What QEMU says is handed on, and is all that is said."""
    status, _, err = call(tmp_path, 'scripts/demo', '--cpu', 'nothing',
                          UPM_BUILD=str(BUILD), UPM_LOGS=str(LOGS / 'usage'))
    assert status == 1
    assert "unable to find CPU model 'nothing'" in err
    assert err.startswith('demo: ') and 'Traceback' not in err


@pytest.mark.parametrize('program', ['scripts/demo', 'scripts/demo-host',
                                     'scripts/host', 'tools/qemu-upm-map',
                                     'tools/qemu-upm-doctor'])
def test_help(tmp_path, program):
    """Help is no error, and needs nothing that was built."""
    status, out, _ = call(tmp_path, program, '--help')
    assert status == 0 and out.startswith('usage: ')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('program,words', [
    ('tools/qemu-upm-doctor', ('--json',)),
    ('tools/qemu-upm-doctor', ('--for', 'emulation'))])
def test_full(program, words):
    """Output that nobody takes is an error, with its name."""
    with open('/dev/full', 'w', encoding='utf-8') as full:
        done = subprocess.run(words_of(program, *words), stdout=full, text=True,
                              stderr=subprocess.PIPE, check=False,
                              timeout=LIMIT)
    assert done.returncode == 1
    assert done.stderr == 'qemu-upm-doctor: output: No space left on ' \
        'device\n'


def test_doctor_stalls(tmp_path, monkeypatch):
    """A QEMU that says nothing is given up, with all that it has started."""
    monkeypatch.setattr(doctor_host, 'PATIENCE', 1)
    script = tmp_path / 'qemu'
    script.write_text(f'#!/bin/sh\nsleep 3600\necho >{tmp_path}/over\n')
    script.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(doctor_host.HostError) as error:
        doctor_host.Host(str(script)).qemu('--version')
    assert f'{script}: no answer within 1 s' in str(error.value)
    assert time.monotonic() - began < 60


def test_interrupted(tmp_path):
    """Ctrl-C ends a demo, its guest and all, with a word.

    What runs in a shell's background ignores it, and so would the demo.
    """
    with subprocess.Popen(
            ['env', '--default-signal=INT',
             *words_of('scripts/demo', '--memory', '256M')], cwd=tmp_path,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True, stdin=subprocess.DEVNULL,
            env={**os.environ, 'UPM_LOGS': str(tmp_path / 'logs')}) as demo:
        log = tmp_path / 'logs/demo/serial.log'
        for _ in range(int(10 * LIMIT)):
            if demo.poll() is not None or log.exists() and \
                    log.stat().st_size:
                break
            time.sleep(0.1)
        demo.send_signal(signal.SIGINT)
        _, err = demo.communicate(timeout=LIMIT)
    assert demo.returncode == 1
    assert err.endswith('demo: interrupted\n') and 'Traceback' not in err
    # Nobody of its group is left.
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)
