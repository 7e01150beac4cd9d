# SPDX-License-Identifier: GPL-2.0-or-later
"""A snapshot as rows of cells, each of which is a part of memory."""
import dataclasses

from .snapshot import PAGE


@dataclasses.dataclass
class Cell:
    """Bytes of each kind in one cell."""

    private: int = 0
    shared: int = 0
    launch: int = 0

    @property
    def empty(self):
        """No memory with a private half: devices, ROM, or nothing."""
        return not self.private + self.shared

    @property
    def share(self):
        """How much of it is private, 0 to 1."""
        return self.private / (self.private + self.shared)


@dataclasses.dataclass
class Row:
    """Cells from an address on."""

    gpa: int
    cells: list


class Grid:
    """Rows of a snapshot; those without memory are left out.

    cell -- bytes of a cell, a power of two
    """

    def __init__(self, snapshot, columns, most_rows):
        self.columns = columns
        self.cell = cell_size(snapshot.ranges, columns, most_rows)
        self.rows = {}
        for run in snapshot.ranges:
            self._add(run.gpa, run.size, run.state)
        for gpa in (gpa for pages in snapshot.launch.values()
                    for gpa in pages):
            cell = self._known(gpa)
            if cell:
                cell.launch += PAGE

    def __iter__(self):
        return iter(Row(number * self.columns * self.cell, cells)
                    for number, cells in sorted(self.rows.items()))

    def _known(self, gpa):
        """Pages of vCPUs have an address where there is no memory."""
        number, column = divmod(gpa // self.cell, self.columns)
        cell = self.rows.get(number, [None] * self.columns)[column]
        return None if cell is None or cell.empty else cell

    def _add(self, gpa, size, state):
        end = gpa + size
        while gpa < end:
            number, column = divmod(gpa // self.cell, self.columns)
            row = self.rows.setdefault(
                number, [Cell() for _ in range(self.columns)])
            part = min(end, (gpa // self.cell + 1) * self.cell) - gpa
            setattr(row[column], state, getattr(row[column], state) + part)
            gpa += part


def rows_wanted(ranges, columns, cell):
    """Return how many rows have memory in them."""
    width = columns * cell
    last, count = -1, 0
    for run in ranges:
        first = max(run.gpa // width, last + 1)
        end = (run.gpa + run.size - 1) // width
        if end >= first:
            count += end - first + 1
            last = end
    return count


def cell_size(ranges, columns, most_rows):
    """Return the smallest cell with which all memory has room.

    A cell of 2**63 bytes holds all that can be addressed.
    """
    cell = PAGE
    while cell < 1 << 63 and rows_wanted(ranges, columns, cell) > most_rows:
        cell *= 2
    return cell


def human(size):
    """Return a size as people write it."""
    for unit in 'B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB':
        if size < 1024 or unit == 'PiB':
            return f'{size:.4g} {unit}'
        size /= 1024
    return None
