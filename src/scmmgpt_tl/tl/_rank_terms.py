"""Ranking terms by how well they fit groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import RankKeys
from scmmgpt_tl._results import Results

from ._groups import Groups, read_groups
from ._kernels import GroupSums, cosines
from ._labels import LabelSet, embed_labels
from ._on_files import takes_paths
from ._search import read_query
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.labels import LabelTable
    from scmmgpt_tl.model.scmmgpt import CellStates
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths

ALL_CELLS = "all"


@takes_paths(at_once=True, columns=["groupby"])
@doc_params(adata=ADATA_OR_PATH)
def rank_terms(
    adata: AnnData | MuData | Paths,
    terms: Sequence[str] | None = None,
    groupby: str | None = None,
    *,
    n_terms: int | None = None,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_rank_terms",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Rank texts by how well they fit groups of cells: a search the other way round.

    The score of a text in a group is the mean over the group's cells of what
    :func:`~scmmgpt_tl.tl.search` computes; cells with fewer genes than the model needs do not
    count.

    Parameters
    ----------
    {adata}
    terms
        Any texts, names or Cell Ontology ids; by default all labels of the model.
    groupby
        Column of `.obs` that groups the cells; by default all cells are one group, `"all"`.
    n_terms
        Keep only the best terms of each group.
    {model}
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {batch_size}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`, of a path the results without the genes.
    Sets the following field:

    `adata.uns['scmm_rank_terms' | key_added]` : :class:`dict`
        `params` of the call and `ranking`, a :class:`pandas.DataFrame` with the columns `group`,
        `rank` (from 1), `term`, `cl_id` and `score`.

    Raises
    ------
    TypeError
        `terms` is a single string.
    ValueError
        `terms` is empty, `groupby` is no column, or the input is not what the model can read.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.rank_terms(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.get.rank_terms_df(adata)["rank"].tolist()
    [1, 2, 3]
    """
    keys = RankKeys(key_added)
    _check(terms, n_terms=n_terms)
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
    groups = (
        Groups((ALL_CELLS,), np.zeros(session.n_obs, dtype=np.intp))
        if groupby is None
        else read_groups(session.adata.obs, groupby)
    )
    asked = _read_terms(terms, own=session.model.labels)
    start = logg.info(f"ranking {len(asked)} terms in {len(groups.names)} groups")
    text = embed_labels(asked, session.model)
    sums = GroupSums(groups.codes, len(groups.names), min_genes=session.min_genes())
    compare = cosines(session.model, text)

    def kernel(states: CellStates, rows: csr_matrix) -> dict[str, Any]:
        said = compare(states, rows)
        sums.add(said["cosine"], rows)
        return {"n_genes": said["n_genes"]}

    session.run(kernel, batch_size=batch_size, desc="rank terms")
    scores = sums.means()
    params = session.params(
        terms=None if terms is None else list(asked.names),
        groupby=groupby,
        n_terms=n_terms,
        key_added=key_added,
    )
    record = {"params": params, "ranking": ranking(scores, asked, groups.names, n_terms=n_terms)}
    Results(uns={keys.uns: record}).write(session.found, start=start)
    return session.data if copy else None


def ranking(
    scores: NDArray[np.float64],
    terms: LabelSet,
    groups: Sequence[str],
    *,
    n_terms: int | None = None,
) -> pd.DataFrame:
    """List the terms of each group from the best to the worst.

    Parameters
    ----------
    scores
        One per group and term, `(n_groups, n_terms)`.
    terms
        The terms.
    groups
        Names of the groups.
    n_terms
        How many to keep per group.

    Returns
    -------
    A frame with the columns `group`, `rank`, `term`, `cl_id`, `score`.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n_terms]
    n_groups, kept = order.shape
    return pd.DataFrame(
        {
            "group": np.repeat(np.array(groups, dtype=object), kept),
            "rank": np.tile(np.arange(1, kept + 1), n_groups),
            "term": np.array(terms.names, dtype=object)[order].ravel(),
            "cl_id": np.array(terms.cl_ids, dtype=object)[order].ravel(),
            "score": np.take_along_axis(scores, order, axis=1).ravel().astype(np.float32),
        }
    )


def _check(terms: Sequence[str] | None, *, n_terms: int | None) -> None:
    if isinstance(terms, str):
        msg = f"`terms` must be a list, not one string. Use [{terms!r}]."
        raise TypeError(msg)
    if terms is not None and not (len(terms) and all(text.strip() for text in terms)):
        msg = "`terms` is empty or holds an empty text. Name at least one, or leave it out."
        raise ValueError(msg)
    if n_terms is not None and n_terms < 1:
        msg = f"`n_terms` must be at least 1, not {n_terms!r}."
        raise ValueError(msg)


def _read_terms(terms: Sequence[str] | None, *, own: LabelTable) -> LabelSet:
    if terms is None:
        rows = tuple(range(len(own)))
        return LabelSet(own.names, own.cl_ids, rows=rows)
    cl = ontology.load()
    names = tuple(dict.fromkeys(text.strip() for text in terms))
    ids, wordings = zip(*(read_query(text, ontology=cl) for text in names), strict=True)
    return LabelSet(names, ids, wordings=wordings)
