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
SUPPORTED = re.search(r'^supported (.*)', (TOP / 'patches/series').read_text(),
                      re.M)[1].split()
# What check-patches says where it builds nothing
UNTRIED = ['not tried'] * 3


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


@pytest.mark.parametrize('version', ['10.1.5', '11.1.3', '9.2.4'])
def test_nearest(tmp_path, version):
    """On request others are tried with what is there for the nearest one."""
    folder = source(tmp_path / 'qemu', version)
    nearest = '10.2' if version == '11.1.3' else '10.0'
    status, names, err = run(SERIES, '-t', folder)
    assert status == 0
    assert f'0016-sev-query-qapi-{nearest}.patch' in names.split()
    assert f'QEMU {version} is not supported, trying the hook patches of ' \
           f'{nearest}\n' in err


@pytest.mark.parametrize('is_host, most', [(False, MOST), (True, MOST_HOST)])
def test_few_lines(is_host, most):
    """Patches only call, so they are short."""
    added = [line for path in PATCHES
             if path.name.startswith('005') == is_host
             for line in re.findall(r'^\+[^+].*', path.read_text(), re.M)]
    assert len(added) < most


@pytest.mark.parametrize('path', sorted((TOP / 'qapi').glob('*.json')),
                         ids=lambda path: path.name)
def test_qapi_width(path):
    """QEMU 10.2 refuses long lines of documentation, but for examples."""
    text = re.sub(r'^# \.\. qmp-example::\n(#\n|#  .*\n| .*\n)*', '',
                  path.read_text(), flags=re.M)
    assert not re.findall(r'^#.{70,}', text, re.M)


def hooks():
    """Yield (files, place, text) of each line of patches/hooks."""
    for line in (TOP / 'patches/hooks').read_text().splitlines():
        if line and not line.startswith('#'):
            paths, place, text = line.split(None, 2)
            yield paths.split('|'), place, text.strip()


def hunks():
    """Yield (file, added lines) of each hunk of each patch."""
    for patch in PATCHES:
        parts = re.split(r'^(?=--- a/|@@)', patch.read_text(), flags=re.M)
        path = None
        for part in parts[1:]:
            name = re.search(r'^\+\+\+ b/(\S+)', part, re.M)
            path = name[1] if name else path
            if part.startswith('@@'):
                yield path, re.findall(r'^\+(.*)', part, re.M)


def test_documents_listed():
    """Each hunk in a schema or in the manual has its place."""
    listed = list(hooks())
    for path, added in hunks():
        if pathlib.Path(path).suffix in ('.json', '.rst', '.hx'):
            assert any(path in paths and text in line
                       for paths, _, text in listed for line in added), \
                f'{path}: {added}'


@pytest.fixture(scope='module', name='pristine')
def find_pristine():
    """The source that was built."""
    return pathlib.Path((BUILD / 'qemu/.pristine').read_text().strip())


@pytest.fixture(name='stage')
def make_stage(tmp_path, pristine):
    """The files of it that are patched."""
    assert run(SERIES, pristine, tmp_path / 'stage')[0] == 0
    return tmp_path / 'stage'


# In a file of patched ones: what is moved, and behind what it gets instead
MOVED = {
    'enum': ('qapi/qom.json', "    'sw-protected-guest',\n",
             "{ 'enum': 'NetfilterInsert',\n", 'ObjectType'),
    'base': ('qapi/qom.json', "  'base': 'SevUpmGuestProperties',\n",
             "{ 'struct': 'SevGuestProperties',\n", 'SevCommonProperties'),
    'include': ('qapi/qom.json', "{ 'include': 'upm-common.json' }\n",
                '# @ObjectPropertyInfo:\n', 'upm-common.json'),
    'doc': ('qapi/stats.json', '#\n# @upm: unmapped private memory\n',
            '# @StatsTarget:\n', 'StatsProvider'),
    'manual': ('docs/system/target-i386.rst', '   i386/upm\n',
               '   i386/pc\n', 'Architectural_features'),
    'command': ('hmp-commands-info.hx', '        .name       = "upm",\n',
                '  ``info version``\n', '.name       = "upm"'),
}


