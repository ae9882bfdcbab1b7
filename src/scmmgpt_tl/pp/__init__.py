"""Look at what goes in: are these counts, and are these the model's genes?"""

from __future__ import annotations

from ._counts import CountReport, check_counts
from ._genes import GeneReport, match_genes
from ._neighborhoods import neighborhoods

__all__ = ["CountReport", "GeneReport", "check_counts", "match_genes", "neighborhoods"]
