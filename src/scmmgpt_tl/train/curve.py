"""Loss curves: CSV files that grow while a run learns."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

EVERY = 10


class Curve:
    """A CSV file with the columns `step`, `seconds` and those given.

    Parameters
    ----------
    path
        File to write; an older one is replaced.
    columns
        What is measured.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "curve.csv"
    ...     with Curve(path, ["loss"]) as curve:
    ...         curve.write(0, {"loss": 0.5})
    ...     print(path.read_text().splitlines()[0])
    step,seconds,loss
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._handle = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._handle)
        self._writer.writerow(["step", "seconds", *self._columns])
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line; columns without a value stay empty."""
        seconds = time.perf_counter() - self._start
        cells = [f"{values[name]:.4f}" if name in values else "" for name in self._columns]
        self._writer.writerow([step, f"{seconds:.1f}", *cells])
        # Whoever watches a run reads the file while it grows.
        self._handle.flush()