@pytest.mark.parametrize('name', MOVED)
def test_moved(stage, name):
    """A hunk in a document that lands elsewhere is seen."""
    assert run(TOP / 'scripts/check-hooks', stage) == (0, '', '')
    path, text, behind, said = MOVED[name]
    whole = (stage / path).read_text()
    assert whole.count(text) == 1 and behind in whole
    whole = whole.replace(text, '').replace(behind, behind + text, 1)
    (stage / path).write_text(whole)
    status, _, err = run(TOP / 'scripts/check-hooks', stage)
    assert status == 1
    assert said in err
    assert all(path in line for line in err.splitlines())


COMPAT = [TOP / 'include/system/upm/compat.h',
          TOP / 'target/i386/upm-compat.h']
OURS = ['accel', 'backends', 'hw', 'include', 'qapi', 'system', 'target',
        'tests/qtest', 'tests/unit', 'upm']


def test_moved_headers():
    """What another version has elsewhere is included in one place alone."""
    moved = {name for path in COMPAT for name in
             re.findall(r'__has_include\("(.*)"\)', path.read_text()) +
             re.findall(r'#else\n#include "(.*)"', path.read_text())}
    assert 'hw/qdev-core.h' in moved and 'hw/core/qdev.h' in moved
    wrong = [f'{path}: {name}' for room in OURS
             for path in (TOP / room).rglob('*.[ch]*') if path not in COMPAT
             for name in re.findall(r'^#include "(.*)"', path.read_text(),
                                    re.M) if name in moved]
    assert not wrong


class Room:
    """The scripts of a checkout, with an apt that offers what a test says."""

    def __init__(self, folder):
        self.folder = folder
        (folder / 'scripts').mkdir()
        for name in SCRIPTS:
            shutil.copy(TOP / 'scripts' / name, folder / 'scripts')
        shutil.copytree(TOP / 'patches', folder / 'patches')
        self.build = BUILD if 'UPM_BUILD' in os.environ else folder / 'build'
        self.pristine = (BUILD / 'qemu/.pristine').read_text().strip()
        self.version = pathlib.Path(self.pristine,
                                    'VERSION').read_text().strip()

    def offer(self, *versions, older='none'):
        """Have apt name versions; it only gives the one that was built, and
        under the name of an older one as well.
        """
        fetch = self.folder / 'scripts/fetch'
        fetch.write_text(f'''#!/bin/sh
case $1,$2 in
offers,*) printf '%s\\n' {' '.join(versions)} ;;
source,{self.version} | source,{older}) echo {self.pristine} ;;
*) echo "gone: $2" >&2; exit 1 ;;
esac
''')
        os.chmod(fetch, 0o755)

    def check(self, *args):
        """Run check-patches, return status, {version: result} and stderr."""
        status, out, err = run(self.folder / 'scripts/check-patches', *args)
        rows = [re.split(r' {2,}', line) for line in out.splitlines()[1:]]
        table = {row[0]: row[1:] for row in rows if len(row) > 1}
        return status, table, err

    def can_make(self, *targets):
        """Have make succeed with these, and note what it is asked for."""
        lines = [f'{target}:\n\t@echo "$@ $(BASE) $(SOURCE) $$UPM_BUILD" '
                 f'>>made; {"true" if target in targets else "false"}\n'
                 for target in ('all', 'unit', 'demo')]
        (self.folder / 'Makefile').write_text(''.join(lines))

    def made(self):
        """What make was asked for: target, BASE, SOURCE and UPM_BUILD."""
        return [line.split() for line in
                (self.folder / 'made').read_text().splitlines()]


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
    assert room.check(room.pristine)[:2] == (
        0, {room.version: ['yes', 'yes'] + UNTRIED})


def test_check_not_offered(room):
    """What apt does not give was not tried, and that is no success."""
    other = next(series for series in SUPPORTED
                 if not room.version.startswith(f'{series}.'))
    room.offer('1:7.2+dfsg-7', f'1:{room.version}+ds-0+deb13u1',
               f'1:{other}.99+ds-1', '1:11.1.3+ds-1')
    status, table, err = room.check()
    assert status == 1
    assert table == {'7.2': ['no patches for it'],
                     room.version: ['yes', 'yes'] + UNTRIED,
                     f'{other}.99': ['not obtainable today'],
                     '11.1.3': ['not obtainable today']}
    assert f'no QEMU {other}.x could be had' in err
    room.offer(f'1:{room.version}+ds-0+deb13u1')
    status, table, err = room.check()
    assert status == 1
    assert table == {room.version: ['yes', 'yes'] + UNTRIED,
                     f'{other}.x': ['not obtainable today']}


