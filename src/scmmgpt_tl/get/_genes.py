"""What the model knows of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from scmmgpt_tl._docs import doc_params

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.gene_space import Space
    from scmmgpt_tl.tl._genes.text_genes import By

_SPACE = """\
space
    `"cell"`: what a gene adds to the state of a cell.
    `"type"`: how its level differs between the cell types that the model remembers.
    `"both"`: side by side; their cosines are averaged."""


@doc_params(space=_SPACE)
def gene_embedding(
    genes: Sequence[str] | None = None,
    *,
    space: Space = "both",
    model: Model | str | Path | None = None,
) -> AnnData:
    """Get the vectors that the model has of genes.

    Genes take the place of cells, so that :func:`scanpy.pp.neighbors` and all that follows work.

    Parameters
    ----------
    genes
        Symbols or Ensembl ids; those that the model does not know are left out, with a warning.
        By default all genes of the model.
    {space}
    {model}

    Returns
    -------
    Genes x dimensions: unit vectors in `X` (dtype `float32`), names as given, and
    `obs[['symbol', 'ensembl_id']]`. A gene of which the model knows nothing is a zero.

    Raises
    ------
    TypeError
        `genes` is a single string, or holds something other than strings.
    ValueError
        No gene is known, or there is no such space.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> scmm.get.gene_embedding(["CD3E", "CD79A", "LYZ"]).shape
    (3, 640)
    """
    from scmmgpt_tl.tl._chosen_model import load
    from scmmgpt_tl.tl._generation.panel import read_panel

    loaded = load(model)
    panel = read_panel(genes, loaded.genes)
    table = loaded.genes
    obs = pd.DataFrame(
        {
            "symbol": [table.symbols[i] for i in panel.places],
            "ensembl_id": [table.ensembl_ids[i] for i in panel.places],
        },
        index=pd.Index(panel.names, dtype=object),
    )
    return AnnData(_vectors(loaded, space)[panel.places], obs=obs)


@doc_params(space=_SPACE)
def nearest_genes(
    genes: str | Sequence[str],
    n_genes: int = 10,
    *,
    space: Space = "both",
    model: Model | str | Path | None = None,
) -> pd.DataFrame:
    """Get the genes that are most like a gene, or like several taken together.

    Parameters
    ----------
    genes
        Symbol or Ensembl id, or several: what is near to their mean is sought.
    n_genes
        How many to return.
    {space}
    {model}

    Returns
    -------
    `gene`, `ensembl_id` and `similarity` (cosine), the nearest first; `genes` are not among them.

    Raises
    ------
    TypeError
        `genes` holds something other than strings.
    ValueError
        No gene is known, there is no such space, or `n_genes` is not positive.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> {"CD3D", "CD3G"} <= set(scmm.get.nearest_genes("CD3E")["gene"])
    True
    """
    from scmmgpt_tl.tl._chosen_model import load
    from scmmgpt_tl.tl._generation.panel import read_panel

    _check_number(n_genes)
    loaded = load(model)
    places = read_panel([genes] if isinstance(genes, str) else genes, loaded.genes).places
    vectors = _vectors(loaded, space)
    centre = vectors[places].mean(0)
    similarity = vectors @ (centre / max(float(np.linalg.norm(centre)), np.finfo(np.float32).tiny))
    similarity[places] = -np.inf
    best = _best(similarity, min(n_genes, len(similarity) - len(places)))
    return _table(loaded, best, similarity=similarity[best])


@doc_params()
def genes_of(
    text: str,
    n_genes: int = 50,
    *,
    by: By | None = None,
    model: Model | str | Path | None = None,
) -> pd.DataFrame:
    """Get the genes that a text is about.

    How often they are the right ones is measured in :ref:`the benchmarks <gene-sets-benchmark>`, on
    terms of the Gene Ontology. A list is where to begin to read, and no gene set that somebody
    curated.

    Parameters
    ----------
    text
        Any words, such as `"antigen presentation"`.
    n_genes
        How many to return.
    by
        `"description"`: genes whose description (full name and terms of the Gene Ontology) is like
        the text.
        `"expression"`: genes that cells of this description express more than other cells, as
        :func:`scmmgpt_tl.tl.generate` would.
        By default the expression for what the Cell Ontology knows, and else the description.
    {model}

    Returns
    -------
    `gene`, `ensembl_id` and `score`, the best first. The score is a cosine for descriptions, and for
    expression the logarithm of how many times more is expected than in the mean of types; scores of
    two texts are not comparable.

    Raises
    ------
    TypeError
        `text` is not a string.
    ValueError
        `text` is empty, `n_genes` is not positive, there is no such way, or descriptions are asked
        of a model other than the one that ships.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> scmm.get.genes_of("plasma cell")["gene"].head(3).tolist()
    ['IGKC', 'IGHA1', 'JCHAIN']

    See Also
    --------
    scmmgpt_tl.tl.score_gene_sets : how strongly cells express such genes.
    """
    from scmmgpt_tl.tl._chosen_model import load
    from scmmgpt_tl.tl._genes.text_genes import score_genes

    _check_number(n_genes)
    loaded = load(model)
    score = score_genes(text, loaded, by=by)
    best = _best(score, n_genes)
    return _table(loaded, best, score=score[best])


def _vectors(model: Model, space: Space) -> NDArray[np.float32]:
    from scmmgpt_tl.model.gene_space import SPACES, gene_vectors

    if space not in SPACES:
        msg = f"`space` must be one of {list(SPACES)}, not {space!r}."
        raise ValueError(msg)
    return gene_vectors(model, space)


def _best(score: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    return np.argsort(-score, kind="stable")[:n]


def _table(model: Model, places: NDArray[np.intp], **columns: NDArray[np.float32]) -> pd.DataFrame:
    genes = model.genes
    named = {
        "gene": np.array([genes.symbols[i] for i in places], dtype=object),
        "ensembl_id": np.array([genes.ensembl_ids[i] for i in places], dtype=object),
    }
    return pd.DataFrame({**named, **columns})


def _check_number(n_genes: int) -> None:
    if n_genes < 1:
        msg = f"`n_genes` must be at least 1, not {n_genes!r}."
        raise ValueError(msg)
