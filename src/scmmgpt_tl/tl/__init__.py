"""Tools: what the model says of cells, written into the AnnData."""

from __future__ import annotations

from ._annotate import annotate
from ._describe import describe
from ._embed import embed
from ._generate import generate
from ._integrate import integrate
from ._rank_terms import rank_terms
from ._refine import refine
from ._search import search

__all__ = [
    "annotate",
    "describe",
    "embed",
    "generate",
    "integrate",
    "rank_terms",
    "refine",
    "search",
]
