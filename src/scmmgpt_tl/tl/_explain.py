"""Explaining labels by the genes that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanpy import logging as logg

from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import ExplanationKeys
from scmmgpt_tl._results import Results

from ._arguments import check_whole
from ._chosen_model import load_judging
from ._explanation.asked import ask
from ._explanation.explained import gather, gene_table, overview_table
from ._explanation.subjects import Question, choose_cells
from ._explanation.way import attribute, check_method, open_way, read_cells
from ._on_files import takes_paths
from ._session import open_session

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._explanation.way import Method
    from ._on_files import Paths


@takes_paths(at_once=True, columns=["groupby"], keys=["key"])
@doc_params(adata=ADATA_OR_PATH)
def explain(
    adata: AnnData | MuData | Paths,
    groupby: str | None = None,
    *,
    label: str | None = None,
    against: str | None = None,
    key: str = "scmm_cell_type",
    method: Method | None = None,
    max_cells: int | None = 20,
    n_genes: int = 10,
    model: Model | EncoderModel | str | Path | None = None,
    key_added: str = "scmm_explanation",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    r"""Say which genes made a label, against which other one.

    What is explained is by how much :func:`annotate` took the label to be more probable than the
    other, :math:`\log(p_A / p_B)`. All that this follows from is attributed: what the network makes
    of the genes, and what they say as markers. The chance that a droplet is one cell counts for all
    labels alike and cancels.

    Integrated gradients :cite:p:`Sundararajan2017`, by Captum :cite:p:`Kokhlikyan2020`, start where
    the genes of the cell are absent, from the average cell of the model without them, and go to the
    cell. A gene that it expresses speaks for a label by being there, one that it lacks by not being
    there as in the average cell. The attributions of all genes add up to the log-odds, less those of
    the start. Leaving genes out one after the other works with every model, takes a pass through it
    for each gene, and adds up to nothing in particular.

    An attribution says what made the model choose, which need not be what makes the cell. How fast
    labels fall when the genes found here are taken out of the counts, beside the highest expressed
    and random ones, is measured in :ref:`the benchmarks <explain-benchmark>`.

    Parameters
    ----------
    {adata}
        Annotated by :func:`annotate`.
    groupby
        Column of `.obs`; the attributions of the cells of each group are averaged, and its label is
        that of the group as a whole.
        By default each cell is explained by itself.
    label
        Label to explain in all cells that can be read; by default the one that each was given, and
        cells without one are left out.
    against
        Label to set it against; by default the runner-up, the strongest other one. Both may be terms
        of the Cell Ontology with labels below them: `"lymphocyte"` against `"T cell"` is any other
        lymphocyte.
    key
        The `key_added` of the annotation.
    method
        `"integrated_gradients"`, the default with an encoder that adds up genes as the shipped one
        does, or `"leave_one_out"`, the default with every other.
    max_cells
        Most cells to explain, of each group with `groupby`; `None` for all. Which they are follows
        from their names.
    n_genes
        Genes to keep for each label, and as many that speak against it.
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

    `adata.uns['scmm_explanation' | key_added]` : :class:`dict`
        `params` of the call; `genes`, a frame with `cell` (or `group`), `label`, `against`, `rank`
        (from 1, among the genes for the label and among those against it), `gene`, `attribution`
        (above zero for the label), `expression` (mean of log1p of counts per ten thousand) and
        `marker` (whether the model's marker genes of the label hold it); and `overview`, with one
        row a cell (or group), `label`, `against`, `n_cells`, `log_odds`, `start` (log-odds where the
        genes are absent, with integrated gradients) and `total`, what the attributions of all genes
        add up to.

    Raises
    ------
    ValueError
        The cells were not annotated under `key`, or with another model, or refined; a label is none
        of the annotation; a column is missing; the method does not fit the model; or the values or
        genes cannot be used.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.tl.explain(adata, against="B cell", max_cells=2)
    >>> list(scmm.get.explanation_df(adata))
    ['cell', 'label', 'against', 'rank', 'gene', 'attribution', 'expression', 'marker']

    See Also
    --------
    scmmgpt_tl.tl.explain_search : the words that made a search.
    """
    keys = ExplanationKeys(key_added)
    _check(method, n_genes=n_genes, max_cells=max_cells, batch_size=batch_size)
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
    labels, subjects, cl = ask(session, question, key=key, groupby=groupby, ungrouped=choose_cells)
    way = open_way(session, labels, cl, method=method)
    start = logg.info(f"explaining {len(subjects.rows)} cells by {way.method}")
    rows = read_cells(session, subjects.rows)
    batches = attribute(way, rows, subjects, batch_size=batch_size, desc="explain")
    found = list(gather(batches, subjects.codes, n_genes=n_genes))
    genes = gene_table(
        found, subjects, rows, symbols=loaded.genes.symbols, weights=way.marker_weights
    )
    params = session.params(
        groupby=groupby,
        label=label,
        against=against,
        key=key,
        method=way.method,
        max_cells=max_cells,
        n_genes=n_genes,
        key_added=key_added,
    )
    record = {"params": params, "genes": genes, "overview": overview_table(found, subjects)}
    Results(uns={keys.uns: record}).write(session.found, start=start)
    return session.data if copy else None


def _check(method: object, *, n_genes: int, **numbers: int | None) -> None:
    check_method(method)
    check_whole("n_genes", n_genes, least=1)
    for name, number in numbers.items():
        if number is not None:
            check_whole(name, number, least=1)
