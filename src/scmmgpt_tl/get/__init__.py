"""What the tools wrote, and what the model knows of genes, as tables."""

from __future__ import annotations

from ._annotation import annotation_df, scores
from ._comparison import comparison_df
from ._descriptions import description_df
from ._explanations import explanation_df
from ._gene_network import gene_network_df
from ._gene_sets import gene_set_scores, gene_sets_df
from ._generation import generation_df
from ._genes import gene_embedding, genes_of, nearest_genes
from ._integration import integration_df
from ._label_transfer import label_transfer_df
from ._mixture import mixture_df
from ._perturbation import perturbation_df
from ._proteins import protein_df
from ._rankings import rank_terms_df

__all__ = [
    "annotation_df",
    "comparison_df",
    "description_df",
    "explanation_df",
    "gene_embedding",
    "gene_network_df",
    "gene_set_scores",
    "gene_sets_df",
    "generation_df",
    "genes_of",
    "integration_df",
    "label_transfer_df",
    "mixture_df",
    "nearest_genes",
    "perturbation_df",
    "protein_df",
    "rank_terms_df",
    "scores",
]
