"""Pictures of results, drawn with matplotlib."""

from __future__ import annotations

from ._comparison import comparison
from ._descriptions import descriptions
from ._embedding import embedding
from ._explain import explain
from ._gene_network import gene_network
from ._gene_sets import gene_sets
from ._generated import generated
from ._integrate import integrate
from ._label_transfer import label_transfer
from ._mixture import mixture
from ._perturb import perturb
from ._proteins import proteins
from ._rank_terms import rank_terms
from ._scores import scores
from ._search import search
from ._support import support

__all__ = [
    "comparison",
    "descriptions",
    "embedding",
    "explain",
    "gene_network",
    "gene_sets",
    "generated",
    "integrate",
    "label_transfer",
    "mixture",
    "perturb",
    "proteins",
    "rank_terms",
    "scores",
    "search",
    "support",
]
