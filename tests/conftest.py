# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect unit tests and qtests, and end with one line of figures.

The C files of tests/unit and tests/qtest are programs built with GLib's test
library.  Each of their cases is a test here; a program runs once, when its
first case is wanted.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / 'tests/functional'))
# pylint: disable=wrong-import-position
import patience  # noqa: E402

BUILD = pathlib.Path(os.environ.get('UPM_BUILD', TOP / 'build'))
OUT = BUILD / 'qemu/build'
LOGS = BUILD / 'logs'

# No unit test or qtest of ours needs a tenth of this, in seconds.
PROGRAM_LIMIT = 120
# What ends a test that waits without a limit of its own.
TEST_LIMIT = 600
LOOK = 5

RESULT = re.compile(r'(?P<not>not )?ok \d+ (?P<path>\S+)'
                    r'(?: # (?P<skip>SKIP)\s*(?P<reason>.*))?')


def pytest_configure(config):
    """What "make check" leaves to "make check-full" and "make check-host"."""
    config.addinivalue_line(
        'markers', 'at_length: takes longer than "make check" may')


class Alarm:
    """Wakes up a test that hangs, and then what it tidies up."""

    def __init__(self):
        self.patience = patience.Patience(TEST_LIMIT)

    def look(self, _signal, _frame):
        """Called every LOOK seconds."""
        if self.patience.over():
            self.patience = patience.Patience(TEST_LIMIT)
            # No OSError, which somebody may expect and go on
            pytest.fail(f'not finished after {TEST_LIMIT} s')


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol():
    """Give each test, with what it sets up, the same limit."""
    signal.signal(signal.SIGALRM, Alarm().look)
    signal.setitimer(signal.ITIMER_REAL, LOOK, LOOK)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def pytest_collect_file(file_path, parent):
    """Take C files of tests/unit and tests/qtest for test programs."""
    folder, name = file_path.parent.name, file_path.name
    if (folder, name[:5]) == ('unit', 'test-') and name.endswith('.c') \
            or folder == 'qtest' and name.endswith('-test.c'):
        return Program.from_parent(parent, path=file_path)
    return None


class Program(pytest.File):
    """A test program of one C file."""

    results = None

    def collect(self):
        listing = self.start('-l')
        if listing.returncode != 0:
            raise RuntimeError(f'{self.path.name} -l: {listing.stderr}')
        # Newer GLib makes comments of them.
        paths = re.findall(r'^(?:# )?(/\S+)$', listing.stdout, re.M)
        if not paths:
            raise RuntimeError(f'{self.path.name} -l names no case')
        for path in paths:
            yield Case.from_parent(self, name=path)

    def start(self, *args):
        """Run the program to its end, away from the source."""
        binary = OUT / 'tests' / self.path.parent.name / self.path.stem
        if not binary.exists():
            raise RuntimeError(f'{binary} is missing: is {self.path.name} '
                               'in a meson.build?')
        scratch = LOGS / self.path.stem
        scratch.mkdir(parents=True, exist_ok=True)
        env = dict(os.environ, TMPDIR=str(scratch), MALLOC_PERTURB_='165',
                   G_TEST_SRCDIR=str(self.path.parent),
                   G_TEST_BUILDDIR=str(binary.parent),
                   QTEST_QEMU_BINARY=str(OUT / 'qemu-system-x86_64'),
                   QTEST_QEMU_IMG=str(OUT / 'qemu-img'),
                   UPM_FIRMWARE=str(BUILD / 'firmware'),
                   UPM_OVMF=str(BUILD / 'firmware/OVMF.fd'))
        return patience.run([binary, *args], PROGRAM_LIMIT, cwd=OUT, env=env,
                            text=True, stdin=subprocess.DEVNULL)

    def run_once(self):
        """Return {path: (verdict, reason)} and what the program said."""
        if self.results is None:
            try:
                done = self.start('--tap', '-k')
                out, err = done.stdout, done.stderr
                err += f'exit status {done.returncode}\n'
            except subprocess.TimeoutExpired as expired:
                out = (expired.stdout or b'').decode(errors='replace')
                err = f'still running after {PROGRAM_LIMIT} s\n'
            (LOGS / f'{self.path.stem}.log').write_text(out + err)
            verdicts = {}
            for line in RESULT.finditer(out):
                verdict = 'failed' if line['not'] else line['skip'] or 'ok'
                verdicts[line['path']] = verdict, line['reason']
            self.results = verdicts, out, err
        return self.results


class Case(pytest.Item):
    """One case of a test program."""

    def runtest(self):
        verdicts, out, err = self.parent.run_once()
        verdict, reason = verdicts.get(self.name, ('not run', None))
        if verdict == 'SKIP':
            pytest.skip(reason or 'no reason given')
        if verdict != 'ok':
            raise CaseFailed(f'{self.name}: {verdict}\n'
                             f'{out[-2000:]}{err[-2000:]}')

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, CaseFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, self.name


class CaseFailed(Exception):
    """A case of a test program did not say "ok"."""


def pytest_unconfigure(config):
    """Say in the very last line how many tests passed and failed."""
    reporter = config.pluginmanager.get_plugin('terminalreporter')
    if reporter is None or config.option.collectonly:
        return
    count = {name: len(reports) for name, reports in reporter.stats.items()}
    line = f'{count.get("passed", 0)} passed, ' \
        f'{count.get("failed", 0) + count.get("error", 0)} failed'
    if count.get('skipped'):
        line += f', {count["skipped"]} skipped'
    print(line, flush=True)
