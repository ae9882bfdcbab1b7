"""The data sets that methods are compared on, read the same way for all of them."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl._input import prepare
from scmmgpt_tl.pp import check_counts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.pp._counts import Counts

UNLABELLED = frozenset({"", "nan", "unknown", "unassigned"})


@dataclass(frozen=True)
class Study:
    """Labelled cells of one data set.

    Parameters
    ----------
    name
        Of the file.
    adata
        The cells that are scored, as they were in the file.
    n_labelled
        Labelled cells in the file, of which `adata` may be a sample.
    counts
        How the values are to be read.
    labels
        What the data set calls its cell types.
    cl_ids
        Their Cell Ontology ids, `""` where there is none.
    asked
        What a tool is given for each: the id where it means the same, else the data set's words.
    truth
        Label of each cell, (cells,).
    """

    name: str
    adata: AnnData = field(repr=False)
    n_labelled: int
    counts: Counts
    labels: tuple[str, ...]
    cl_ids: tuple[str, ...]
    asked: tuple[str, ...]
    truth: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True)
class Query:
    """What a baseline reads of a study.

    Parameters
    ----------
    counts
        Linear expression, (cells, genes of the model).
    measured
        Which of these genes the data set measured, (genes,).
    """

    counts: sparse.csr_matrix
    measured: NDArray[np.bool_]


def read_study(path: Path, *, max_cells: int, seed: int) -> Study:
    """Read a data set's labelled cells, or a random sample of `max_cells` of them.

    Parameters
    ----------
    path
        `.h5ad` file with `obs["cell_type"]` and `obs["cell_type_id"]`; `obs["cl_relation"]` says
        where an id is only related to the label.
    max_cells
        Most cells to keep.
    seed
        Decides which.

    Raises
    ------
    ValueError
        If the file lacks the labels, or fewer than two cells have one.
    """
    whole = ad.read_h5ad(path)
    if missing := {"cell_type", "cell_type_id"} - set(whole.obs):
        msg = f"{path.name} has no `obs` column {', '.join(map(repr, sorted(missing)))}."
        raise ValueError(msg)
    named = ~whole.obs["cell_type"].astype(str).str.lower().isin(UNLABELLED)
    rows = np.flatnonzero(named)
    if rows.size < 2:
        msg = f"{path.name} has {rows.size} labelled cell(s)."
        raise ValueError(msg)
    chosen = np.random.default_rng(seed).permutation(rows)[:max_cells]
    adata = whole[np.sort(chosen)].copy()
    labels, truth = np.unique(adata.obs["cell_type"].astype(str), return_inverse=True)
    ids, relations = _terms(adata.obs, labels)
    return Study(
        name=path.stem,
        adata=adata,
        n_labelled=int(rows.size),
        counts=counts_of(adata),
        labels=tuple(map(str, labels)),
        cl_ids=ids,
        asked=what_to_ask(labels, ids, relations),
        truth=truth.astype(np.int64),
    )


def counts_of(adata: AnnData) -> Counts:
    """Return `"auto"`, or `"lognorm"` where the input check refuses the values as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            check_counts(adata)
        except ValueError:
            check_counts(adata, counts="lognorm")
            return "lognorm"
    return "auto"


def what_to_ask(
    labels: Sequence[str], cl_ids: Sequence[str], relations: Sequence[str]
) -> tuple[str, ...]:
    """Return what each label is called in `tl.annotate(labels=...)`.

    Parameters
    ----------
    labels, cl_ids
        Labels of a data set and their ids.
    relations
        `"exact"` where the id means what the label means.
    """
    exact = [
        key if key and how == "exact" else "" for key, how in zip(cl_ids, relations, strict=True)
    ]
    # Two names for one term are told apart by the words of the data set alone.
    shared = {key for key, n in Counter(exact).items() if n > 1}
    return tuple(
        key if key and key not in shared else str(label)
        for label, key in zip(labels, exact, strict=True)
    )


def read_query(study: Study, genes: GeneTable) -> Query:
    """Read a study the way the tools do.

    Parameters
    ----------
    study
        Its cells.
    genes
        Gene table of the model, which decides the columns.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        prepared = prepare(study.adata, genes=genes, counts=study.counts)
    index = np.asarray(prepared.gene_report.index)
    measured = np.zeros(len(genes), dtype=bool)
    measured[index[index >= 0]] = True
    return Query(sparse.vstack(list(prepared.blocks()), format="csr"), measured)


def _terms(obs: pd.DataFrame, labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Id and relation of each label, those of most of its cells."""
    cl = ontology.load()
    relation = obs["cl_relation"].astype(str) if "cl_relation" in obs else "exact"
    table = obs[["cell_type"]].astype(str).assign(key=obs["cell_type_id"].astype(str), how=relation)
    most = table.groupby("cell_type")[["key", "how"]].agg(lambda found: found.mode()[0])
    keys = [cl.current(key) if key in cl else "" for key in most.loc[labels, "key"]]
    return tuple(keys), tuple(most.loc[labels, "how"])
