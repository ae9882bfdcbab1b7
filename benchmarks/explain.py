"""Do the genes that explain a label carry it: labels scored again without them.

`python benchmarks/explain.py --data ../shared/data/dev --out build/benchmarks` annotates cells of
every data set with its labels given, takes the 1, 2, 5, 10, 20 and 50 genes out of the counts that
a method ranks first, and asks how far the log-odds of the label against its runner-up fall, and
how often the cell gets another label.
"""

from __future__ import annotations

import time
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from _data import Study, read_query, read_study
from _intervals import mean_interval
from _page import bullets, picture, table
from _pictures import lines, new_figure, save
from _run import (
    STATIC,
    base_parser,
    data_sets,
    describe_run,
    picture_folders,
    save_parts,
    save_rows,
)
from scipy import sparse

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology
from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.tl._answers.judge import Judge
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._explanation.attribute import Attributed, IntegratedGradients, LeaveOneOut
from scmmgpt_tl.tl._explanation.log_odds import LogOdds
from scmmgpt_tl.tl._kernels import probabilities
from scmmgpt_tl.tl._labels import resolve_labels

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "explain"
PICTURE = "benchmark_explain.png"
CAPTION = "Log-odds and labels of cells without the genes that a method ranks first"
NAMES = {
    "integrated": "integrated gradients",
    "left_out": "leave one gene out",
    "gradient": "gradient times value",
    "expressed": "highest expressed",
    "random": "random expressed",
}
PACED = ("integrated", "left_out", "gradient")
N_REMOVED = (1, 2, 5, 10, 20, 50)
N_SHOWN = 10


class Case(NamedTuple):
    """Cells of one data set, the labels that were set against each other, and how they are scored."""

    name: str
    rows: sparse.csr_matrix
    sides: NDArray[np.bool_]
    odds: LogOdds
    judge: Judge

    def score(self, rows: sparse.csr_matrix) -> NDArray[np.float64]:
        """Return probabilities of the labels, as `tl.annotate` does, (cells, labels)."""
        with torch.inference_mode():
            states = self.judge.reader.encode_cells(rows, self.odds.measured)
            return np.asarray(self.judge.kernel(states, rows)["p"], dtype=np.float64)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, object]] = []
    for path in data_sets(given):
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        rows += compare(study, model, given)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    quick = [name for name in NAMES if name != "left_out"]
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=quick)
    parser.set_defaults(max_cells=40)
    return parser.parse_args(arguments)


def compare(study: Study, model: Model, given: argparse.Namespace) -> list[dict[str, object]]:
    """Run the methods on the cells of one data set; one row a method and cell.

    Parameters
    ----------
    study
        The data set.
    model
        That annotates.
    given
        Command line.
    """
    case = open_case(study, model)
    markers = marker_genes(case)
    found = []
    for method in given.methods:
        # Of the processor, not by the clock: a machine may do other work beside.
        start = time.process_time()
        strength = METHODS[method](case, given.seed)
        pace = case.rows.shape[0] / (time.process_time() - start)
        order = rank_expressed(strength, case.rows)
        fall, flip = remove(case, order)
        known = [np.mean(markers[cell, genes[:N_SHOWN]]) for cell, genes in enumerate(order)]
        for cell in range(case.rows.shape[0]):
            one = {"data_set": case.name, "method": method, "cell": cell, "cells_per_second": pace}
            one |= {f"fall_{n}": fall[cell, i] for i, n in enumerate(N_REMOVED)}
            one |= {f"flip_{n}": flip[cell, i] for i, n in enumerate(N_REMOVED)}
            one |= {"fall": fall[cell].mean(), "flip": flip[cell].mean()}
            found.append(one | {"known": known[cell], "has_markers": markers[cell].any()})
        print(
            f"{case.name:28} {method:10} fall {fall.mean():6.3f}   other label {flip.mean():.3f}"
            f"   {pace:8.1f} cells a CPU second",
            flush=True,
        )
    return found


