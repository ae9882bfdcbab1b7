"""Tools: what the model says of cells, written into the AnnData."""

from __future__ import annotations

from ._annotate import annotate
from ._compare import compare
from ._deconvolve import deconvolve
from ._describe import describe
from ._embed import embed
from ._explain import explain
from ._explain_search import explain_search
from ._gene_network import gene_network
from ._generate import generate
from ._integrate import integrate
from ._label_transfer import label_transfer
from ._perturb import perturb
from ._proteins import proteins
from ._rank_terms import rank_terms
from ._refine import refine
from ._score_gene_sets import score_gene_sets
from ._search import search

__all__ = [
    "annotate",
    "compare",
    "deconvolve",
    "describe",
    "embed",
    "explain",
    "explain_search",
    "gene_network",
    "generate",
    "integrate",
    "label_transfer",
    "perturb",
    "proteins",
    "rank_terms",
    "refine",
    "score_gene_sets",
    "search",
]
