"""Refining an annotation by what the user's own cells have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import AnnotationKeys
from scmmgpt_tl._results import flat
from scmmgpt_tl._settings import settings

from ._annotated import Annotated, read_annotated
from ._annotation import annotation_results
from ._answers.decide import Decision, Rule, decide, read_level
from ._answers.judge import calibration_of
from ._answers.verdict import OK, UNREADABLE, Verdict, judge_again
from ._arguments import check_arguments
from ._chosen_model import load_judging, model_params
from ._given_labels import given_labels
from ._labels import LabelSet
from ._on_files import takes_paths
from ._opened import open_cells
from ._refinement.place import principal_components, read_place
from ._refinement.self_training import self_train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths


# How probable it is from the start that a cell has a label that the annotation did not choose among.
NEW_SHARE = 0.1


class _Start(NamedTuple):
    """What an annotation says, and the labels that the user knows."""

    labels: LabelSet
    p: NDArray[np.float64]  # (cells, labels)
    reasons: NDArray[np.object_]
    coverage: NDArray[np.float32]
    given: NDArray[np.intp]  # (cells,) label, -1 where not known


@takes_paths(at_once=True, columns=["labels_key"], keys=["key", "use_rep"])
@doc_params(adata=ADATA_OR_PATH)
def refine(
    adata: AnnData | MuData | Paths,
    *,
    key: str = "scmm_cell_type",
    labels_key: str | None = None,
    use_rep: str | None = None,
    n_rounds: int = 3,
    level: str | Sequence[str] | None = None,
    threshold: float | None = None,
    model: Model | EncoderModel | str | Path | None = None,
    key_added: str = "scmm_refined",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Let the cells of a data set decide together what :func:`annotate` said of each by itself.

    A model that has never seen a study is sure of some of its cells and not of others that are
    much like them. In a few rounds, a logistic regression learns each label from the cells that are
    surest of it, and judges all cells by what they have in common with these. What it finds depends
    on which cells are there: unlike :func:`annotate`, it gives a cell another answer in other
    company.

    Over the data sets of :ref:`the benchmarks <refine-benchmark>`, with labels given, it is right more
    often in the mean; a label that :func:`annotate` gives to the wrong cells throughout gets worse.

    Parameters
    ----------
    {adata}
    key
        The `key_added` of an annotation of all these cells.
    labels_key
        Column of `.obs` with labels that you know, missing, empty or `"unknown"` elsewhere. They stay
        as they are and are learned from. Labels that the annotation did not choose among are added
        to it; five known cells of one are enough to find others of it.
    use_rep
        Key of `.obsm` that says which cells are alike, such as `"X_pca_harmony"` where batches
        differ.
        By default principal components of the counts.
    n_rounds
        Rounds of learning.
    level, threshold
        As in :func:`annotate`.
    {model}
        The one that the annotation was made with.
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
    Sets the fields of :func:`annotate` under `key_added`, so that `scmm.get` and `scmm.pl` take them
    by `key`. Cells that could not be read stay unknown, and droplets that are unlikely to be one
    cell keep low scores.

    Raises
    ------
    ValueError
        The cells were not annotated under `key`, or with another model; a column or representation
        is missing; or the values or genes cannot be used.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage", "plasma cell", "mast cell"])
    >>> scmm.tl.refine(adata)
    >>> list(scmm.get.annotation_df(adata, key="scmm_refined"))
    ['label', 'cl_id', 'score', 'margin', 'reason', 'coverage']

    See Also
    --------
    scmmgpt_tl.train.finetune : a model for your own labels, which answers for each cell by itself.
    """
    keys = AnnotationKeys(key_added)
    check_arguments(None, tissue=None, threshold=threshold)
    _check_rounds(n_rounds)
    loaded = load_judging(model)
    opened = open_cells(adata, copy=copy, mod=mod)
    own = opened.adata
    before = _read(own, read_annotated(own, key, model=loaded), labels_key)
    calibration = calibration_of(loaded)
    cl = ontology.load()
    limit = calibration.threshold if threshold is None else float(threshold)
    rule = Rule(read_level(level, labels=before.labels, ontology=cl), limit, calibration, cl)
    readable = np.flatnonzero(~np.isin(before.reasons, UNREADABLE) | (before.given >= 0))
    tables = {}
    if use_rep is None:
        prepared = opened.check(
            loaded, layer=layer, counts=counts, gene_symbols=gene_symbols, species=species
        )
        place = principal_components(prepared, readable)
        tables["genes"] = prepared.gene_report.summary()
    else:
        place = read_place(own, use_rep)[readable]
    start = logg.info(f"refining {len(readable)} cells with {len(before.labels)} labels")
    p = before.p.copy()
    if len(readable) > 1:
        p[readable] = _refined(before, readable, place, n_rounds=n_rounds)
    cells = _judge(decide(p.astype(np.float32), before.labels, rule), before)
    params = flat(
        {
            "key": key,
            "labels_key": labels_key,
            "use_rep": use_rep,
            "n_rounds": n_rounds,
            "level": level,
            "threshold": limit,
            "key_added": key_added,
            "layer": layer,
            "counts": counts,
            "gene_symbols": gene_symbols,
            "species": tables["genes"]["species"] if tables else species,
            "mod": mod,
            "nan": settings.nan,
            **model_params(loaded),
        }
    )
    results = annotation_results(
        keys,
        cells,
        p=p,
        coverage=before.coverage,
        labels=before.labels,
        params=params,
        tables=tables,
        obs_names=own.obs_names,
    )
    results.write(opened.found, start=start)
    return opened.data if copy else None


