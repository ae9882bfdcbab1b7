"""Genes that speak for a label together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanpy import logging as logg

from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import GeneNetworkKeys
from scmmgpt_tl._results import Results

from ._arguments import check_whole
from ._chosen_model import load_judging
from ._explanation.asked import ask
from ._explanation.network import connect
from ._explanation.networks import FEWEST_CELLS, by_subject, large_enough, network_tables
from ._explanation.subjects import Question, choose_labels
from ._explanation.way import attribute, open_way, read_cells
from ._on_files import takes_paths
from ._session import open_session

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths

# How genes go together needs attributions less exact than what a gene adds by itself.
STEPS = 8


@takes_paths(at_once=True, columns=["groupby"], keys=["key"])
@doc_params(adata=ADATA_OR_PATH)
def gene_network(
    adata: AnnData | MuData | Paths,
    groupby: str | None = None,
    *,
    label: str | None = None,
    against: str | None = None,
    key: str = "scmm_cell_type",
    max_cells: int | None = 100,
    n_genes: int = 100,
    n_edges: int = 200,
    model: Model | EncoderModel | str | Path | None = None,
    key_added: str = "scmm_gene_network",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Tie genes that speak for a label in the same cells.

    What each gene adds to the log-odds of a label is found in every cell, as :func:`explain` does
    it. Two genes are tied where these attributions rise and fall together over the cells of a
    group: by their correlation, which is drawn to zero as far as so few cells leave it to chance
    :cite:p:`Schafer2005`. A common driver, a shared pathway or the depth of a cell all tie genes;
    nothing here says who regulates whom. Beside each tie stands the correlation of the two genes'
    expression in the same cells.

    The network is for what the model makes of genes; to look for co-regulated ones, go by
    `coexpression`. How often either ties genes of one biological process is asked in
    :ref:`the benchmarks <gene-network-benchmark>`.

    Parameters
    ----------
    {adata}
        Annotated by :func:`annotate`.
    groupby
        Column of `.obs`; each group has a network of its own, for its label as a whole.
        By default the cells of each label are a group.
    label
        Label to explain in every group; without `groupby`, the one label whose cells to look at.
    against
        Label to set it against; by default the runner-up of the group.
    key
        The `key_added` of the annotation.
    max_cells
        Most cells of each group; `None` for all. Which they are follows from their names. Groups of
        fewer than ten are left out.
    n_genes
        Genes of each network: those with the largest attributions of either sign.
    n_edges
        Most ties of each network, the strongest of either sign.
    {model}
        The one that the annotation was made with.
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

    `adata.uns['scmm_gene_network' | key_added]` : :class:`dict`
        `params` of the call; `edges`, a frame with `group`, `rank`, `gene`, `other`, `correlation`
        (of the attributions) and `coexpression` (of log1p of counts per ten thousand, shrunk in the
        same way); `genes`, with `group`, `gene`, mean `attribution`, mean `expression` and
        `n_edges`; and `overview`, with `group`, `label`, `against`, `n_cells`, `n_genes`, `n_edges`
        and `shrinkage` (0 to 1: how much of the correlations was taken for chance).

    Raises
    ------
    ValueError
        The cells were not annotated under `key`, or with another model, or refined; a label is none
        of the annotation; no group has ten cells; a column is missing; or the values or genes
        cannot be used.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.tl.gene_network(adata, label="T cell", max_cells=12, n_genes=20, n_edges=10)
    >>> list(scmm.get.gene_network_df(adata))
    ['group', 'rank', 'gene', 'other', 'correlation', 'coexpression']

    See Also
    --------
    scmmgpt_tl.tl.explain : what each gene adds.
    scmmgpt_tl.get.nearest_genes : genes that the model takes to be alike, whatever the cells.
    """
    keys = GeneNetworkKeys(key_added)
    numbers = {"max_cells": max_cells, "batch_size": batch_size}
    given = {name: number for name, number in numbers.items() if number is not None}
    least = {"max_cells": FEWEST_CELLS, "n_genes": 2}
    for name, number in {**given, "n_genes": n_genes, "n_edges": n_edges}.items():
        check_whole(name, number, least=least.get(name, 1))
    loaded = load_judging(model)
    session = open_session(
        adata,
        model=loaded,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=copy,
        text=False,
    )
    question = Question(label, against, max_cells)
    labels, chosen, cl = ask(session, question, key=key, groupby=groupby, ungrouped=choose_labels)
    subjects = large_enough(chosen)
    way = open_way(session, labels, cl, method=None, n_steps=STEPS)
    start = logg.info(f"tying genes in {len(subjects.names)} groups of cells by {way.method}")
    rows = read_cells(session, subjects.rows)
    batches = attribute(way, rows, subjects, batch_size=batch_size, desc="tie genes")
    found = [
        connect(attributions, rows[subjects.codes == group], n_genes=n_genes, n_edges=n_edges)
        for group, attributions in enumerate(by_subject(batches, subjects.codes))
    ]
    params = session.params(
        groupby=groupby,
        label=label,
        against=against,
        key=key,
        method=way.method,
        max_cells=max_cells,
        n_genes=n_genes,
        n_edges=n_edges,
        key_added=key_added,
    )
    tables = network_tables(found, subjects, symbols=loaded.genes.symbols)
    Results(uns={keys.uns: {"params": params, **tables}}).write(session.found, start=start)
    return session.data if copy else None
