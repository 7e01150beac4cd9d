# SPDX-License-Identifier: GPL-2.0-or-later
"""A snapshot as text, with colours where the terminal has them."""
import math
import textwrap

from rich.text import Text

from .cells import Grid, human

# From all shared to all private; the first and the last are one state only.
SHADES = '░▒▓█'
ASCII_SHADES = '.-+#'
COLOURS = 'bright_blue', 'blue', 'red', 'bright_red'
BARS = ' ▁▂▃▄▅▆▇█'
ASCII_BARS = ' .:-=+*#%'
LABEL = 12
SMALLEST = 24


class Screen:
    """How wide, how high, and with which characters."""

    def __init__(self, width, height, ascii_only=False):
        self.width = max(width, SMALLEST)
        self.height = max(height, 12)
        self.shades = ASCII_SHADES if ascii_only else SHADES
        self.bars = ASCII_BARS if ascii_only else BARS
        self.nothing = ' ' if ascii_only else '·'
        self.columns = 1 << ((self.width - LABEL).bit_length() - 1)

    def render(self, snapshot, before=None, rates=()):
        """Return the whole picture as a `Text`.

        before -- an earlier snapshot: cells that changed are marked
        rates -- bytes converted a second, the latest last
        """
        lines = self._accounts(snapshot) + self._rates(rates)
        room = self.height - len(lines) - 3
        text = self._map(snapshot, before, max(room, 4))
        for line, style in lines:
            text.append('\n'.join(textwrap.wrap(
                line, self.width, subsequent_indent='  ',
                drop_whitespace=False)) + '\n', style)
        return text

    def _map(self, snapshot, before, most_rows):
        grid = Grid(snapshot, self.columns, most_rows)
        old = Grid(before, self.columns, most_rows) if before else None
        if old and old.cell != grid.cell:
            old = None
        text = Text()
        text.append(f'a cell is {human(grid.cell)}'[:self.width] + '\n')
        expected = None
        for row in grid:
            if expected is not None and row.gpa != expected:
                gap = f'{"":{LABEL}}no memory: {human(row.gpa - expected)}'
                text.append(gap[:self.width] + '\n', 'dim')
            text.append(f'{row.gpa:>{LABEL - 1}x} ', 'dim')
            was = old.rows.get(row.gpa // grid.cell // self.columns) \
                if old else None
            for number, cell in enumerate(row.cells):
                changed = was and cell != was[number]
                text.append(*self._cell(cell, changed))
            text.append('\n')
            expected = row.gpa + self.columns * grid.cell
        self._legend(text, any(cell.launch for row in grid
                               for cell in row.cells))
        return text

    def _shade(self, cell):
        if cell.share in (0, 1):
            return int(cell.share) * 3
        return 1 if cell.share < 0.5 else 2

    def _cell(self, cell, changed):
        if cell.empty:
            return self.nothing, 'dim'
        if changed:
            return '*', 'bold yellow'
        if cell.launch:
            return 'L', 'bold green'
        shade = self._shade(cell)
        return self.shades[shade], COLOURS[shade]

    def _legend(self, text, launch):
        words = [(self.shades[3], 'private', COLOURS[3]),
                 (self.shades[2] + self.shades[1], 'both', COLOURS[2]),
                 (self.shades[0], 'shared', COLOURS[0]),
                 (self.nothing.strip(), 'no memory, MMIO', 'dim')]
        if launch:
            words.append(('L', 'launch pages', 'bold green'))
        used = 0
        for mark, word, style in words:
            if not mark:
                continue
            if used and used + len(mark) + len(word) + 3 > self.width:
                text.append('\n')
                used = 0
            text.append('  ' if used else '')
            text.append(mark, style)
            text.append(f' {word}')
            used += len(mark) + len(word) + 3
        text.append('\n')

    @staticmethod
    def _accounts(snapshot):
        info = snapshot.info
        lines = []
        for state in 'private', 'shared':
            line = f'{state:8}{human(snapshot.total(state))}'
            if f'{state}-resident' in info:
                line += f', resident {human(info[f"{state}-resident"])}'
            held = [f'{human(info[name])} {why}' for name, why in
                    ((f'{state}-held-by-policy', 'by policy'),
                     (f'{state}-held-by-huge-pages', 'by huge pages'),
                     (f'{state}-held-by-errors', 'by errors'))
                    if info.get(name)]
            lines.append((line, ''))
            if held:
                lines.append((f'  hidden, but held: {", ".join(held)}',
                              'yellow'))
            if info.get(f'discarded-{state}'):
                lines.append((f'  discarded so far: '
                              f'{human(info[f"discarded-{state}"])}', ''))
        done = snapshot.conversions
        lines.append((f'requests {done.requests}: '
                      f'{human(done.to_private)} to private, '
                      f'{human(done.to_shared)} to shared', ''))
        if info.get('failed-requests'):
            lines.append((f'failed requests: {info["failed-requests"]}',
                          'yellow'))
        if 'poison' in info:
            poison = info['poison']
            lines.append((f'not undone: 0x{poison["gpa"]:x} '
                          f'+0x{poison["size"]:x}: {poison["reason"]}',
                          'bold red'))
        return lines

    def _rates(self, rates):
        if not rates:
            return []
        shown = list(rates)[-(self.width - LABEL):]
        most = max(shown)
        steps = len(self.bars) - 1
        bars = ''.join(self.bars[math.ceil(rate / most * steps)
                                 if most else 0] for rate in shown)
        return [(f'{human(shown[-1])}/s converted, at most {human(most)}/s',
                 ''), (f'{"":{LABEL}}{bars}', 'cyan')]
