"""What spots are mixtures of, where it is known.

`python benchmarks/deconvolve.py --data ../shared/data/dev --out build/benchmarks` adds up real cells
of each data set to spots and asks for their shares.
"""

from __future__ import annotations

import time
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from _data import Query, read_query, read_study
from _markers import Markers, score_markers
from _page import bullets, picture, share, table
from _pictures import dots, new_figure, save
from _run import (
    STATIC,
    add_markers,
    base_parser,
    check_packages,
    data_sets,
    describe_run,
    packages_of,
    picture_folders,
    save_parts,
    save_rows,
)
from _spots import Spots, make_spots, score_shares
from scipy.optimize import nnls

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._unmix import unmix

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "deconvolve"
PICTURE = "benchmark_deconvolve.png"
CAPTION = "Error and correlation of the shares of made spots, by data set and method"
NAMES = {
    "deconvolve": "deconvolve, from texts",
    "annotate": "annotate, probabilities",
    "markers": "marker scoring",
    "average": "the true average",
    "reference": "the data set's own profiles, NNLS",
    "own": "the data set's own profiles, as deconvolve",
}
PACKAGES = {"markers": ("decoupler",)}
COLUMNS = {
    "rmse": "error (RMSE)",
    "correlation": "correlation",
    "divergence": "Jensen-Shannon divergence",
}
FEWEST_LABELS, FEWEST_CELLS = 3, 100


class Job(NamedTuple):
    """What every method starts from: a data set, its cells, and the spots made of them."""

    study: Study
    cells: Query
    spots: Spots
    model: Model
    given: argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages(packages_of(given.methods, PACKAGES))
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
    add_markers(parser)
    add = parser.add_argument
    add("--methods", nargs="+", choices=NAMES, default=list(NAMES), metavar="METHOD")
    add("--n-spots", type=int, default=100, help="spots to make of each composition")
    add("--compositions", type=int, default=3, help="compositions of regions for each data set")
    return parser.parse_args(arguments)


def compare(study: Study, model: Model, given: argparse.Namespace) -> list[dict[str, object]]:
    """Run the methods on spots made of one data set; none if it has too few cells or labels.

    Parameters
    ----------
    study
        The data set.
    model
        The model.
    given
        Command line.
    """
    if len(study.labels) < FEWEST_LABELS or len(study.truth) < FEWEST_CELLS:
        return []
    cells, n_labels = read_query(study, model.genes), len(study.labels)
    rows = []
    # How hard it is hangs on which types are common, more than on the spots.
    for method, number in product(given.methods, range(given.compositions)):
        seed = given.seed + number
        spots = make_spots(
            cells.counts, study.truth, n_labels=n_labels, n_spots=given.n_spots, seed=seed
        )
        job = Job(study, cells, spots, model, given)
        start = time.perf_counter()
        found = METHODS[method](job)
        row: dict[str, object] = {
            "data_set": study.name,
            "method": method,
            "composition": number,
            "labels": n_labels,
            "seconds": time.perf_counter() - start,
        }
        row |= score_shares(spots.shares, found)
        rows.append(row)
        numbers = "   ".join(f"{COLUMNS[name]} {row[name]:.3f}" for name in COLUMNS)
        print(f"{study.name:28} {method:10} {numbers}", flush=True)
    return rows


def as_adata(job: Job) -> ad.AnnData:
    """Give spots as a user has them: in the genes that were measured."""
    columns = np.flatnonzero(job.cells.measured)
    names = pd.Index([job.model.genes.symbols[i] for i in columns], dtype=object)
    obs = pd.DataFrame(index=[f"spot{i}" for i in range(len(job.spots.shares))])
    return ad.AnnData(job.spots.counts[:, columns], obs=obs, var=pd.DataFrame(index=names))


def by_deconvolving(job: Job) -> NDArray[np.float64]:
    """Ask for the shares of the study's labels."""
    adata = as_adata(job)
    scmm.tl.deconvolve(adata, list(job.study.asked), model=job.model, counts="raw")
    return adata.obsm["scmm_mixture"].to_numpy(dtype=float)


