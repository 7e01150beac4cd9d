# SPDX-License-Identifier: GPL-2.0-or-later
"""The rooms are everywhere in this folder."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
# pylint: disable=wrong-import-position,unused-import
from libvirt_room import (images, old_room, room, tidy,  # noqa: E402,F401
                          write)
