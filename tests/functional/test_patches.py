# SPDX-License-Identifier: GPL-2.0-or-later
"""The hook patches are chosen by QEMU's version, and only by that."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from linux_guest import BUILD, TOP

SERIES = TOP / 'scripts/series'
PATCHES = sorted((TOP / 'patches').glob('*.patch'))
SCRIPTS = ['check-hooks', 'check-patches', 'common.sh', 'series']
# Lines that all patches together may add: those of the host world, and others
MOST_HOST = 200
MOST = 340


def run(*args, **options):
    """Run a script, return its status and what it printed."""
    done = subprocess.run(args, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, check=False, **options)
    return done.returncode, done.stdout, done.stderr


def source(folder, version):
    """Make what looks like a source of QEMU, and has a version only."""
    (folder / 'qapi').mkdir(parents=True)
    (folder / 'qapi/misc-i386.json').touch()
    (folder / 'qapi/misc-target.json').touch()
    (folder / 'VERSION').write_text(f'{version}\n')
    return folder


@pytest.mark.parametrize('version, mine, other', [
    ('10.0.13', '10.0', '10.2'), ('10.2.2', '10.2', '10.0')])
def test_chosen(tmp_path, version, mine, other):
    """The version tells which patches, whichever files there are."""
    status, names, _ = run(SERIES, source(tmp_path / 'qemu', version))
    assert status == 0
    assert f'0016-sev-query-qapi-{mine}.patch' in names.split()
    assert f'0016-sev-query-qapi-{other}.patch' not in names.split()
    assert names.split() == sorted(names.split())
    assert '0001-upm-core.patch' in names.split()


def test_all_listed():
    """No patch is forgotten."""
    text = (TOP / 'patches/series').read_text()
    listed = re.findall(r'^(\S+\.patch)', text, re.M)
    assert listed == [patch.name for patch in PATCHES]


@pytest.mark.parametrize('version', ['9.2.4', '10.1.5', '11.1.3', '100.0.1'])
def test_not_supported(tmp_path, version):
    """What there are no patches for is named, with what there are some for."""
    folder = source(tmp_path / 'qemu', version)
    message = f'series: no hook patches for QEMU {version}: supported are ' \
              '10.0.x, 10.2.x\n'
    assert run(SERIES, folder) == (1, '', message)
    status, out, err = run(SERIES, folder, tmp_path / 'stage')
    assert (status, out, err) == (1, '', message)
    assert not (tmp_path / 'stage').exists()


def test_no_source(tmp_path):
    """A folder without a version is none."""
    status, _, err = run(SERIES, tmp_path)
    assert status == 1
    assert 'is not a source of QEMU: it has no file VERSION' in err


def test_all_that_fail(tmp_path):
    """A source that takes no patch is told of each."""
    folder = source(tmp_path / 'qemu', '10.0.13')
    status, _, err = run(SERIES, folder, tmp_path / 'stage')
    assert status == 1
    wanted = run(SERIES, folder)[1].split()
    for name in wanted:
        assert f'{name} does not apply to QEMU 10.0.13' in err


@pytest.mark.parametrize('is_host, most', [(False, MOST), (True, MOST_HOST)])
def test_few_lines(is_host, most):
    """Patches only call, so they are short."""
    added = [line for patch in PATCHES
             if patch.name.startswith('005') == is_host
             for line in re.findall(r'^\+[^+].*', patch.read_text(), re.M)]
    assert len(added) < most


@pytest.mark.parametrize('path', sorted((TOP / 'qapi').glob('*.json')),
                         ids=lambda path: path.name)
def test_qapi_width(path):
    """QEMU 10.2 refuses long lines of documentation, but for examples."""
    text = re.sub(r'^# \.\. qmp-example::\n(#\n|#  .*\n| .*\n)*', '',
                  path.read_text(), flags=re.M)
    assert not re.findall(r'^#.{70,}', text, re.M)


class Room:
    """The scripts of a checkout, with an apt that offers what a test says."""

    def __init__(self, folder):
        self.folder = folder
        (folder / 'scripts').mkdir()
        for name in SCRIPTS:
            shutil.copy(TOP / 'scripts' / name, folder / 'scripts')
        shutil.copytree(TOP / 'patches', folder / 'patches')
        self.pristine = (BUILD / 'qemu/.pristine').read_text().strip()
        self.version = pathlib.Path(self.pristine,
                                    'VERSION').read_text().strip()

    def offer(self, *versions):
        """Have apt name versions; it only gives the one that was built."""
        fetch = self.folder / 'scripts/fetch'
        fetch.write_text(f'''#!/bin/sh
case $1,$2 in
offers,*) printf '%s\\n' {' '.join(versions)} ;;
source,{self.version}) echo {self.pristine} ;;
*) echo "gone: $2" >&2; exit 1 ;;
esac
''')
        os.chmod(fetch, 0o755)

    def check(self, *args):
        """Run check-patches, return status, {version: result} and stderr."""
        status, out, err = run(self.folder / 'scripts/check-patches', *args)
        table = {line.split()[0]: ' '.join(line.split()[1:])
                 for line in out.splitlines()[1:]}
        return status, table, err


@pytest.fixture
def room(tmp_path):
    """A checkout of its own."""
    return Room(tmp_path)


def test_wrong_list(room):
    """A patch is for what is supported, or the list is wrong."""
    with open(room.folder / 'patches/series', 'a', encoding='utf-8') as series:
        series.write('0099-one.patch 10.1\n')
    status, out, err = run(room.folder / 'scripts/series', room.pristine)
    assert (status, out) == (1, '')
    assert err == 'series: 0099-one.patch is for 10.1, which is not ' \
                  'supported\n'


def test_check(room):
    """The source that was built takes all of them."""
    assert room.check(room.pristine)[:2] == (0, {room.version: 'yes yes'})


def test_check_not_offered(room):
    """What apt does not give was not tried, and that is no success."""
    room.offer(f'1:{room.version}+ds-0+deb13u1', '1:10.2.99+ds-1',
               '1:11.1.3+ds-1')
    status, table, err = room.check()
    assert status == 1
    assert table == {room.version: 'yes yes',
                     '10.2.99': '- not offered: its files are gone',
                     '11.1.3': '- not supported'}
    assert 'no QEMU 10.2.x could be had' in err
    room.offer(f'1:{room.version}+ds-0+deb13u1')
    status, table, err = room.check()
    assert status == 1
    assert table == {room.version: 'yes yes', '10.2.x': '- not offered'}


def test_check_failure(room):
    """A patch that does not apply, and a hook that is not where it belongs."""
    name = '0006-upm-hmp.patch'
    patch = room.folder / 'patches' / name
    good = patch.read_text()
    patch.write_text(re.sub(r'^ ERST$', ' ERST of another', good, count=1,
                            flags=re.M))
    status, table, _ = room.check(room.pristine)
    assert (status, table[room.version]) == (1, f'- no: {name}')
    patch.write_text(good)
    with open(room.folder / 'patches/hooks', 'a', encoding='utf-8') as hooks:
        hooks.write('system/physmem.c ram_block_add no_such_hook();\n')
    status, table, err = room.check(room.pristine)
    assert (status, table[room.version]) == (1, 'no yes')
    assert 'no_such_hook' in err
