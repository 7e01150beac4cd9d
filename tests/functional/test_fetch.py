# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/fetch, with an apt that has next to nothing."""
import os
import pathlib
import subprocess

import pytest

from linux_guest import TOP

KEYRING = pathlib.Path('/usr/share/keyrings/debian-archive-keyring.gpg')
RELEASE = '6.1.0-1-cloud-amd64'
APT = '''#!/bin/sh
echo "$*" >>"$ROOM/asked"
case "$*" in
*indextargets*) echo Debian Debian https://mirror.invalid/debian/ ;;
*update*)
    [ -e "$ROOM/gone" ] || exit 0
    echo "Err:1 mirror.invalid: Could not resolve" >&2
    exit 100
    ;;
*) echo "E: Unable to locate package" >&2; exit 100 ;;
esac
'''


class Room:
    """A cache of its own, and programs in the place of apt's."""

    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / 'cache/qemu-upm'
        (folder / 'bin').mkdir()
        for name in ('apt-get', 'apt-cache'):
            path = folder / 'bin' / name
            path.write_text(APT)
            path.chmod(0o755)

    def fetch(self, *words):
        """Status, what it prints and what it says."""
        done = subprocess.run(
            [TOP / 'scripts/fetch', *words], capture_output=True, text=True,
            check=False, env=dict(
                os.environ, ROOM=str(self.folder),
                XDG_CACHE_HOME=str(self.folder / 'cache'),
                PATH=f'{self.folder}/bin:{os.environ["PATH"]}'))
        return done.returncode, done.stdout.strip(), done.stderr

    def updates(self):
        """How often the package lists were read."""
        return (self.folder / 'asked').read_text().count(' update\n')

    def put(self, path, text=''):
        """A file that was fetched before."""
        path = self.cache / 'packages' / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture(name='room')
def fixture_room(tmp_path):
    if not KEYRING.exists():
        pytest.skip(f'{KEYRING} is missing: make setup installs it')
    return Room(tmp_path)


@pytest.mark.parametrize('words', [('package', 'trixie', 'nothing'),
                                   ('programs', 'trixie', 'nothing', 'more'),
                                   ('kernel', 'trixie', 'amd64')])
def test_what_is_not_there(room, words):
    """It fails each time, and leaves nothing that passes for a package."""
    for _ in range(2):
        status, out, err = room.fetch(*words)
        assert (status, out) == (1, ''), err
        assert err
    assert not list((room.cache).rglob('.complete'))


@pytest.mark.parametrize('words', [('source',), ('offers',),
                                   ('package', 'trixie', 'nothing'),
                                   ('kernel', 'trixie')])
def test_vanished_mirror(room, words):
    """Why is said, nothing is left that passes for lists, and a mirror that
    comes back is asked again."""
    (room.folder / 'gone').touch()
    for count in 1, 2:
        status, out, err = room.fetch(*words)
        assert (status, out) == (1, ''), err
        assert 'Could not resolve' in err
        assert 'fetch: apt could not read the package lists' in err
        assert room.updates() == count
    (room.folder / 'gone').unlink()
    room.fetch(*words)
    assert room.updates() == 3
    assert not list(room.cache.rglob('.complete'))


def test_no_mirror(room):
    """Who has no mirror is told how to get one."""
    for name in ('apt-get', 'apt-cache'):
        (room.folder / 'bin' / name).write_text('#!/bin/sh\n')
    status, out, err = room.fetch('package', 'trixie', 'nothing')
    assert (status, out) == (1, '')
    assert "no Debian mirror in the system's apt sources" in err


def test_read_only(room):
    """A cache that cannot be written to is named."""
    (room.folder / 'cache').write_text('a file, and no folder')
    status, out, err = room.fetch('package', 'trixie', 'nothing')
    assert (status, out) == (1, '')
    assert f"{room.folder}/cache" in err


def test_modules_that_are_not_there(room):
    """The kernel alone does not do."""
    folder = f'trixie/linux-image-{RELEASE}'
    room.put(f'{folder}/boot/vmlinuz-{RELEASE}')
    status, out, err = room.fetch('modules', 'trixie')
    assert (status, out) == (1, ''), err
    assert f'linux-modules-{RELEASE}' in err


@pytest.mark.parametrize('where', ['lib', 'usr/lib'])
def test_modules(room, where):
    """They are found where a suite has them."""
    folder = f'bookworm/linux-image-{RELEASE}'
    room.put(f'{folder}/boot/vmlinuz-{RELEASE}')
    file = room.put(f'{folder}/{where}/modules/{RELEASE}/kernel/one.ko')
    assert room.fetch('modules', 'bookworm') == (0, str(file.parents[1]), '')


def test_newest_source(room):
    """Of several sources the newest is taken that is complete."""
    for version in '10.0.2', '10.0.8', '10.2.2', '10.2.10':
        room.put(f'../qemu-{version}/.complete')
    room.put('../qemu-10.0.13/VERSION')
    for words, version in ([], '10.0.8'), (['10.2'], '10.2.10'):
        assert room.fetch('source', *words) == (
            0, f'{room.cache}/qemu-{version}', '')


def test_programs(room):
    """Of several, all that are wanted have to be there."""
    complete = room.put('trixie/one+libraries/.complete', 'one two\n')
    folder = str(complete.parent)
    assert room.fetch('programs', 'trixie', 'one', 'two') == (0, folder, '')
    assert room.fetch('programs', 'trixie', 'one') == (0, folder, '')
    assert room.fetch('programs', 'trixie', 'one', 'six')[0] == 1


def test_another_suite(room):
    """The package lists are read again where a suite is new."""
    room.fetch('package', 'trixie', 'nothing')
    room.fetch('package', 'trixie', 'nothing')
    assert room.updates() == 1
    suites = room.cache / 'apt/suites'
    suites.write_text(suites.read_text().replace('bookworm ', ''))
    room.fetch('package', 'trixie', 'nothing')
    assert room.updates() == 2
