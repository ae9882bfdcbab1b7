"""The command line: `scmm annotate | embed | describe | search | info`."""

from __future__ import annotations

from ._main import main

__all__ = ["main"]
