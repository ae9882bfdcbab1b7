"""Small real data, read without the network."""

from __future__ import annotations

from ._immune_mini import immune_mini
from ._pbmc68k import pbmc68k
from ._pbmc_cite import pbmc_cite

__all__ = ["immune_mini", "pbmc68k", "pbmc_cite"]
