"""Do genes that are tied belong together: to one process, or to the markers of one type.

`python benchmarks/gene_network.py --go build/sources/gene_ontology` ties the genes of each label of
every data set of `--data`, and ranks all pairs by the correlation of their attributions, by that of
their expression in the same cells, and by the model's own vectors of the two genes.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _data import read_study
from _gene_ontology import read_terms
from _markers import Markers
from _page import bullets, share, table
from _run import (
    ROOT,
    add_markers,
    base_parser,
    data_sets,
    describe_run,
    save_parts,
    save_rows,
)
from sklearn.metrics import average_precision_score, roc_auc_score

import scmmgpt_tl as scmm
from scmmgpt_tl.model.gene_space import gene_vectors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "gene_network"
NAMES = {
    "correlation": "attributions, gene_network",
    "coexpression": "co-expression in the same cells",
    "vectors": "gene embedding, cosine",
    "chance": "chance",
}
PROCESS, TYPE = "one process of the Gene Ontology", "markers of one type"
N_GENES, FEWEST_CELLS, TOP, FEWEST_PAIRS = 150, 20, 50, 10
COLUMNS = {"auroc": "AUROC", "aupr": "AUPR", "precision": f"precision@{TOP}"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    model = scmm.load_model(given.model or "default")
    terms = read_terms(given.go, model.genes, n_terms=given.terms, seed=given.seed)
    markers = Markers.read(given.markers)
    rows: list[dict[str, object]] = []
    for path in paths:
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        truths = {PROCESS: terms.genes, TYPE: marker_sets(markers, study, model)}
        found = compare(study, model, truths, n_cells=given.cells)
        rows += [{"data_set": study.name} | row for row in found]
        save_rows(pd.DataFrame(rows), given, name=NAME)
        print(f"{study.name:28} {len(found)} rows", flush=True)
    results = pd.DataFrame(rows)
    facts = [
        *describe_run(given),
        f"Groups: cells of one label, at least {FEWEST_CELLS} and at most {given.cells}.",
        f"Genes: the {N_GENES} with the largest attributions of each group.",
    ]
    save_parts(tables(results, facts=facts), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_markers(parser)
    add = parser.add_argument
    go = ROOT / "build" / "sources" / "gene_ontology"
    add("--go", type=Path, default=go, help="folder of the tables of the Gene Ontology")
    add("--terms", type=int, default=10_000, help="terms to draw; there are fewer")
    add("--cells", type=int, default=60, help="most cells of a group")
    return parser.parse_args(arguments)


def marker_sets(markers: Markers, study: Study, model: Model) -> NDArray[np.bool_]:
    """Return which genes are markers of each type of a data set, (types, genes of the model)."""
    network = markers.network(filter(None, study.cl_ids), model.genes.by_symbol)
    types = list(dict.fromkeys(network["source"]))
    found = np.zeros((len(types), len(model.genes)), dtype=bool)
    rows = network["source"].map(types.index).to_numpy(dtype=int)
    found[rows, network["target"].map(model.genes.by_symbol).to_numpy(dtype=int)] = True
    return found


def compare(
    study: Study, model: Model, truths: dict[str, NDArray[np.bool_]], *, n_cells: int
) -> list[dict[str, object]]:
    """Rank the pairs of genes of each label of a data set.

    Parameters
    ----------
    study
        Its cells.
    model
        The model.
    truths
        Sets of genes that belong together, (sets, genes of the model), by what they say.
    n_cells
        Most cells of a label.
    """
    adata = study.adata
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        how = {"model": model, "counts": study.counts}
        scmm.tl.annotate(adata, list(study.asked), threshold=0.0, **how)
        n_pairs = N_GENES * (N_GENES - 1) // 2
        options = {"max_cells": n_cells, "n_genes": N_GENES, "n_edges": n_pairs}
        scmm.tl.gene_network(adata, **options, **how)
    edges = scmm.get.gene_network_df(adata)
    sizes = scmm.get.gene_network_df(adata, table="overview").set_index("group")["n_cells"]
    vectors, places = gene_vectors(model, "both"), model.genes.by_symbol
    rows = []
    for group, own in edges.groupby("group", sort=False, observed=True):
        if sizes[group] < FEWEST_CELLS:
            continue
        first, second = (own[name].map(places).to_numpy() for name in ("gene", "other"))
        genes, place = np.unique(np.concatenate([first, second]), return_inverse=True)
        of_first, of_second = np.split(place, 2)
        scores = {
            "correlation": own["correlation"].to_numpy(),
            "coexpression": own["coexpression"].to_numpy(),
            "vectors": (vectors[first] * vectors[second]).sum(axis=1),
            "chance": np.random.default_rng(0).random(len(own)),
        }
        for truth, sets in truths.items():
            together = sets.T[genes].astype(np.float32) @ sets[:, genes]
            # A gene of which nothing is said belongs to nobody, as far as is known.
            known = np.diag(together) > 0
            told = known[of_first] & known[of_second]
            right = together[of_first[told], of_second[told]] > 0
            for way, score in scores.items():
                row = {"group": group, "n_cells": int(sizes[group]), "truth": truth, "method": way}
                rows.append(row | rank_pairs(right, score[told]))
    return rows


def rank_pairs(right: NDArray[np.bool_], score: NDArray[np.floating]) -> dict[str, float]:
    """Say how well a score ranks the pairs that belong together; NaN where there are few.

    Parameters
    ----------
    right
        Which pairs do, (pairs,).
    score
        Of each, (pairs,).
    """
    found = {"pairs": float(len(right)), "prevalence": float(right.mean()) if len(right) else 0.0}
    if right.sum() < FEWEST_PAIRS or right.all():
        return found | dict.fromkeys(COLUMNS, float("nan"))
    best = np.argsort(-score, kind="stable")[:TOP]
    return found | {
        "auroc": float(roc_auc_score(right, score)),
        "aupr": float(average_precision_score(right, score)),
        "precision": float(right[best].mean()),
    }


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, and one table a truth: means over groups, and AUROC by data set."""
    parts = [bullets(facts)]
    for truth in (PROCESS, TYPE):
        own = results[(results["truth"] == truth) & results["auroc"].notna()]
        if own.empty:
            continue
        by_group = own.groupby(["data_set", "group"])
        best = own.loc[by_group["auroc"].idxmax(), "method"].value_counts()
        mean = own.groupby("method")[list(COLUMNS)].mean()
        rows = [
            [name, *(share(mean.loc[way, what]) for what in COLUMNS), str(best.get(way, 0))]
            for way, name in NAMES.items()
        ]
        n = by_group.ngroups
        prevalence = own["prevalence"].mean()
        parts += [
            f"#### {truth.capitalize()}",
            f"{n} groups; {prevalence:.1%} of the pairs belong together.",
            table(["pairs ranked by", *COLUMNS.values(), "groups with the best AUROC"], rows),
        ]
        wide = own.pivot_table("auroc", "data_set", "method")
        sets = [[str(name), *(share(wide.loc[name, way]) for way in NAMES)] for name in wide.index]
        parts += ["AUROC, by data set:", table(["data set", *NAMES.values()], sets)]
    return parts


if __name__ == "__main__":
    main()
