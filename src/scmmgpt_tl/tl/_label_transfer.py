"""Giving cells the labels of a labelled data set."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import AnnotationKeys
from scmmgpt_tl.model.droplets import CELL

from ._annotation import annotation_results
from ._answers.decide import Level, Rule, decide
from ._answers.judge import UNCALIBRATED
from ._answers.verdict import LOW_SCORE, judge_cells
from ._arguments import check_arguments
from ._on_files import takes_paths
from ._session import open_session
from ._transfer.reference import open_reference, places
from ._transfer.transfer import even_out, held_kinds, learn_shares, weigh

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.scmmgpt import CellStates
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._labels import LabelSet
    from ._on_files import Paths
    from ._transfer.reference import Labelled

NOT_IN_REFERENCE = "not in the reference"


@takes_paths(at_once=True)
@doc_params(adata=ADATA_OR_PATH)
def label_transfer(
    adata: AnnData | MuData | Paths,
    reference: AnnData | MuData,
    labels_key: str,
    *,
    text_weight: float = 0.5,
    threshold: float = 0.3,
    reference_layer: str | None = None,
    reference_counts: Counts = "auto",
    reference_gene_symbols: str | None = None,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_transferred",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    r"""Give cells the labels of a labelled data set, through the space that cells share with text.

    Both data sets are read by the model, the reference as if it had been measured with the genes of
    `adata`. Two witnesses speak for a label: the cells that carry it in the reference, by logistic
    regression on the embedding, and its name, which the model compares with each cell as
    :func:`annotate` does. A third says whether a cell is of any of the reference's types at all:
    how much of what the model sees in it, among all labels it knows, is one of these types, or
    above or below one.

    On pairs of studies of :ref:`the benchmarks <label-transfer-benchmark>`, this is better than
    scanpy's `ingest`, CellTypist and regressions on genes or components that learn from the same
    reference, in the mean, and tells cells of a type that the reference lacks. Where the embedding
    suits a tissue badly, a regression on genes is better.

    Parameters
    ----------
    {adata}
    reference
        Labelled cells; only read. Its genes need not be those of `adata`.
    labels_key
        Column of `reference.obs` with the labels; cells without one, and those called "unknown",
        are left out. Names or ids of Cell Ontology terms get their ids.
    text_weight
        How much the names of the labels count, 0 to 1. At 0 only labelled cells do.
    threshold
        Lowest score of an answer.
    reference_layer, reference_counts, reference_gene_symbols
        `layer`, `counts` and `gene_symbols` of the reference.
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
    Sets the fields of :func:`annotate` under
    `key_added`, so that `scmm.get` and `scmm.pl` take them by `key`. Differences to these:

    `adata.obs['scmm_transferred_score' | key_added + '_score']` : :class:`pandas.Series` (dtype `float32`)
        Share of the best label times the chance that the cell is of one of the reference's types.
        Nothing is fitted on cells of your kind: the benchmarks say how often it was right.
    `adata.obs['scmm_transferred_reason' | key_added + '_reason']` : :class:`pandas.Series` (dtype `category`)
        `"not in the reference"` where the model rather sees another type than any of the reference's.
    `adata.obsm['scmm_transferred_scores' | key_added + '_scores']` : :class:`pandas.DataFrame` (dtype `float32`)
        What the rows lack to 1 is the chance that the cell is of no type of the reference, or no
        single cell.
    `adata.uns['scmm_transferred' | key_added]` : :class:`dict`
        Also `reference`, a frame with `label`, `cl_id` and `n_cells`, the labelled cells.

    Raises
    ------
    TypeError
        `reference` is no AnnData.
    ValueError
        An argument, the reference, the values or the genes cannot be used; the message says why.

    Notes
    -----
    With shares :math:`l_j` by the labelled cells and :math:`t_j` by the names, which are made fair to
    each other by the reference (there, each label gets as much of them as any other), text weight
    :math:`w`, and the model's own labels :math:`o`, of which :math:`R` are on one line with a label of the
    reference, the probabilities are

    .. math:: p_j = \Big(\sum_{o \in R} p_o\Big) \frac{l_j^{1-w} t_j^w}{\sum_k l_k^{1-w} t_k^w} .

    A label whose name tells nothing, such as "cluster 3", is judged by its cells alone, and adds to
    :math:`R` what the model sees in these.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> blood = scmm.datasets.pbmc68k()
    >>> blood.obs["type"] = blood.obs["bulk_labels"].map(
    ...     {"CD19+ B": "B cell", "CD56+ NK": "natural killer cell", "CD14+ Monocyte": "monocyte"}
    ... )
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.label_transfer(adata, blood, "type", reference_counts="lognorm")
    >>> list(adata.obsm["scmm_transferred_scores"])
    ['B cell', 'monocyte', 'natural killer cell']

    See Also
    --------
    scmmgpt_tl.get.label_transfer_df : what became of each label.
    scmmgpt_tl.train.finetune : a model for the labels, to be saved.
    """
    keys = AnnotationKeys(key_added)
    check_arguments(None, tissue=None, threshold=threshold)
    _check(reference, text_weight)
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
    source = open_reference(
        reference,
        labels_key,
        query=session,
        layer=reference_layer,
        counts=reference_counts,
        gene_symbols=reference_gene_symbols,
        mod=mod,
    )
    labels, cl = source.labels, ontology.load()
    rule = Rule(Level("label"), float(threshold), UNCALIBRATED, cl)
    n_labelled = int((source.code >= 0).sum())
    start = logg.info(f"transferring {len(labels)} labels of {n_labelled} cells")
    known = source.read(batch_size=batch_size)
    held = held_kinds(
        labels.kinds, session.model.labels.cl_ids, seen=known.own, code=known.code, ontology=cl
    )
    learned = learn_shares(known.place, known.code)
    named = np.array([bool(some) for some in labels.kinds])
    shares = partial(
        weigh,
        named=named,
        offsets=even_out(known.told, known.code, named=named),
        text_weight=float(text_weight),
    )
    kernel = _weighed(places(session, labels), held, learned=learned, weigh=shares)
    found = session.run(kernel, batch_size=batch_size, desc="transfer labels")
    p = found["p"]
    cells = judge_cells(
        decide(p, labels, rule),
        found["n_genes"],
        found["droplet"],
        min_genes=session.min_genes(),
    )
    foreign = found["at_home"] < 0.5 * found["droplet"][:, CELL]
    cells.reasons[(cells.reasons == LOW_SCORE) & foreign] = NOT_IN_REFERENCE
    params = session.params(
        labels_key=labels_key,
        text_weight=float(text_weight),
        threshold=float(threshold),
        reference_layer=reference_layer,
        reference_counts=reference_counts,
        reference_gene_symbols=reference_gene_symbols,
        key_added=key_added,
    )
    tables = {
        "genes": session.prepared.gene_report.summary(),
        "reference": _table(labels, known),
    }
    results = annotation_results(
        keys,
        cells,
        p=p,
        coverage=found["coverage"],
        labels=labels,
        params=params,
        tables=tables,
        obs_names=session.adata.obs_names,
    )
    results.write(session.found, start=start)
    return session.data if copy else None


def _weighed(
    place: Callable[..., dict[str, Any]],
    held: NDArray[np.float64],
    *,
    learned: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    weigh: Callable[[NDArray[np.floating], NDArray[np.floating]], NDArray[np.float64]],
) -> Callable[..., dict[str, Any]]:
    """Keep the probability of each label, and of being at home in the reference at all."""

    def kernel(states: CellStates, rows: csr_matrix) -> dict[str, Any]:
        own = place(states, rows)
        shares = weigh(learned(own["cell"].float().cpu().numpy()), own["told"])
        at_home = own["p"] @ held
        p = (shares * at_home[:, None]).astype(np.float32)
        return {"p": p, "at_home": at_home, "droplet": own["droplet"], "n_genes": own["n_genes"]}

    return kernel


def _table(labels: LabelSet, known: Labelled) -> pd.DataFrame:
    """How many labelled cells were learned from."""
    return pd.DataFrame(
        {
            "label": list(labels.names),
            "cl_id": list(labels.cl_ids),
            "n_cells": np.bincount(known.code, minlength=len(labels)),
        }
    )


def _check(reference: object, text_weight: float) -> None:
    if not hasattr(reference, "obs"):
        msg = f"`reference` must be an AnnData with labels, not {type(reference).__name__}."
        raise TypeError(msg)
    if isinstance(text_weight, bool) or not 0 <= text_weight <= 1:
        msg = f"`text_weight` must lie between 0 and 1, not {text_weight!r}."
        raise ValueError(msg)
