"""Describing groups of cells in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import DescriptionKeys
from scmmgpt_tl._results import Results
from scmmgpt_tl._settings import settings

from ._arguments import as_given, check_arguments
from ._groups import Groups, read_groups
from ._labels import resolve_labels
from ._on_files import takes_paths
from ._session import open_session
from ._writing.dossier import lay_out, open_dossiers, read_groups_of
from ._writing.write_up import write_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths
    from ._session import Session


@takes_paths(at_once=True, columns=["groupby"])
@doc_params(adata=ADATA_OR_PATH)
def describe(
    adata: AnnData | MuData | Paths,
    groupby: str | None = None,
    *,
    labels: Sequence[str] | Mapping[str, str] | None = None,
    threshold: float | None = None,
    tissue: str | None = None,
    max_cells: int = 500,
    rng: int | np.random.Generator | None = 0,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_description",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Describe groups of cells in words, with the evidence beside them.

    The text decoder reads the mean query states of a group and its evidence: label, lineage and the
    genes that stand out.
    A sentence that names another kind of cell, a gene without evidence or a tissue nobody stated is
    left out; where none is left, another text is drawn.
    The names of the groups are never shown to the model.
    How often descriptions are true is measured in :ref:`the benchmarks <description-benchmark>`.

    Parameters
    ----------
    {adata}
    groupby
        Column of `.obs` that groups the cells; by default every cell is described on its own.
    labels
        What the cells may be, as in :func:`~scmmgpt_tl.tl.annotate`.
    threshold
        Lowest score of a label.
        Where no label reaches it by itself, the deepest Cell Ontology term above it that does is
        taken.
    tissue
        Where the cells are from; also restricts the model's own labels.
    max_cells
        Most cells to describe one by one: each takes a second or so.
    rng
        Seed or generator; the same seed gives the same texts.
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
    Sets the following fields:

    `adata.obs['scmm_description' | key_added]` : :class:`pandas.Series` (dtype `object`)
        Description of the cell's group, `""` for cells without a group.
    `adata.uns['scmm_description' | key_added]` : :class:`dict`
        `params` of the call; `genes`, the report of the gene matching; `groups`, a frame with
        `group`, `n_cells`, `label`, `cl_id`, `score`, `top_genes`, `top_terms`, `lineage`,
        `description`, `written_by` (`"decoder"`, `"decoder, shortened"`, or `"evidence"` where
        nothing the decoder wrote could stand) and `coverage`, the mean share of the expression of
        its cells that the model could read.

    Raises
    ------
    ValueError
        There are more than `max_cells` cells and no `groupby`, or an argument, the values or the
        genes cannot be used; the message says why.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> adata.obs["all"] = "one"
    >>> scmm.tl.describe(adata, "all")
    >>> list(scmm.get.description_df(adata)["group"])
    ['one']
    """
    keys = DescriptionKeys(key_added)
    check_arguments(None, tissue=None, threshold=threshold)
    generator = np.random.default_rng(rng)
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
    cl = ontology.load()
    own = session.model.labels
    asked = resolve_labels(labels, own=own, tissue=tissue, ontology=cl)
    groups = _groups(session, groupby, max_cells=max_cells)
    limit = session.model.calibration.threshold if threshold is None else float(threshold)
    start = logg.info(f"describing {len(groups.names)} groups of {session.n_obs} cells")
    reading = read_groups_of(session, asked, groups, batch_size=batch_size)
    dossiers = open_dossiers(session, asked, reading, threshold=limit, tissue=tissue or "")
    texts = write_up(
        reading.queries,
        [dossier.evidence for dossier in dossiers],
        session.model,
        rng=generator,
        progress=settings.show_progress,
    )
    params = session.params(
        groupby=groupby,
        labels=as_given(labels),
        threshold=limit,
        tissue=tissue,
        max_cells=max_cells,
        rng=rng if isinstance(rng, int) else None,
        key_added=key_added,
    )
    record = {
        "params": params,
        "genes": session.prepared.gene_report.summary(),
        "groups": lay_out(groups, dossiers, texts),
    }
    written = np.array([*(text.text for text in texts), ""], dtype=object)[groups.codes]
    Results(obs={keys.obs: written}, uns={keys.uns: record}).write(session.found, start=start)
    return session.data if copy else None


def _groups(session: Session, groupby: str | None, *, max_cells: int) -> Groups:
    if groupby is not None:
        return read_groups(session.adata.obs, groupby)
    if session.n_obs > max_cells:
        msg = (
            f"There are {session.n_obs} cells to describe one by one, and `max_cells` is "
            f"{max_cells}. Name a column of groups with `groupby`, or raise `max_cells`."
        )
        raise ValueError(msg)
    return Groups(tuple(session.adata.obs_names.astype(str)), np.arange(session.n_obs))
