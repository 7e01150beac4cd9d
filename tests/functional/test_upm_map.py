# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-upm-map: the map of a guest that runs, and that of a log."""
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from linux_guest import BUILD, LIMIT, TOP, linux, snp

sys.path.append(str(TOP / 'tools'))
# pylint: disable=wrong-import-position
from upm_map.cells import Grid, cell_size  # noqa: E402
from upm_map.snapshot import PAGE, Conversions, Range, Snapshot  # noqa: E402
from upm_map.trace_source import PageStates  # noqa: E402

MAP = TOP / 'tools/qemu-upm-map'
GREETING = {'QMP': {'version': {'qemu': {'major': 10, 'minor': 0,
                                         'micro': 0}, 'package': ''},
                    'capabilities': []}}


def run(*arguments, columns=80, status=0, **environment):
    """Return what the program prints, to either stream."""
    done = subprocess.run(
        [sys.executable, '-B', MAP, *map(str, arguments)],
        env={**os.environ, 'COLUMNS': str(columns), 'PYTHONIOENCODING':
             'utf-8', 'PYTHONPATH': str(BUILD / 'qemu/python'),
             **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=LIMIT, check=False)
    assert done.returncode == status, done.stderr
    assert 'Traceback' not in done.stderr
    return done.stderr if status else done.stdout


def cells_of(text):
    """Return the characters of all rows that begin with an address."""
    return ''.join(re.findall(r'^ +[0-9a-f]+ (.*)$', text, re.M))


@pytest.fixture(scope='module')
def log(tmp_path_factory):
    """A log of 300 s with two conversions a minute, and what it says."""
    path = tmp_path_factory.mktemp('map') / 'log'
    lines = ['4711@1000.000000:upm_convert request 1: 0xffe00000 +0x200000 '
             'to private, cause launch',
             '4711@1000.000001:upm_convert_done request 1: 0xffe00000 '
             '+0x200000: 0x0 bytes changed, 0']
    for number in range(2, 12):
        state = 'shared' if number % 2 else 'private'
        at = f'4711@{1000 + 30 * number}.5:'
        lines += [f'{at}upm_convert request {number}: 0x{number:x}00000 '
                  f'+0x100000 to {state}, cause ghcb',
                  f'{at}upm_convert_done request {number}: 0x{number:x}00000 '
                  f'+0x100000: 0x100000 bytes changed, '
                  f'{-5 if number == 11 else 0}']
    path.write_text('\n'.join(lines) + '\n')
    return path


def test_states_by_chance():
    """Runs say of each page what a list of pages says."""
    chance = random.Random(1)
    pages, states = [None] * 256, PageStates()
    for _ in range(2000):
        first = chance.randrange(256)
        count = chance.randint(1, 256 - first)
        state = chance.choice(('private', 'shared'))
        pages[first:first + count] = [state] * count
        states.set(first * PAGE, count * PAGE, state)
    found = [None] * 256
    for one in states.ranges():
        first = one.gpa // PAGE
        found[first:first + one.size // PAGE] = \
            [one.state] * (one.size // PAGE)
    assert found == pages
    runs = states.ranges()
    assert all(one.gpa + one.size <= other.gpa and
               (one.gpa + one.size < other.gpa or one.state != other.state)
               for one, other in zip(runs, runs[1:]))


@pytest.mark.parametrize('size', [1 << 12, 1 << 30, 1 << 46])
def test_all_memory_has_room(size):
    """Cells grow until all is on the screen, and add up to all."""
    ranges = [Range(0, size, 'private'),
              Range(size + (4 << 30), size, 'shared')]
    snapshot = Snapshot(0, ranges, {}, {}, Conversions())
    for columns in 16, 64:
        for rows in 4, 50:
            grid = Grid(snapshot, columns, rows)
            assert len(list(grid)) <= rows
            cells = [cell for row in grid for cell in row.cells]
            assert sum(cell.private for cell in cells) == size
            assert sum(cell.shared for cell in cells) == size
            assert grid.cell == PAGE or \
                cell_size(ranges, columns, rows) == grid.cell


def test_log(log):
    """A refused request changes nothing; launch pages are marked."""
    text = run('--trace', log, '--ascii')
    assert set(cells_of(text)) <= set('#.L ')
    assert 'requests 9: 5 MiB to private, 4 MiB to shared' in text
    assert 'private 7 MiB' in text and 'shared  4 MiB' in text
    assert '0xb00000' not in text and 'no memory: ' in text


def test_log_over_time(log):
    """One snapshot each interval of the log's own time, and the last."""
    lines = [json.loads(line) for line in
             run('--trace', log, '--json', '--interval', 60).splitlines()]
    assert [line['conversions']['requests'] for line in lines] == \
        [0, 2, 4, 6, 8, 9]
    assert lines[-1]['time'] == 1300.5


@pytest.mark.parametrize('columns', [24, 40, 80, 200])
def test_narrow(log, columns):
    """No line is longer than the terminal, whatever is in it."""
    text = run('--trace', log, columns=columns)
    assert max(map(len, text.splitlines())) <= columns
    assert '\x1b' not in text


def test_pictures(log, tmp_path):
    """Both kinds of picture are whole; matplotlib reads its own."""
    # pylint: disable=import-outside-toplevel
    from matplotlib import image
    png, svg = tmp_path / 'map.png', tmp_path / 'map.svg'
    run('--trace', log, '--interval', 10, '--png', png, '--svg', svg)
    pixels = image.imread(png)
    colours = {tuple(round(part * 255) for part in pixel[:3])
               for row in pixels[::4] for pixel in row[::4]}
    # Private, shared, launched, nothing
    assert {(0xcc, 0x66, 0x77), (0x44, 0x77, 0xaa), (0x11, 0x77, 0x33),
            (0xee, 0xee, 0xee)} <= colours
    assert svg.read_text().rstrip().endswith('</svg>')


@pytest.mark.parametrize('arguments', [
    (), ('--qmp', 'a', '--trace', 'b'), ('--trace', 'a', '--interval', '0'),
    ('--qmp', 'a', '--count', '-1'), ('--qmp', 'a', '--columns'),
    ('--qmp', 'a', '--timeout', 'nan')])
def test_usage(arguments):
    """Wrong options: usage, status 2."""
    assert run(*arguments, status=2).startswith('usage: qemu-upm-map')


@pytest.mark.parametrize('library, arguments', [
    ('rich', ()), ('matplotlib', ('--png', 'map.png'))])
def test_missing_library(log, tmp_path, library, arguments):
    """Without a library its package is named, and help needs none."""
    (tmp_path / library).mkdir()
    (tmp_path / library / '__init__.py').write_text(
        f"raise ModuleNotFoundError('gone', name='{library}')\n")
    text = run('--trace', log, *arguments, status=1, PYTHONPATH=str(tmp_path))
    assert f'{library} is not there' in text and f'python3-{library}' in text
    assert '--trace LOG' in run('--help', PYTHONPATH=str(tmp_path))


def test_wrong_files(tmp_path):
    """What cannot be read or written is named."""
    empty = tmp_path / 'empty'
    empty.write_text('nothing\n')
    assert 'no conversion' in run('--trace', empty, status=1)
    assert "-trace 'upm_convert*'" in run('--trace', empty, status=1)
    gone = tmp_path / 'gone'
    assert f'{gone}: No such file' in run('--trace', gone, status=1)
    assert str(gone) in run('--qmp', gone, status=1)
    assert 'ends in .png' in run('--trace', empty, '--png', 'a.jpg',
                                 status=1)
    assert f'{gone}: not a folder' in \
        run('--trace', empty, '--svg', gone / 'a.svg', status=1)


SOME = 4096


class Liar:
    """A QMP server that says what it is told to say, and no more."""

    def __init__(self, path, *answers):
        self.answers = answers
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """Give one answer for each request, then hang up."""
        peer, _ = self.socket.accept()
        request = b'{}'
        # Who has heard enough may be gone.
        with peer, contextlib.suppress(OSError):
            for answer in self.answers:
                if answer is None:
                    while peer.recv(SOME):
                        pass
                    return
                if not isinstance(answer, bytes):
                    known = json.loads(request).get('id')
                    answer = {**answer, **({'id': known} if known else {})}
                    answer = json.dumps(answer).encode() + b'\n'
                peer.sendall(answer)
                # They have no line ends; one comes in one piece.
                request = peer.recv(SOME)
                if not request:
                    return

    def close(self):
        """Nobody connects any more."""
        self.socket.close()


def reply(value):
    """An answer; which request it is for is added."""
    return {'return': value}


INFO = {'blocks': [{'id': 'ram0'}], 'conversions': []}
RUN = {'gpa': 0, 'size': PAGE, 'state': 'private', 'block': 'ram0'}


@pytest.mark.parametrize('name, answers, says', [
    ('closes', (GREETING,), 'QMP|EOF|disconnect|closed'),
    ('closes-later', (GREETING, reply({})), ''),
    ('no-json', (b'220 mail.example.org ESMTP\r\n',), ''),
    ('stalls', (None,), 'no answer within 1 s'),
    ('stalls-later', (GREETING, reply({}), None), 'no answer within 1 s'),
    ('other-answer', (GREETING, reply({}), reply([])), "not QEMU-UPM's"),
    ('no-upm', (GREETING, reply({}),
                {'error': {'class': 'CommandNotFound',
                           'desc': 'The command query-upm has not been found'}}), 'query-upm has not been found'),
    ('no-private-memory', (GREETING, reply({}),
                           reply({'blocks': []})),
     'no memory has a private half'),
    ('goes-in-circles', (GREETING, reply({}), reply(INFO),
                         reply({'ranges': [RUN], 'next': 0})),
     "not QEMU-UPM's"),
    ('half-an-answer', (GREETING, reply({}), b'{"return": {"blo', None),
     'no answer within 1 s'),
    ('floods', (GREETING, reply({}), b'x' * (80 << 20)), ''),
    ('no-number', (GREETING, reply({}), reply(INFO),
                   reply({'ranges': [{**RUN, 'gpa': 'zero'}]})),
     "not QEMU-UPM's"),
    ('negative', (GREETING, reply({}), reply(INFO),
                  reply({'ranges': [{**RUN, 'size': -PAGE}]})),
     "not QEMU-UPM's"),
    ('overlap', (GREETING, reply({}), reply(INFO),
                 reply({'ranges': [RUN, RUN]})),
     "not QEMU-UPM's"),
    ('strange-state', (GREETING, reply({}), reply(INFO),
                       reply({'ranges': [{**RUN, 'state': 'gone'}]})),
     "not QEMU-UPM's"),
])
def test_liars(tmp_path, name, answers, says):
    """A socket that closes, lies or stalls ends in one line of words."""
    path = tmp_path / name
    liar = Liar(path, *answers)
    try:
        text = run('--qmp', path, '--timeout', 1 if None in answers else 60,
                   '--json', status=1)
        assert text.startswith(f'qemu-upm-map: {path}: ')
        assert re.search(says, text)
    finally:
        liar.close()


def test_guest(start, folder):
    """A guest that runs: the ranges are QEMU's, and nothing is disturbed."""
    path = pathlib.Path(os.path.relpath(folder / 'map.qmp'))
    path.unlink(missing_ok=True)
    guest = start('-qmp', f'unix:{path},server=on,wait=off',
                  *snp(memory='512M'),
                  *linux(folder, 'echo waiting; sleep 1000'))
    guest.wait_for('waiting')
    guest.cmd('stop')
    one = json.loads(run('--qmp', path, '--json'))
    known = guest.cmd('query-upm-map', limit=4096)
    assert 'next' not in known
    assert one['ranges'] == [{name: value for name, value in run.items()
                              if name != 'offset'}
                             for run in known['ranges']]
    assert {run['state'] for run in one['ranges']} == {'private', 'shared'}
    pages = guest.cmd('query-sev-launch-pages')
    assert sum(map(len, one['launch'].values())) == len(pages)
    text = run('--qmp', path, '--count', 2, '--interval', 0.1)
    assert {'█', '░', 'L', '·'} <= set(cells_of(text))
    assert 'B/s converted' in text and 'MiB' in text
    assert guest.cmd('query-status')['status'] == 'paused'


def test_guest_stalls(start, folder):
    """QEMU that is stopped says nothing, and is none the worse for it."""
    path = pathlib.Path(os.path.relpath(folder / 'stalls.qmp'))
    path.unlink(missing_ok=True)
    guest = start('-S', '-qmp', f'unix:{path},server=on,wait=off',
                  *snp(memory='256M'))
    os.kill(guest.get_pid(), signal.SIGSTOP)
    try:
        text = run('--qmp', path, '--timeout', 1, '--json', status=1)
    finally:
        os.kill(guest.get_pid(), signal.SIGCONT)
    assert text.startswith(f'qemu-upm-map: {path}: ')
    assert 'no answer within 1 s' in text
    assert json.loads(run('--qmp', path, '--json'))['ranges']


def test_nowhere_to_draw(log):
    """A folder that takes no file is named, and there is no half a picture."""
    text = run('--trace', log, '--png', '/proc/map.png', status=1)
    assert text.startswith('qemu-upm-map: /proc/map.png: ')


def test_guest_dies(start, folder):
    """QEMU is gone in the middle: it is said, with status 1."""
    path = pathlib.Path(os.path.relpath(folder / 'dies.qmp'))
    path.unlink(missing_ok=True)
    guest = start('-S', '-qmp', f'unix:{path},server=on,wait=off',
                  *snp(memory='256M'))
    with subprocess.Popen(
            [sys.executable, '-B', MAP, '--qmp', path, '--json', '--count',
             '100', '--interval', '0.1'], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={**os.environ,
                 'PYTHONPATH': str(BUILD / 'qemu/python')}) as program:
        assert json.loads(program.stdout.readline())['ranges']
        guest.shutdown(hard=True)
        _, error = program.communicate(timeout=LIMIT)
    assert program.returncode == 1
    assert error.startswith(f'qemu-upm-map: {path}: ')
    assert 'Traceback' not in error
