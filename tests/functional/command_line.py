# SPDX-License-Identifier: GPL-2.0-or-later
"""What the programs in scripts/ take as values of their options; what is
wrong is told with the usage, and status 2.
"""
import argparse
import math
import pathlib
import re

MOST_CPUS = 255


def cpus(text):
    """A number of vCPUs."""
    if not re.fullmatch(r'[0-9]{1,4}', text) or \
            not 1 <= int(text) <= MOST_CPUS:
        raise argparse.ArgumentTypeError(f'{text} is not 1 to {MOST_CPUS}')
    return int(text)


def memory(text):
    """A size as QEMU has it: MiB, or with M, G or T behind it."""
    if not re.fullmatch(r'[1-9][0-9]{0,8}[MGT]?', text):
        raise argparse.ArgumentTypeError(
            f'{text} is no size, such as 512M or 2G')
    return text


def seconds(text):
    """A time that ends."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is no number of seconds')
    return value


def file(text):
    """A file that is there."""
    path = pathlib.Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f'{text} is no file')
    return path


def folder(text):
    """A folder that is there."""
    path = pathlib.Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f'{text} is no folder')
    return path
