"""Annotating cells, or groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import AnnotationKeys

from ._annotation import annotation_results
from ._answers.decide import Rule, decide, read_level
from ._answers.judge import calibration_of, own_reading, published_reading
from ._answers.verdict import judge_cells, judge_groups, spread
from ._arguments import as_given, check_arguments
from ._chosen_model import is_published, load_judging
from ._groups import read_groups
from ._labels import resolve_labels
from ._on_files import takes_paths
from ._session import open_session
from ._workers.rows import read_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData
    from distributed import Client
    from mudata import MuData

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths


@takes_paths(columns=["groupby"])
@doc_params(adata=ADATA_OR_PATH)
def annotate(
    adata: AnnData | MuData | Paths,
    labels: Sequence[str] | Mapping[str, str] | None = None,
    groupby: str | None = None,
    *,
    level: str | Sequence[str] | None = None,
    threshold: float | None = None,
    tissue: str | Sequence[str] | None = None,
    model: Model | EncoderModel | str | Path | None = None,
    key_added: str = "scmm_cell_type",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    client: Client | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Say for every cell, or every group of cells, what it is and how sure that is.

    Cells are compared with the text of each label in the space that the model shares with text.
    The score is calibrated: of the cells with a score of 0.8, about 80 % had the right label, or one
    above or below it in the ontology, in the data the model was calibrated on. A cell whose score
    is below the threshold is `"unknown"`; two cells in one droplet, and droplets without a cell,
    have low scores. How often labels and scores are right on studies that nothing was fitted on,
    beside other tools: :ref:`the benchmarks <annotation-benchmark>`.

    A published model that compares cells with texts, such as LangCell, takes the place of ours by
    `model`: labels are then written and scored as it was published, by words alone. Its scores are
    shares, not calibrated, so that no threshold is set by default, and it needs `labels`.

    Parameters
    ----------
    {adata}
    labels
        What the cells may be: names, Cell Ontology ids, or a dict of names and descriptions in your
        own words.
        Terms of the Cell Ontology are scored through the model's own labels at, below and above
        them, descriptions and other names by their words alone.
        By default the labels the model was trained with.
    groupby
        Column of `.obs`; each of its groups gets one label, from the mean probabilities of its
        cells.
        Nothing is clustered behind your back.
    level
        How fine to answer: `None` with a label; `"deepest"` with the most specific Cell Ontology
        term that the evidence supports, be it a label or above them; a list of names or ids with
        the best of these, the probabilities of the labels below each being added up.
    threshold
        Lowest score of an answer; by default the one the model was calibrated for.
    tissue
        Compare only with labels of this tissue (or these), where you know it.
    {model}
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {batch_size}
    {client}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`, of a path the results without the genes.
    Sets the following fields:

    `adata.obs['scmm_cell_type' | key_added]` : :class:`pandas.Series` (dtype `category`)
        Label; `"unknown"` where the score is too low or the cell too poor.
    `adata.obs['scmm_cell_type_score' | key_added + '_score']` : :class:`pandas.Series` (dtype `float32`)
        Calibrated score of the best answer, with `groupby` that of the group.
    `adata.obs['scmm_cell_type_margin' | key_added + '_margin']` : :class:`pandas.Series` (dtype `float32`)
        How much more probable it is than the runner-up.
    `adata.obs['scmm_cell_type_cl' | key_added + '_cl']` : :class:`pandas.Series` (dtype `category`)
        Cell Ontology id, `""` where there is none.
    `adata.obs['scmm_cell_type_reason' | key_added + '_reason']` : :class:`pandas.Series` (dtype `category`)
        `"ok"`, or why the cell is unknown: `"doublet"` or `"empty droplet"` where it more likely
        is one of these than a cell, `"low score"`, `"few genes"`, `"no counts"`, `"no group"`.
    `adata.obs['scmm_cell_type_coverage' | key_added + '_coverage']` : :class:`pandas.Series` (dtype `float32`)
        Share of the cell's expression that the model could read; see :doc:`/user_guide/input`.
    `adata.obsm['scmm_cell_type_scores' | key_added + '_scores']` : :class:`pandas.DataFrame` (dtype `float32`)
        Probability of each label in each cell; what they lack to 1 is the chance that the droplet
        holds two cells, or none. A `"/"` in a name becomes `"|"`.
    `adata.uns['scmm_cell_type' | key_added]` : :class:`dict`
        `params` of the call; `labels`, a frame with `name`, `cl_id`, `column` and `description`;
        `genes`, the report of the gene matching; `reasons`, how many cells there are of each; with
        `groupby` also `groups`, a frame with `group`, `label`, `cl_id`, `score`, `support` (mean
        probability), `agreement` (share of the group's cells with the same label of their own),
        `runner_up`, `margin` and `n_cells`.

    Raises
    ------
    TypeError
        `labels` is a single string or holds something other than strings.
    ValueError
        An argument, the values or the genes cannot be used; the message says why.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> list(adata.obsm["scmm_cell_type_scores"])
    ['T cell', 'B cell', 'macrophage']

    See Also
    --------
    scmmgpt_tl.get.annotation_df : the results as one frame.
    """
    keys = AnnotationKeys(key_added)
    check_arguments(labels, tissue=tissue, threshold=threshold)
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
    cl = ontology.load()
    asked = resolve_labels(labels, own=getattr(loaded, "labels", None), tissue=tissue, ontology=cl)
    if is_published(loaded):
        reading = published_reading(loaded, asked, cl)
    else:
        reading = own_reading(session, asked, cl)
    calibration = calibration_of(loaded)
    groups = None if groupby is None else read_groups(session.adata.obs, groupby)
    limit = calibration.threshold if threshold is None else float(threshold)
    rule = Rule(read_level(level, labels=asked, ontology=cl), limit, calibration, cl)
    start = logg.info(f"annotating {session.n_obs} cells with {len(asked)} labels")
    found = read_cells(
        session, reading, batch_size=batch_size, desc="annotate", client=client, model=model
    )
    cells = judge_cells(
        decide(found["p"], asked, rule),
        found["n_genes"],
        found["droplet"],
        min_genes=session.min_genes(calibration),
    )
    table = None
    if groups is not None:
        judged = judge_groups(found["p"], cells, groups, decide=lambda p: decide(p, asked, rule))
        cells, table = spread(judged, cells, groups), judged.table(groups)
    params = session.params(
        labels=as_given(labels),
        groupby=groupby,
        level=level,
        threshold=limit,
        tissue=tissue,
        key_added=key_added,
    )
    tables = {"genes": session.prepared.gene_report.summary()}
    if table is not None:
        tables["groups"] = table
    results = annotation_results(
        keys,
        cells,
        p=found["p"],
        coverage=found["coverage"],
        labels=asked,
        params=params,
        tables=tables,
        obs_names=session.adata.obs_names,
    )
    results.write(session.found, start=start)
    return session.data if copy else None
