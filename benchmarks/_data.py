"""The data sets that methods are compared on, read the same way for all of them."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from _outsiders import doublets, empty_droplets
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl._input import prepare
from scmmgpt_tl._matrix import get_matrix
from scmmgpt_tl.pp import check_counts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.pp import CountReport
    from scmmgpt_tl.pp._counts import Counts

DOUBLET, EMPTY = "doublet", "empty"
NO_LABEL = -1
UNLABELLED = frozenset({"", "nan", "unknown", "unassigned"})


@dataclass(frozen=True)
class Study:
    """Labelled cells of one data set.

    Parameters
    ----------
    name
        Of the file.
    adata
        The cells that are scored, as they were in the file; droplets that were made, if any, come
        after them.
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
        Label of each cell, -1 for droplets that were made, (cells,).
    made
        `""` for a cell of the file, else what was made: `"doublet"` or `"empty"`, (cells,).
    """

    name: str
    adata: AnnData = field(repr=False)
    n_labelled: int
    counts: Counts
    labels: tuple[str, ...]
    cl_ids: tuple[str, ...]
    asked: tuple[str, ...]
    truth: NDArray[np.int64] = field(repr=False)
    made: NDArray[np.str_] = field(repr=False)

    def terms(self) -> NDArray[np.str_]:
        """Cell Ontology id of each cell, `""` where it has none, (cells,)."""
        return np.array([*self.cl_ids, ""])[self.truth]

    def of(self, rows: NDArray[np.int64]) -> Study:
        """Return the study with some of its cells only, all labels as they are."""
        return replace(
            self, adata=self.adata[rows].copy(), truth=self.truth[rows], made=self.made[rows]
        )


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


def read_study(path: Path, *, max_cells: int, seed: int, outsiders: float = 0.0) -> Study:
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
    outsiders
        Doublets, and empty droplets, to make for each cell that is kept.

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
    study = Study(
        name=path.stem,
        adata=adata,
        n_labelled=int(rows.size),
        counts=counts_of(adata),
        labels=tuple(map(str, labels)),
        cl_ids=ids,
        asked=what_to_ask(labels, ids, relations),
        truth=truth.astype(np.int64),
        made=np.full(len(truth), ""),
    )
    n_made = round(outsiders * adata.n_obs)
    return with_outsiders(study, n=n_made, seed=seed) if n_made else study


def with_outsiders(study: Study, *, n: int, seed: int) -> Study:
    """Return a study with droplets after its cells that are no cell of any one type.

    Parameters
    ----------
    study
        Its cells.
    n
        Doublets, and empty droplets, to make.
    seed
        Decides which.
    """
    rng = np.random.default_rng([seed, 8])
    adata, report = study.adata, _report(study.adata, study.counts)
    values = sparse.csr_matrix(get_matrix(adata, report.layer))
    base = report.log_base
    linear = values if base is None else (values * np.log(base)).expm1()
    parts = {
        DOUBLET: doublets(linear, study.terms().tolist(), n=n, rng=rng),
        EMPTY: empty_droplets(linear, n=n, rng=rng),
    }
    kinds = np.repeat(list(parts), [part.shape[0] for part in parts.values()])
    new = sparse.vstack(list(parts.values()), format="csr", dtype=np.float32)
    if base is not None:
        new = new.log1p() / np.log(base)
    names = [*adata.obs_names, *(f"{kind}{i}" for i, kind in enumerate(kinds))]
    extended = ad.AnnData(
        sparse.vstack([values, new], format="csr", dtype=np.float32),
        obs=adata.obs.reindex(names),
        var=adata.var,
        uns=dict(adata.uns),
    )
    none = np.full(len(kinds), NO_LABEL)
    return replace(
        study,
        adata=extended,
        truth=np.concatenate([study.truth, none]),
        made=np.concatenate([study.made, kinds]),
    )


def _report(adata: AnnData, counts: Counts) -> CountReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return check_counts(adata, counts=counts)


def counts_of(adata: AnnData) -> Counts:
    """Return `"auto"`, or `"lognorm"` where the input check refuses the values as they are."""
    try:
        _report(adata, "auto")
    except ValueError:
        _report(adata, "lognorm")
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
    return read_prepared(study.adata, genes, counts=study.counts)


def read_prepared(adata: AnnData, genes: GeneTable, *, counts: Counts = "auto") -> Query:
    """Read cells the way the tools do.

    Parameters
    ----------
    adata
        The cells.
    genes
        Gene table of the model, which decides the columns.
    counts
        What the values are.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        prepared = prepare(adata, genes=genes, counts=counts)
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