def test_check_failure(room):
    """A patch that does not apply, and a hook that is not where it belongs."""
    name = '0006-upm-hmp.patch'
    patch = room.folder / 'patches' / name
    good = patch.read_text()
    patch.write_text(re.sub(r'^ ERST$', ' ERST of another', good, count=1,
                            flags=re.M))
    status, table, _ = room.check(room.pristine)
    assert (status, table[room.version]) == (1, [f'no: 1 hunks of {name}'])
    patch.write_text(good)
    with open(room.folder / 'patches/hooks', 'a', encoding='utf-8') as listed:
        listed.write('system/physmem.c ram_block_add no_such_hook();\n')
    status, table, err = room.check(room.pristine)
    assert (status, table[room.version]) == (1, ['yes', 'no', '-', '-', '-'])
    assert 'no_such_hook' in err


def test_check_unsupported(room, stage, pristine):
    """A source that there are no patches for is tried with the nearest."""
    copy = mini(stage.parent / 'copy', stage, pristine, '11.1.3')
    room.offer('1:11.1.3+ds-1')
    status, table, err = room.check(copy)
    assert 'QEMU 11.1.3 is not supported, trying the hook patches of 10.2\n' \
        in err
    if room.version.startswith('10.2.'):
        assert (status, table) == (0, {'11.1.3': ['yes', 'yes'] + UNTRIED})
    else:
        assert status == 1
        assert table['11.1.3'][0].startswith('no: ')


@pytest.mark.parametrize('works, said', [
    (['all', 'unit', 'demo'], ['yes', 'yes', 'yes']),
    (['all', 'demo'], ['yes', 'no', '-']), ([], ['no', '-', '-'])])
def test_check_build(room, works, said):
    """Each source is built in its folder, tried, and boots."""
    room.can_make(*works)
    status, table, _ = room.check('--build', room.pristine)
    assert table == {room.version: ['yes', 'yes'] + said}
    assert status == (0 if said[-1] == 'yes' else 1)
    series = room.version.rsplit('.', 1)[0]
    build = room.build / room.version
    assert room.made() == [
        [target, series, room.pristine, str(build)] for target in
        ['all', 'unit', 'demo'][:3 - said.count('-')]]


def test_check_build_offered(room):
    """The newest that apt gives is built where make builds its version, and
    an older one does not take its place.
    """
    room.can_make('all', 'unit', 'demo')
    series = room.version.rsplit('.', 1)[0]
    room.offer(f'1:{series}.0+ds-1', f'1:{room.version}+ds-1',
               older=f'{series}.0')
    _, table, _ = room.check('--build')
    assert table[f'{series}.0'] == table[room.version] == ['yes'] * 5
    usual = room.build if series == SUPPORTED[0] else room.build / series
    assert [words[3] for words in room.made()] == \
        3 * [str(room.build / f'{series}.0')] + 3 * [str(usual)]


def test_check_no_source(room):
    """What is named and is no source is told."""
    status, _, err = room.check(room.folder)
    assert status == 1
    assert err == f'check-patches: {room.folder} is not a source of QEMU: ' \
                  'it has no file VERSION\n'
    assert room.check('--no-such')[0] == 2


def mini(folder, stage, pristine, version):
    """Make a source of what is patched alone."""
    for path in stage.rglob('*'):
        if path.is_file():
            copy = folder / path.relative_to(stage)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(pristine / path.relative_to(stage), copy)
    (folder / 'VERSION').write_text(f'{version}\n')
    return folder


def listing(folder):
    """What is in a folder, and when it was changed."""
    return sorted((str(path), path.lstat().st_mtime_ns)
                  for path in folder.rglob('*'))


