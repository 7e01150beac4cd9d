# SPDX-License-Identifier: GPL-2.0-or-later
"""A snapshot as a picture: .png or .svg, by matplotlib."""
import matplotlib
matplotlib.use('Agg')
# pylint: disable=wrong-import-position
from matplotlib import colors, patches, pyplot  # noqa: E402

from .cells import Grid, human  # noqa: E402
from .snapshot import rate  # noqa: E402

COLUMNS, ROWS = 128, 64
# Safe for all kinds of colour vision
SHARED, PRIVATE, LAUNCH, NOTHING = '#4477aa', '#cc6677', '#117733', '#eeeeee'
MIB = 1 << 20


def draw(snapshots, paths):
    """Draw the last snapshot, and conversions over time, to each path."""
    rates = [(after.time, rate(before, after))
             for before, after in zip(snapshots, snapshots[1:])]
    figure, axes = pyplot.subplots(
        2 if rates else 1, 1, figsize=(10, 7 if rates else 5.5),
        height_ratios=(4, 1) if rates else None, squeeze=False,
        layout='constrained')
    draw_map(axes[0][0], snapshots[-1])
    if rates:
        draw_rates(axes[1][0], rates, snapshots[0].time)
    try:
        for path in paths:
            figure.savefig(path, dpi=120)
    finally:
        pyplot.close(figure)


def draw_map(axes, snapshot):
    """One square of colour for each cell."""
    grid = Grid(snapshot, COLUMNS, ROWS)
    shades = colors.LinearSegmentedColormap.from_list(
        'states', [SHARED, PRIVATE])
    rows = list(grid)
    axes.imshow([[colour(cell, shades) for cell in row.cells]
                 for row in rows], aspect='auto', interpolation='nearest')
    step = max(len(rows) // 16, 1)
    axes.set_yticks(range(0, len(rows), step),
                    [f'{row.gpa:#x}' for row in rows[::step]],
                    family='monospace', fontsize=8)
    axes.set_xticks([])
    for number, (above, below) in enumerate(zip(rows, rows[1:])):
        gap = below.gpa - above.gpa - grid.cell * COLUMNS
        if gap:
            axes.axhline(number + 0.5, color='white', linewidth=6)
            axes.text(COLUMNS / 2, number + 0.5, f'no memory: {human(gap)}',
                      ha='center', va='center', fontsize=7)
    axes.set_xlabel(f'a cell is {human(grid.cell)}, a row '
                    f'{human(grid.cell * COLUMNS)}')
    axes.set_title(f'{human(snapshot.total("private"))} private, '
                   f'{human(snapshot.total("shared"))} shared')
    names = {'private': PRIVATE, 'shared': SHARED,
             'launch pages': LAUNCH, 'no memory, MMIO': NOTHING}
    axes.legend(handles=[patches.Patch(facecolor=value, edgecolor='grey',
                                       label=name)
                         for name, value in names.items()],
                loc='upper center', bbox_to_anchor=(0.5, -0.06), ncols=4,
                frameon=False)


def colour(cell, shades):
    """Return red, green and blue of a cell."""
    if cell.empty:
        return colors.to_rgb(NOTHING)
    if cell.launch:
        return colors.to_rgb(LAUNCH)
    return shades(cell.share)[:3]


def draw_rates(axes, rates, start):
    """Conversions over the time of the snapshots."""
    axes.step([time - start for time, _ in rates],
              [value / MIB for _, value in rates], where='pre',
              color='#222222')
    axes.set_xlabel('seconds')
    axes.set_ylabel('MiB/s converted')
    axes.set_ylim(bottom=0)
