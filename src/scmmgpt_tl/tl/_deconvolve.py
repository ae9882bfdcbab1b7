"""Telling what a spot is a mixture of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._input import n_genes
from scmmgpt_tl._keys import MixtureKeys
from scmmgpt_tl._results import Results, column_names

from ._arguments import as_given, check_arguments
from ._generation.expected import expect
from ._generation.prompts import read_prompts
from ._labels import resolve_labels
from ._on_files import takes_paths
from ._session import open_session
from ._unmix import telling_genes, unmix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._generation.prompts import Prompts
    from ._labels import LabelSet
    from ._on_files import Paths


@takes_paths(at_once=True)
@doc_params(adata=ADATA_OR_PATH)
def deconvolve(
    adata: AnnData | MuData | Paths,
    labels: Sequence[str] | Mapping[str, str] | None = None,
    *,
    tissue: str | Sequence[str] | None = None,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_mixture",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Split spots, which hold several cells each, into shares of cell types.

    No reference cells are needed: what each type expresses is what the model expects of its text,
    as in :func:`generate`. Shares are those of the greatest Poisson likelihood, over the 3,000
    genes that tell the types apart best. How well a gene is measured here, in comparison with what
    the model has learned from, is estimated from all spots together, so that shares depend on which
    spots are there.

    Shares are of RNA: a type with twice as much RNA a cell has twice the share of as many cells.
    Types that are there and not among the labels are given to others that are like them; the fit of
    the spot is then lower. How far to trust shares: see
    :ref:`the benchmarks <spots-benchmark>`.

    Parameters
    ----------
    {adata}
    labels
        Names or Cell Ontology ids of the types to expect, or a mapping of names to descriptions.
        The shorter the list, the better: name what can be in the tissue.
    tissue
        Take the model's own labels of one or more tissues instead.
    {model}
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`, of a path the results without the genes.
    Sets the following fields:

    `adata.obsm['scmm_mixture' | key_added]` : :class:`pandas.DataFrame` (dtype `float32`)
        Share of each label; rows sum to 1. Spots without counts have the same of each.
    `adata.obs['scmm_mixture' | key_added]` : :class:`pandas.Series` (dtype `category`)
        Label with the largest share.
    `adata.obs['scmm_mixture_fit' | key_added + '_fit']` : :class:`pandas.Series` (dtype `float32`)
        Share of the deviance from the average spot that the mixture explains: 1 for all of it, 0
        or less where the mixture is no better than the average.
    `adata.obs['scmm_mixture_coverage' | key_added + '_coverage']` : :class:`pandas.Series` (dtype `float32`)
        Share of the spot's expression that the model could read; see :doc:`/user_guide/input`.
    `adata.uns['scmm_mixture' | key_added]` : :class:`dict`
        `params` of the call, `labels` (`name`, `cl_id`, `text` that the model read, `column`) and
        `n_genes` that were looked at.

    Raises
    ------
    ValueError
        Neither labels nor tissue are given, or values or genes are not what the model can read.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.deconvolve(adata, ["T cell", "B cell", "macrophage"])
    >>> adata.obsm["scmm_mixture"].shape
    (50, 3)

    See Also
    --------
    scmmgpt_tl.pl.mixture : shares on the slide.
    scmmgpt_tl.tl.annotate : one label each, for single cells.
    """
    keys = MixtureKeys(key_added)
    check_arguments(labels, tissue=tissue, threshold=None)
    if labels is None and tissue is None:
        msg = (
            "Say what the spots can be made of: `labels=[...]`, or `tissue=` for the model's own "
            "labels of a tissue. Mixtures of all types there are cannot be told apart."
        )
        raise ValueError(msg)
    session = open_session(
        adata,
        model=model,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=copy,
    )
    asked = resolve_labels(
        labels, own=session.model.labels, tissue=tissue, ontology=ontology.load()
    )
    start = logg.info(f"splitting {session.n_obs} spots into {len(asked)} types")
    texts = _texts(asked)
    profiles = np.stack([one.shares for one in expect(texts, session.model, steps=None)])
    genes = telling_genes(profiles, session.measured)
    n_empty, covered = 0, [np.empty(0, dtype=np.float32)]
    for block, of_block in session.read():
        covered.append(of_block)
        n_empty += int((n_genes(block) == 0).sum())
    session.tell_empty(n_empty)
    found = unmix(lambda: (rows[:, genes] for rows in session.blocks()), profiles[:, genes])
    columns = column_names(asked.names)
    shares = pd.DataFrame(
        found.shares.astype(np.float32), index=session.adata.obs_names, columns=columns
    )
    names = np.array(asked.names, dtype=object)
    params = session.params(labels=as_given(labels), tissue=tissue, key_added=key_added)
    Results(
        obs={
            keys.label: pd.Categorical(names[found.shares.argmax(1)], list(asked.names)),
            keys.fit: found.fit.astype(np.float32),
            keys.coverage: np.concatenate(covered),
        },
        obsm={keys.shares: shares},
        uns={
            keys.uns: {
                "params": params,
                "labels": _table(asked, texts, columns),
                "n_genes": len(genes),
            }
        },
    ).write(session.found, start=start)
    return session.data if copy else None


def _texts(asked: LabelSet) -> Prompts:
    """Say each label in the words that it is given with, or by its term."""
    descriptions = asked.descriptions or ("",) * len(asked)
    rows = zip(asked.names, asked.cl_ids, descriptions, strict=True)
    words = {name: text or (key if asked.rows else name) for name, key, text in rows}
    return read_prompts(words, ontology=ontology.load())


def _table(asked: LabelSet, texts: Prompts, columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": list(asked.names),
            "cl_id": list(asked.cl_ids),
            "text": [" / ".join(wordings) for wordings in texts.wordings],
            "column": list(columns),
        }
    )