def by_annotating(job: Job) -> NDArray[np.float64]:
    """Take the probabilities of the labels for their shares."""
    adata = as_adata(job)
    scmm.tl.annotate(adata, list(job.study.asked), model=job.model, counts="raw")
    return adata.obsm["scmm_cell_type_scores"].to_numpy(dtype=float)


def by_markers(job: Job) -> NDArray[np.float64]:
    """Take positive scores of marker genes for shares."""
    symbols = {job.model.genes.symbols[i] for i in np.flatnonzero(job.cells.measured)}
    network = Markers.read(job.given.markers).network(filter(None, job.study.cl_ids), symbols)
    query = Query(job.spots.counts, job.cells.measured)
    return score_markers(query, job.study.cl_ids, network=network, genes=job.model.genes).clip(0)


def by_average(job: Job) -> NDArray[np.float64]:
    """Give each spot what all have on average, as if that were known."""
    return np.tile(job.spots.shares.mean(axis=0), (len(job.spots.shares), 1))


def by_reference(job: Job) -> NDArray[np.float64]:
    """Fit the very cells' mean profiles by non-negative least squares."""
    profiles = own_profiles(job)
    values = job.spots.counts[:, job.cells.measured].toarray().astype(float)
    return np.stack([nnls(profiles.T, spot / max(spot.sum(), 1))[0] for spot in values])


def by_own_profiles(job: Job) -> NDArray[np.float64]:
    """Fit the very cells' mean profiles as the tool fits those of texts: what can be had."""
    counts = job.spots.counts[:, np.flatnonzero(job.cells.measured)]
    return unmix(lambda: [counts], own_profiles(job)).shares


def own_profiles(job: Job) -> NDArray[np.float64]:
    """Mean shares of expression of the cells of each label, (labels, measured genes)."""
    counts = job.cells.counts[:, np.flatnonzero(job.cells.measured)]
    sums = [counts[job.study.truth == i].sum(axis=0) for i in range(len(job.study.labels))]
    profiles = np.asarray(np.concatenate(sums)) + 1e-6
    return profiles / profiles.sum(axis=1, keepdims=True)


METHODS = {
    "deconvolve": by_deconvolving,
    "annotate": by_annotating,
    "markers": by_markers,
    "average": by_average,
    "reference": by_reference,
    "own": by_own_profiles,
}


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, packages_of(given.methods, PACKAGES))
    facts.append(
        f"{given.n_spots} spots of each of {given.compositions} compositions of each data set."
    )
    of_set = results.groupby(["data_set", "method"], as_index=False)[list(COLUMNS)].mean()
    draw_picture(of_set, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means, and one table of all data sets."""
    mean = results.groupby("method")[list(COLUMNS)].mean()
    shown = [name for name in NAMES if name in mean.index]
    means = [[NAMES[name], *(share(mean.loc[name, what]) for what in COLUMNS)] for name in shown]
    wide = results.pivot_table("correlation", "data_set", "method")
    labels = results.groupby("data_set")["labels"].first()
    rows = [
        [name, str(labels[name]), *(share(wide.loc[name, method]) for method in shown)]
        for name in wide.index
    ]
    return [
        bullets(facts),
        f"Means over {len(wide)} data sets:",
        table(["method", *COLUMNS.values()], means),
        "Correlation, by data set:",
        table(["data set", "labels", *(NAMES[name] for name in shown)], rows),
    ]


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw error and correlation, one line a data set."""
    place = {name: i for i, name in enumerate(sorted(set(results["data_set"]), reverse=True))}
    figure = new_figure(9.5, 1.8 + 0.4 * len(place))
    left, right = figure.subplots(1, 2, sharey=True)
    dots(left, results, place=place, names=NAMES, what="rmse")
    dots(right, results, place=place, names=NAMES, what="correlation")
    left.set(xlabel="error of a share (RMSE)", xlim=(0, 0.5))
    right.set(xlabel="correlation within a spot")
    save(figure, paths)


if __name__ == "__main__":
    main()
