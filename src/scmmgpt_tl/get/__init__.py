"""What the tools wrote, as tables."""

from __future__ import annotations

from ._annotation import annotation_df, scores
from ._comparison import comparison_df
from ._descriptions import description_df
from ._label_transfer import label_transfer_df
from ._mixture import mixture_df
from ._rankings import rank_terms_df

__all__ = [
    "annotation_df",
    "comparison_df",
    "description_df",
    "label_transfer_df",
    "mixture_df",
    "rank_terms_df",
    "scores",
]
