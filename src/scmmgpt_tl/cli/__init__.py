"""The command line: `scmm annotate | refine | explain | embed | describe | search | ...`."""

from __future__ import annotations

from ._main import main

__all__ = ["main"]
