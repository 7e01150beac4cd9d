# SPDX-License-Identifier: GPL-2.0-or-later
"""What qemu-upm-map consists of: sources, cells, screen, picture."""
