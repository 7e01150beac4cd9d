# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots on a terminal, or where its output goes."""
import collections
import sys
import time

from rich.console import Console
from rich.live import Live

from .screen import Screen
from .snapshot import rate

# How many rates the live map keeps
KEPT = 512


def new_console():
    """Return the standard output, as it is."""
    return Console(highlight=False, soft_wrap=True)


def show(snapshots, options):
    """Draw the map anew for each snapshot."""
    rates = collections.deque(maxlen=KEPT)
    before, console = None, new_console()
    with Live(console=console, auto_refresh=False,
              transient=False) as live:
        for snapshot in snapshots:
            if before:
                rates.append(rate(before, snapshot))
            screen = Screen(console.width, console.height, plain(options))
            live.update(screen.render(snapshot, before, rates), refresh=True)
            before = snapshot
            if options.trace:
                time.sleep(min(options.interval, 0.2))


def plain(options):
    """Does the terminal want ASCII?"""
    encoding = (sys.stdout.encoding or 'ascii').lower()
    return options.ascii or not encoding.startswith('utf')


def print_last(snapshots, options):
    """Print the last snapshot, once, and what was converted before."""
    seen = list(snapshots)
    console = new_console()
    rates = [rate(*pair) for pair in zip(seen, seen[1:])]
    screen = Screen(console.width, max(console.height, 40), plain(options))
    console.print(screen.render(seen[-1], None, rates), end='')
