"""Experiments of which parts are held out, and how close predictions come to them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import scanpy as sc

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.tl._groups import all_cells, read_groups
from scmmgpt_tl.tl._perturbation.pseudobulk import read_pseudobulk
from scmmgpt_tl.tl._session import open_session
from scmmgpt_tl.train._perturbation import read_done
from scmmgpt_tl.train.compare import Compared, compare, split_control

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import Model

TOP = 20
FEWEST_CELLS = 10


class Task(NamedTuple):
    """A file, and what of it is held out in turn."""

    file: str
    key: str
    control: str
    groupby: str | None
    question: str  # "group" or "perturbation"
    kind: str  # words for a group of its cells where it has none


TASKS = (
    Task("kang_ifnb_scgen_valid", "condition", "control", "cell_type", "group", ""),
    Task(
        "perturb_thp1_papalexi",
        "perturbation",
        "non-targeting",
        None,
        "perturbation",
        "monocytic leukemia cell",
    ),
)


@dataclass(frozen=True, eq=False)
class Experiment:
    """An experiment, read once.

    Parameters
    ----------
    task
        Where it comes from.
    model
        That read it.
    genes
        Which of the model's genes it measured.
    counts
        (cells, genes).
    done, group
        Perturbation and group of each cell, by their places in `compared`, -1 for control cells
        and for others; (cells,).
    is_control
        Control cells that may be learned from, (cells,).
    is_test
        Those that held-out cells are compared with: others, where perturbations are held out, for
        shifts from the same control cells are alike by chance; (cells,).
    compared
        Shifts of all.
    """

    task: Task
    model: Model = field(repr=False)
    genes: NDArray[np.intp] = field(repr=False)
    counts: csr_matrix = field(repr=False)
    done: NDArray[np.intp] = field(repr=False)
    group: NDArray[np.intp] = field(repr=False)
    is_control: NDArray[np.bool_] = field(repr=False)
    is_test: NDArray[np.bool_] = field(repr=False)
    compared: Compared = field(repr=False)

    @property
    def symbols(self) -> list[str]:
        """Names of the genes."""
        return [self.model.genes.symbols[i] for i in self.genes]


class Fold(NamedTuple):
    """One perturbation in one group, and what may be learned from."""

    name: str
    perturbation: int
    group: int
    rows: NDArray[np.intp]  # perturbations to learn from
    columns: NDArray[np.intp]  # groups to learn from


def read_experiment(
    folder: Path, task: Task, model: Model, *, max_cells: int, seed: int
) -> Experiment:
    """Read an experiment, at most `max_cells` of each perturbation in each group, and all controls.

    Parameters
    ----------
    folder
        Where its file lies.
    task
        Which it is.
    model
        That reads it.
    max_cells, seed
        How many cells, and which.
    """
    adata = ad.read_h5ad(folder / f"{task.file}.h5ad")
    columns = [task.key, *filter(None, [task.groupby])]
    rng = np.random.default_rng(seed)
    is_control = (adata.obs[task.key] == task.control).to_numpy()
    parts = adata.obs[~is_control].groupby(columns, observed=True).groups.values()
    names = [name for part in parts for name in rng.permutation(part)[:max_cells]]
    adata = adata[is_control | adata.obs_names.isin(names)].copy()
    session = open_session(
        adata,
        model=model,
        layer=None,
        counts="auto",
        gene_symbols=None,
        species="auto",
        mod=None,
        copy=False,
    )
    done = read_done(adata.obs, task.key, task.control)
    groups = read_groups(adata.obs, task.groupby) if task.groupby else all_cells(adata.n_obs)
    is_control = done.codes == done.names.index(task.control)
    is_test = is_control
    if task.question == "perturbation":
        is_test = is_control & (rng.random(adata.n_obs) < 0.5)
        is_control = is_control & ~is_test
    genes = np.flatnonzero(session.measured)
    n_groups, last = len(groups.names), len(done.names)
    codes = np.where(is_test & ~is_control, -1, done.codes)
    codes = split_control(codes, groups.codes, control=done.names.index(task.control), last=last)
    means = read_pseudobulk(
        session,
        np.where(codes < 0, -1, codes * n_groups + groups.codes),
        (last + 1) * n_groups,
        genes=genes,
        batch_size=None,
    )
    found = compare(means, done.names, groups.names, control=task.control, min_cells=FEWEST_CELLS)
    counts = ad.concat([ad.AnnData(block) for block in session.blocks()]).X.tocsr()[:, genes]
    place = {name: i for i, name in enumerate(found.names)}
    of_group = {name: i for i, name in enumerate(found.groups)}
    return Experiment(
        task,
        model,
        genes,
        counts,
        np.array([place.get(done.names[code], -1) for code in done.codes]),
        np.array([of_group.get(groups.names[code], -1) for code in groups.codes]),
        is_control,
        is_test,
        found,
    )


def folds(experiment: Experiment) -> Iterator[Fold]:
    """Hold out each group, or each perturbation, in turn."""
    found = experiment.compared
    rows, columns = (np.arange(n) for n in found.n_cells.shape)
    for row, column in np.argwhere(found.n_cells > 0):
        if experiment.task.question == "group":
            yield Fold(found.groups[column], row, column, rows, columns[columns != column])
        else:
            yield Fold(found.names[row], row, column, rows[rows != row], columns)


class Truth(NamedTuple):
    """What was measured where something is held out."""

    expression: NDArray[np.float64]  # of the perturbed cells, (genes,)
    shift: NDArray[np.float64]  # from the control cells that are for testing, (genes,)
    top: NDArray[np.intp]  # genes that differ most clearly


def truth(experiment: Experiment, fold: Fold) -> Truth:
    """Measure a shift, and find the genes that differ most clearly by Welch's t."""
    cells = experiment.group == fold.group
    perturbed = cells & (experiment.done == fold.perturbation)
    rows = np.flatnonzero(perturbed | (cells & experiment.is_test))
    adata = ad.AnnData(log_expression(experiment.counts[rows]))
    adata.obs["done"] = np.where(perturbed[rows], "yes", "no")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(
            adata, "done", groups=["yes"], reference="no", method="t-test", rankby_abs=True
        )
    names = adata.uns["rank_genes_groups"]["names"]["yes"][:TOP]
    after, before = (
        np.asarray(adata.X[(adata.obs["done"] == name).to_numpy()].mean(0)).ravel()
        for name in ("yes", "no")
    )
    return Truth(after, after - before, adata.var_names.get_indexer(names))


def score(
    shift: NDArray[np.float64], found: Truth, *, control: NDArray[np.float64]
) -> dict[str, float]:
    """Compare a predicted with a measured shift; without any shift there is no correlation of it."""
    true, top = found.shift, found.top
    return {
        "r_expression": _correlation(control + shift, found.expression),
        "r_shift": _correlation(shift, true),
        "r_shift_top": _correlation(shift[top], true[top]),
        "mse_top": float(np.square(shift - true)[top].mean()),
    }


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 and other.std() > 0 else np.nan
