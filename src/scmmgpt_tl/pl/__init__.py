"""Pictures of results, drawn with matplotlib."""

from __future__ import annotations

from ._descriptions import descriptions
from ._embedding import embedding
from ._generated import generated
from ._integrate import integrate
from ._scores import scores
from ._search import search
from ._support import support

__all__ = ["descriptions", "embedding", "generated", "integrate", "scores", "search", "support"]
