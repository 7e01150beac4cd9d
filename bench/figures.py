# SPDX-License-Identifier: GPL-2.0-or-later
"""What all of bench/run needs: runs in turn, and figures of them."""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / 'tests' / name)
                for name in ('functional', 'lab', 'guest', 'host')]


def progress(text):
    """Say what runs now: one live line on a terminal, else a line each."""
    if sys.stderr.isatty():
        print(f'\r\033[K    {text}', end='', file=sys.stderr, flush=True)
    else:
        print(f'    {text}', file=sys.stderr, flush=True)


def in_turn(runs, what, **sides):
    """Call each side in turn; return {side: its results}."""
    results = {side: [] for side in sides}
    for run in range(runs):
        for side, measure in sides.items():
            progress(f'{what}: run {run + 1} of {runs}, {side}')
            results[side].append(measure())
    return results


def ratio(name, goal, over, under, best=min):
    """A figure that compares the best runs of two sides.

    What else a machine does only ever adds time.  The smallest and largest
    ratio of runs that followed each other tell how much that was.  Where it
    is not time that is compared, @best may be the median.
    """
    each = [a / b for a, b in zip(over, under)]
    return {'name': name, 'value': best(over) / best(under), 'unit': 'ratio',
            'goal': goal, 'runs': len(each), 'min': min(each),
            'max': max(each)}
