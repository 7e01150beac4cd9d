# SPDX-License-Identifier: GPL-2.0-or-later
"""What the functional tests share."""
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
# pylint: disable=wrong-import-position
from linux_guest import LIMIT, LOGS, QEMU, Guest  # noqa: E402


@pytest.fixture
def folder(request):
    """A folder for the logs of this test."""
    path = LOGS / re.sub(r'[^\w.-]+', '-', request.node.name).strip('-')
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def start(folder):
    """Start guests that end with the test."""
    guests = []

    def start_guest(*args, **options):
        guest = Guest(folder.name, *args, **options)
        guests.append(guest)
        guest.launch()
        return guest

    yield start_guest
    for guest in guests:
        guest.shutdown(hard=True)


@pytest.fixture
def refusal(folder):
    """Start QEMU where it must refuse, and return its message."""
    def start_refused(*args):
        done = subprocess.run(
            [QEMU, '-nodefaults', '-display', 'none', *map(str, args)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT, check=False)
        (folder / 'qemu.log').write_text(done.stderr)
        assert done.returncode == 1, \
            f'exit status {done.returncode}: {done.stderr}'
        return done.stderr
    return start_refused