def test_local_source(tmp_path, stage, pristine):
    """A source that is named is only read, and what changes in it is seen."""
    version = '.'.join((pristine / 'VERSION').read_text().split('.')[:2])
    folder = mini(tmp_path / 'local', stage, pristine, f'{version}.99')
    for name in 'build', '.git':
        (folder / name).mkdir()
        (folder / name / 'mine').touch()
    before, tree = listing(folder), tmp_path / 'build/qemu'
    env = dict(os.environ, UPM_BUILD=str(tmp_path / 'build'))

    def lay_over(*options):
        return run(TOP / 'scripts/lay-over', *options, folder, tree, env=env)

    assert lay_over('-t')[0] == 0
    assert listing(folder) == before
    assert not (tree / 'build').exists() and not (tree / '.git').exists()
    assert (tree / 'qapi/qom.json').read_text() == \
        (stage / 'qapi/qom.json').read_text()
    assert (tree / 'system/upm/qmp.c').is_symlink()
    assert 'copying' not in lay_over('-t')[2]
    (folder / 'new').touch()
    assert 'copying' in lay_over('-t')[2]
    assert (tree / 'new').exists()
    status, _, err = run(TOP / 'scripts/lay-over', '-t', tree,
                         tmp_path / 'another', env=env)
    assert (status, err) == (
        1, f'lay-over: {tree} has our patches already\n')


@pytest.mark.parametrize('words, folder', [
    ([], 'build'), (['BASE=10.0'], 'build'), (['BASE=10.2'], 'build/10.2'),
    (['SOURCE={}'], 'build/11.1'), (['UPM_BUILD=/b', 'BASE=10.2'], '/b')])
def test_make(tmp_path, words, folder):
    """make has a folder for each version, and takes a source by its name."""
    source(tmp_path / 'my qemu', '11.1.3')
    env = {name: value for name, value in os.environ.items()
           if name not in ('UPM_BUILD', 'MAKEFLAGS', 'MAKEOVERRIDES')}
    status, out, _ = run('make', '-n', '-C', TOP, 'demo',
                         *(word.format(tmp_path / 'my qemu')
                           for word in words), env=env)
    assert status == 0
    assert f'scripts/build {TOP / folder}/qemu qemu-system-x86_64' in out
    named = f"realpath -e '{tmp_path}/my qemu'"
    assert (named in out and 'lay-over -t ' in out) == ('SOURCE={}' in words)


@pytest.mark.parametrize('words', [
    [], ['BASE=10.2'], ['SOURCE={}'], ['UPM_BUILD=/b', 'SOURCE={}']])
def test_make_versions(tmp_path, words):
    """check-versions has one folder of all versions' ones."""
    source(tmp_path / 'qemu', '11.1.3')
    env = {name: value for name, value in os.environ.items()
           if name not in ('UPM_BUILD', 'MAKEFLAGS', 'MAKEOVERRIDES')}
    status, out, _ = run('make', '-n', '-C', TOP, 'check-versions',
                         *(word.format(tmp_path / 'qemu') for word in words),
                         env=env)
    room = '/b' if words[:1] == ['UPM_BUILD=/b'] else f'{TOP}/build'
    assert status == 0
    assert f"UPM_BUILD='{room}' scripts/check-patches --build" in out
    assert (f"'{tmp_path}/qemu'" in out) == ('SOURCE={}' in words)


def test_make_environment(tmp_path):
    """What is called SOURCE in the environment is not meant, and is not
    handed on.
    """
    env = dict(os.environ, SOURCE='https://example.org/x.git')
    for name in 'UPM_BUILD', 'MAKEFLAGS', 'MAKEOVERRIDES':
        env.pop(name, None)
    assert run('make', '-C', TOP, 'help', env=env)[0] == 0
    status, out, _ = run('make', '-n', '-C', TOP, 'demo', 'check-patches',
                         env=env)
    assert (status, 'example.org' in out) == (0, False)
    assert f'scripts/build {TOP}/build/qemu qemu-system-x86_64' in out


def test_make_no_source(tmp_path):
    """A folder without a version is none for make, either."""
    status, _, err = run('make', '-n', '-C', TOP, 'all', f'SOURCE={tmp_path}')
    assert status == 2
    assert f'SOURCE={tmp_path} is no source of QEMU: it has no file VERSION' \
        in err
