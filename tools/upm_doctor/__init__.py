# SPDX-License-Identifier: GPL-2.0-or-later
"""What qemu-upm-doctor consists of: the host, the checks, their results."""