def open_case(study: Study, model: Model) -> Case:
    """Annotate cells, and set each label against its runner-up.

    Parameters
    ----------
    study
        The data set, whose labels are asked for.
    model
        That annotates.
    """
    query, cl = read_query(study, model.genes), ontology.load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        asked = resolve_labels(list(study.asked), own=model.labels, tissue=None, ontology=cl)
    how = scoring(asked, model, ontology=cl, measured=query.measured)
    kernel = probabilities(model, how, measured=query.measured)
    judge = Judge(model, kernel, model.calibration)
    rows = query.counts[np.diff(query.counts.indptr) >= model.calibration.min_genes]
    case = Case(study.name, rows, np.zeros(0, bool), LogOdds(model, how, query.measured), judge)
    best = np.argsort(-case.score(rows), axis=1, kind="stable")[:, :2]
    return case._replace(sides=best[:, :, None] == np.arange(len(asked)))


def rank_expressed(
    strength: NDArray[np.floating], rows: sparse.csr_matrix
) -> list[NDArray[np.intp]]:
    """Return the genes of each cell, the strongest first.

    Parameters
    ----------
    strength
        Of each gene, (cells, genes).
    rows
        Counts: what a cell does not express cannot be taken away.
    """
    genes = [rows[cell].indices for cell in range(rows.shape[0])]
    return [own[np.argsort(-strength[cell, own], kind="stable")] for cell, own in enumerate(genes)]


