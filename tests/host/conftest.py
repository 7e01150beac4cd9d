# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated host that the tests of a file run their commands in."""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'guest')]
# pylint: disable=wrong-import-position
from runs import Runs  # noqa: E402


@pytest.fixture(scope='module')
def host(request):
    """An L1 of this file's own, as its OPTIONS say."""
    runs = Runs(request.module.__name__.removeprefix('test_'),
                **getattr(request.module, 'OPTIONS', {}))
    yield runs
    runs.close()
