"""What the tools wrote, as tables."""

from __future__ import annotations

from ._annotation import annotation_df, scores
from ._descriptions import description_df
from ._mixture import mixture_df
from ._perturbation import perturbation_df
from ._rankings import rank_terms_df

__all__ = [
    "annotation_df",
    "description_df",
    "mixture_df",
    "perturbation_df",
    "rank_terms_df",
    "scores",
]