def remove(
    case: Case, order: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Take the first genes out of the counts of each cell, and score it again.

    Parameters
    ----------
    case
        The cells.
    order
        Genes of each, the first to go first.

    Returns
    -------
    How far the log-odds fell, and whether another label is best now, (cells, `N_REMOVED`).
    """
    before = case.score(case.rows)
    falls, flips = [], []
    for n in N_REMOVED:
        less = case.rows.tolil()
        for cell, genes in enumerate(order):
            less[cell, genes[:n]] = 0
        after = case.score(less.tocsr())
        falls.append(_log_odds(before, case.sides) - _log_odds(after, case.sides))
        flips.append(after.argmax(axis=1) != before.argmax(axis=1))
    return np.column_stack(falls), np.column_stack(flips)


def by_integrating(case: Case, seed: int) -> NDArray[np.float32]:
    """Integrated gradients, as `tl.explain` has them."""
    del seed
    return _attributed(case, IntegratedGradients(case.odds))


def by_leaving_out(case: Case, seed: int) -> NDArray[np.float32]:
    """Fall of the log-odds without each gene alone."""
    del seed
    return _attributed(case, LeaveOneOut(case.judge, case.odds.measured))


def by_gradient(case: Case, seed: int) -> NDArray[np.float32]:
    """Gradient at the cell, times its values."""
    del seed
    parts = []
    for start in range(0, case.rows.shape[0], 16):
        part = slice(start, start + 16)
        values = case.odds.panel.new_tensor(_token_values(case, case.rows[part]))
        values.requires_grad_()
        sides = torch.from_numpy(case.sides[part])
        (gradient,) = torch.autograd.grad(case.odds(values, sides).sum(), values)
        parts.append((gradient * values).detach().numpy())
    return np.concatenate(parts)


def by_expression(case: Case, seed: int) -> NDArray[np.float64]:
    """Expression; genes with the same counts in random order."""
    noise = np.random.default_rng([seed, 1]).random(case.rows.shape)
    return np.asarray(log_expression(case.rows).toarray() + 1e-6 * noise)


def by_chance(case: Case, seed: int) -> NDArray[np.float64]:
    """Any order."""
    return np.random.default_rng([seed, 2]).random(case.rows.shape)


METHODS = {
    "integrated": by_integrating,
    "left_out": by_leaving_out,
    "gradient": by_gradient,
    "expressed": by_expression,
    "random": by_chance,
}


def marker_genes(case: Case) -> NDArray[np.bool_]:
    """Which genes the model's own tables know as markers of the label of each cell, (cells, genes)."""
    witness = case.odds.how.witness
    if witness is None:
        return np.zeros(case.rows.shape, dtype=bool)
    return np.asarray((case.sides[:, 0].astype(float) @ witness.weights.T.toarray()) > 0)


def _attributed(case: Case, attribute: IntegratedGradients | LeaveOneOut) -> NDArray[np.float32]:
    size = attribute.batch_size
    parts: list[Attributed] = [
        attribute(case.rows[start : start + size], case.sides[start : start + size])
        for start in range(0, case.rows.shape[0], size)
    ]
    return np.concatenate([part.genes for part in parts])


def _token_values(case: Case, rows: sparse.csr_matrix) -> NDArray[np.float32]:
    ids, values, offsets = case.odds.model.network.cell_encoder.tokenizer(rows)
    return sparse.csr_matrix((values, ids, offsets), shape=rows.shape).toarray()


def _log_odds(p: NDArray[np.float64], sides: NDArray[np.bool_]) -> NDArray[np.float64]:
    chances = np.einsum("nsl,nl->ns", sides, p).clip(np.finfo(np.float32).tiny)
    odds = np.log(chances)
    return np.asarray(odds[:, 0] - odds[:, 1])


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means of all data sets, and the two curves."""
    of_sets = results.groupby(["method", "data_set"], sort=False).mean()
    return [
        bullets(facts),
        mean_table(results, of_sets),
        "Fall of the log-odds, by the number of genes taken out:",
        curve_table(of_sets, "fall"),
        "Share of cells with another label, by the number of genes taken out:",
        curve_table(of_sets, "flip"),
        "Mean fall of the log-odds in each data set:",
        by_data_set(of_sets),
    ]


def mean_table(results: pd.DataFrame, of_sets: pd.DataFrame) -> str:
    """One row a method: areas under both curves with intervals over data sets, markers, and pace."""
    rows = []
    for method in _methods(of_sets):
        own = of_sets.loc[method]
        marked = results[(results["method"] == method) & results["has_markers"]]
        ends = {what: mean_interval(own[what]) for what in ("fall", "flip")}
        rows.append(
            [
                NAMES[method],
                f"**{own['fall'].mean():.2f}** ({ends['fall'][0]:.2f}-{ends['fall'][1]:.2f})",
                f"{own['flip'].mean():.3f} ({ends['flip'][0]:.3f}-{ends['flip'][1]:.3f})",
                f"{marked['known'].mean():.2f}",
                f"{own['cells_per_second'].mean():.1f}" if method in PACED else "",
            ]
        )
    head = ["genes by", "fall of the log-odds, mean over the curve (95 %)"]
    head += ["cells with another label, mean over the curve (95 %)"]
    head += [f"markers among the first {N_SHOWN}", "cells a CPU second"]
    return table(head, rows)


def curve_table(of_sets: pd.DataFrame, what: str) -> str:
    """One row a method, one column a number of genes: the mean over data sets."""
    rows = [
        [NAMES[method], *(f"{of_sets.loc[method][f'{what}_{n}'].mean():.2f}" for n in N_REMOVED)]
        for method in _methods(of_sets)
    ]
    return table(["genes by", *map(str, N_REMOVED)], rows)


def by_data_set(of_sets: pd.DataFrame) -> str:
    """One row a data set, one column a method."""
    methods = _methods(of_sets)
    names = list(of_sets.loc[methods[0]].index)
    rows = [[name, *(f"{of_sets.loc[(m, name), 'fall']:.2f}" for m in methods)] for name in names]
    return table(["data set", *(NAMES[method] for method in methods)], rows)


def _methods(of_sets: pd.DataFrame) -> list[str]:
    known = set(of_sets.index.get_level_values("method"))
    return [name for name in NAMES if name in known]


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    facts = [*describe_run(given), f"Integrated gradients: captum {version('captum')}."]
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw both curves, means over data sets."""
    of_sets = results.groupby(["method", "data_set"], sort=False).mean()
    figure = new_figure(9.5, 4)
    panels = figure.subplots(1, 2)
    what = {"fall": "fall of the log-odds", "flip": "share of cells with another label"}
    for ax, (column, name) in zip(panels, what.items(), strict=True):
        curves = {
            method: np.array(
                [0.0, *(of_sets.loc[method][f"{column}_{n}"].mean() for n in N_REMOVED)]
            )
            for method in _methods(of_sets)
        }
        lines(ax, [0, *N_REMOVED], curves, names=NAMES)
        ax.set(xlabel="genes taken out of the counts", ylabel=name, xscale="symlog")
        ax.set_xticks([0, *N_REMOVED], list(map(str, [0, *N_REMOVED])))
        ax.minorticks_off()
    save(figure, paths)


if __name__ == "__main__":
    main()
