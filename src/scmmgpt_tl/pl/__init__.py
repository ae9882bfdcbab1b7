"""Pictures of results, drawn with matplotlib."""

from __future__ import annotations

from ._comparison import comparison
from ._descriptions import descriptions
from ._embedding import embedding
from ._generated import generated
from ._label_transfer import label_transfer
from ._mixture import mixture
from ._scores import scores
from ._search import search
from ._support import support

__all__ = [
    "comparison",
    "descriptions",
    "embedding",
    "generated",
    "label_transfer",
    "mixture",
    "scores",
    "search",
    "support",
]