def _refined(
    before: _Start,
    rows: NDArray[np.intp],
    place: NDArray[np.floating],
    *,
    n_rounds: int,
) -> NDArray[np.float64]:
    """Probabilities of some cells; the chance that a droplet is one cell stays its own."""
    p, given = before.p[rows], before.given[rows]
    single = p.sum(1, keepdims=True)
    shares = p / np.maximum(single, np.finfo(np.float32).tiny)
    single[given >= 0] = 1
    learned = self_train(shares, place, given=given, single=single[:, 0] >= 0.5, n_rounds=n_rounds)
    return single * learned


def _read(adata: AnnData, annotated: Annotated, labels_key: str | None) -> _Start:
    own, p = annotated.labels, annotated.p
    cl = ontology.load()
    known = given_labels(adata, labels_key) if labels_key is not None else [""] * adata.n_obs
    meant, added = _match(
        sorted(set(known) - {""}), dict(zip(own.names, own.cl_ids, strict=True)), cl
    )
    new = tuple(added)
    labels = LabelSet(
        (*own.names, *new),
        (*own.cl_ids, *added.values()),
        descriptions=(*own.descriptions, *("" for _ in new)),
    )
    place = {name: i for i, name in enumerate(labels.names)}
    given = np.array([place[meant[name]] if name else -1 for name in known], dtype=np.intp)
    if new:
        of_new = np.repeat(NEW_SHARE / len(new) * p.sum(1, keepdims=True), len(new), axis=1)
        p = np.hstack([(1 - NEW_SHARE) * p, of_new])
    return _Start(labels, p, annotated.reasons, annotated.coverage, given)


def _match(
    known: Sequence[str], labels: Mapping[str, str], cl: CellOntology
) -> tuple[dict[str, str], dict[str, str]]:
    """Find the label that each known one means, and what has to be added, with its id.

    A name of the same term means the label that there is, "T lymphocyte" the label "T cell".
    """
    of_id = {key: name for name, key in labels.items() if key}
    meant, added = {}, {}
    for text in known:
        key = cl.resolve(text) or ""
        if text in labels:
            meant[text] = text
        elif key in of_id:
            meant[text] = of_id[key]
        else:
            name = cl.name(key) if text.upper().startswith(("CL:", "CL_")) and key else text
            meant[text] = name
            added[name] = key
            if key:
                of_id[key] = name
    return meant, added


def _judge(decision: Decision, before: _Start) -> Verdict:
    """Cells that could not be read stay so; what the user knows is certain."""
    again, given = judge_again(decision, before.reasons), before.given >= 0
    names, ids = (
        np.array([*column, ""], object) for column in (before.labels.names, before.labels.cl_ids)
    )
    return Verdict(
        labels=np.where(given, names[before.given], again.labels),
        cl_ids=np.where(given, ids[before.given], again.cl_ids),
        scores=np.where(given, np.float32(1), again.scores),
        margins=again.margins,
        reasons=np.where(given, OK, again.reasons),
    )


def _check_rounds(n_rounds: int) -> None:
    if not isinstance(n_rounds, int | np.integer) or isinstance(n_rounds, bool) or n_rounds < 1:
        msg = f"`n_rounds` must be a whole number, 1 or more, not {n_rounds!r}."
        raise ValueError(msg)
