"""Look at what goes in: are these counts, and are these the model's genes?"""

from __future__ import annotations

from ._counts import CountReport, check_counts
from ._gene_report import GeneReport
from ._genes import match_genes
from ._neighborhoods import neighborhoods

__all__ = ["CountReport", "GeneReport", "check_counts", "match_genes", "neighborhoods"]
