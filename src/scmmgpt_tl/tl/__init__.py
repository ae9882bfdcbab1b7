"""Tools: what the model says of cells, written into the AnnData."""

from __future__ import annotations

from ._annotate import annotate
from ._compare import compare
from ._deconvolve import deconvolve
from ._describe import describe
from ._embed import embed
from ._generate import generate
from ._label_transfer import label_transfer
from ._rank_terms import rank_terms
from ._refine import refine
from ._search import search

__all__ = [
    "annotate",
    "compare",
    "deconvolve",
    "describe",
    "embed",
    "generate",
    "label_transfer",
    "rank_terms",
    "refine",
    "search",
]
