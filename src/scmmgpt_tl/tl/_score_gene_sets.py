"""Scoring cells for sets of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import GeneSetKeys
from scmmgpt_tl._results import Results

from ._genes.gene_sets import read_gene_sets
from ._genes.score_sets import score_sets
from ._on_files import takes_paths
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._genes.gene_sets import OneSet
    from ._on_files import Paths


@takes_paths()
@doc_params(adata=ADATA_OR_PATH)
def score_gene_sets(
    adata: AnnData | MuData | Paths,
    gene_sets: str | Sequence[str] | Mapping[str, OneSet],
    *,
    n_genes: int = 50,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_gene_sets",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Score every cell for sets of genes that you name, or only describe.

    Words become genes by :func:`scmmgpt_tl.get.genes_of`. A set is scored by the univariate linear
    model of decoupler :cite:p:`BadiaiMompel2022`: the t value of its weights as a predictor of the
    cell's log expression over all measured genes. It looks at one cell at a time, so that a cell
    keeps its score in any company; the network reads no cell. What that is worth beside other
    scores: :ref:`the benchmarks <gene-sets-benchmark>`.

    Parameters
    ----------
    {adata}
    gene_sets
        Names with a list of genes (`{"T": ["CD3D", "CD3E"]}`), with weights of genes, which may be
        negative (`{"T": {"CD3E": 1, "CD19": -1}}`), or with a text
        (`{"MHC": "antigen presentation"}`); or texts alone.
    n_genes
        Genes of a text.
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

    `adata.obsm['scmm_gene_sets' | key_added]` : :class:`pandas.DataFrame` (dtype `float32`)
        t value of each set in each cell; 0 for a cell without counts. A `"/"` in a name becomes
        `"|"`.
    `adata.obs['scmm_gene_sets_coverage' | key_added + '_coverage']` : :class:`pandas.Series` (dtype `float32`)
        Share of the cell's expression that the model could read; see :doc:`/user_guide/input`.
    `adata.uns['scmm_gene_sets' | key_added]` : :class:`dict`
        `params` of the call, and `genes`, a frame with `set`, `gene`, `weight`, `measured` and
        `source` (`"genes"` or `"text"`).

    Raises
    ------
    TypeError
        `gene_sets` is neither texts nor a dict of sets.
    ValueError
        A set is empty, none of its genes is known or measured, or values or genes are not what the
        model can read.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.score_gene_sets(adata, {"T": ["CD3D", "CD3E"], "MHC": "antigen presentation"})
    >>> adata.obsm["scmm_gene_sets"].columns.tolist()
    ['T', 'MHC']

    See Also
    --------
    scmmgpt_tl.get.gene_set_scores : the scores as an AnnData object.
    """
    keys = GeneSetKeys(key_added)
    if n_genes < 1:
        msg = f"`n_genes` must be at least 1, not {n_genes!r}."
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
    sets = read_gene_sets(gene_sets, session.model, session.measured, n_genes=n_genes)
    start = logg.info(f"scoring {session.n_obs} cells for {len(sets.names)} gene sets")
    blocks = [np.empty((0, len(sets.names)), dtype=np.float32)]
    covered = [np.empty(0, dtype=np.float32)]
    for rows, of_rows in session.read():
        blocks.append(score_sets(rows, sets.weights, session.measured))
        covered.append(of_rows)
    frame = pd.DataFrame(np.concatenate(blocks), index=session.adata.obs_names, columns=sets.names)
    params = session.params(n_genes=n_genes, key_added=key_added)
    record = {"params": params, "genes": sets.table}
    Results(
        obs={keys.coverage: np.concatenate(covered)},
        obsm={keys.obsm: frame},
        uns={keys.uns: record},
    ).write(session.found, start=start)
    return session.data if copy else None
