# SPDX-License-Identifier: GPL-2.0-or-later
"""A newer kernel, from Debian's backports, finds the same host."""
import pytest

# pylint: disable=unused-import
from test_host import (test_devices, test_hello, test_kernel,  # noqa: F401
                       test_line, test_no_complaint, test_parameters,
                       test_power_off, test_rmp_is_reserved)

pytestmark = pytest.mark.at_length
OPTIONS = {'suite': 'trixie-backports'}
