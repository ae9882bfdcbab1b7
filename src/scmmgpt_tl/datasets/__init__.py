"""Small real data, read without the network."""

from __future__ import annotations

from ._immune_mini import immune_mini
from ._pbmc68k import pbmc68k

__all__ = ["immune_mini", "pbmc68k"]
