"""Warnings that point at the user's line, not at ours."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

_HERE = str(Path(__file__).parent)


def _stacklevel() -> int:
    """Number of the first frame outside the package, where that of `warn` is number one."""
    frame, level = sys._getframe(1), 1
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        level += 1
        frame = frame.f_back  # type: ignore[assignment]
    return level


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called the package.

    Parameters
    ----------
    message
        What was found and what follows from it.
    category
        Class of the warning.
    """
    # `skip_file_prefixes` does this from Python 3.12 on; counting frames does it on 3.11 as well.
    warnings.warn(message, category, stacklevel=_stacklevel())
