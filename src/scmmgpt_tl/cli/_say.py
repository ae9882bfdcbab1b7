"""What the commands print."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def say(text: str = "") -> None:
    """Print to stdout."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """Print to stderr, under the program's name."""
    sys.stderr.write(f"scmm: {text}\n")


def table(rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Set rows in columns.

    Parameters
    ----------
    rows
        Cells of each row; all rows are as long.
    right
        Columns whose cells stand at the right, as numbers should.

    Examples
    --------
    >>> print(table([("T cell", 120), ("B cell", 9)], right=[1]))
      T cell  120
      B cell    9
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(parts)).rstrip())
    return "\n".join(lines)


def paragraph(text: str, *, indent: str = "  ") -> str:
    """Break text at the width of the terminal."""
    width = min(shutil.get_terminal_size().columns, 100)
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
