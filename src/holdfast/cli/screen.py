"""Tables: drawn by rich in a terminal, plain aligned text everywhere else, never with control characters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.safe.text import clean

_GAP = "  "


@dataclass(slots=True)
class Table:
    """A heading, column names and rows of text. ``strong`` are the numbers of rows that stand out."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    strong: set[int] = field(default_factory=set)

    def show(self) -> None:
        """Print the table on standard output."""
        if sys.stdout.isatty():
            self._draw()
        else:
            print(self.plain())

    def plain(self) -> str:
        """The table as lines: nothing is cut or wrapped, so that other programs can read it."""
        rows = [[one_line(cell) for cell in row] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(self.columns, *rows, strict=True)]
        lines = [self.title, *(_padded(row, widths) for row in (self.columns, *rows))]
        return "\n".join(lines)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        drawn = RichTable(title=Text(self.title), title_justify="left", header_style="bold cyan")
        for name in self.columns:
            drawn.add_column(name, overflow="fold")
        for number, row in enumerate(self.rows):
            drawn.add_row(*(Text(clean(cell)) for cell in row), style="bold" if number in self.strong else None)
        Console().print(drawn)


def one_line(text: str) -> str:
    """``text`` without control characters and hidden text, in one line."""
    return " ".join(clean(text).split())


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
