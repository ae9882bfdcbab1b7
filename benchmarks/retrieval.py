"""How well texts find cells, and cells find texts.

`python benchmarks/retrieval.py --data ../shared/data/dev --out build/benchmarks` asks both ways on
every data set of the folder, of this package and of a sentence encoder that reads cells as
sentences of gene names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _data import Study, read_study
from _page import bullets, picture, share, table
from _pictures import dots, new_figure, save
from _ranks import first_ranks, recall_and_mrr
from _run import (
    STATIC,
    add_sentences,
    base_parser,
    bundle_folder,
    data_sets,
    describe_run,
    picture_folders,
    save_parts,
    save_rows,
)
from _sentences import SentenceEncoder, words_of
from _similarity import by_model, by_sentences

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology
from scmmgpt_tl.metrics import bootstrap_interval
from scmmgpt_tl.model.labels import LabelTable
from scmmgpt_tl.ontology._roll_up import membership, on_one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NAME = "retrieval"
PICTURE = "benchmark_retrieval.png"
CAPTION = "Recall at 5 of texts that look for cells, and of cells that look for texts"
NAMES = {"scmmgpt": "scmmgpt-tl", "sentences": "MiniLM sentences"}
TO_CELL, TO_TEXT, TO_CONSISTENT = "text to cell", "cell to text", "cell to consistent text"
COLUMNS = {"recall_1": "recall@1", "recall_5": "recall@5", "recall_10": "recall@10", "mrr": "MRR"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    studies = [read_study(path, max_cells=given.max_cells, seed=given.seed) for path in paths]
    gallery = gallery_of(LabelTable.read(bundle_folder(given.model) / "labels.tsv"), studies)
    methods = open_methods(given)
    rows = []
    for study in studies:
        for method, compare in methods.items():
            scores = compare(study, [words_of(term) for term in gallery])
            found = score_study(study, scores, gallery, seed=given.seed)
            rows += [{"data_set": study.name, "method": method} | row for row in found]
            report(rows[-len(found) :])
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given, gallery=gallery)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_sentences(parser)
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    return parser.parse_args(arguments)


def open_methods(given: argparse.Namespace) -> dict[str, Callable[..., NDArray[np.float32]]]:
    """Load what compares cells with texts, by the name of the method."""
    model = scmm.load_model(given.model or "default")
    ways: dict[str, Callable[..., NDArray[np.float32]]] = {}
    if "scmmgpt" in given.methods:
        ways["scmmgpt"] = lambda study, texts: by_model(study, texts, model=model)
    if "sentences" in given.methods:
        encoder = SentenceEncoder(given.sentences)
        ways["sentences"] = lambda study, texts: by_sentences(
            study, texts, encoder=encoder, genes=model.genes
        )
    return ways


def gallery_of(labels: LabelTable, studies: Sequence[Study]) -> tuple[str, ...]:
    """Return the terms whose texts are searched: the model's labels, and all that occur.

    Parameters
    ----------
    labels
        Of the model.
    studies
        All data sets of the run.
    """
    occurring = {term for study in studies for term in study.cl_ids}
    return tuple(sorted({*labels.cl_ids, *occurring} - {""}))


def score_study(
    study: Study, scores: NDArray[np.floating], gallery: Sequence[str], *, seed: int
) -> list[dict[str, object]]:
    """Score both directions on the cells that have a term.

    Parameters
    ----------
    study
        Its cells.
    scores
        How well each text fits each cell, (cells, texts).
    gallery
        Cell Ontology ids of the texts.
    seed
        Of the bootstrap.

    Returns
    -------
    A row for texts of the study's types that look for a cell that is one, for cells that look for
    the text of their term, and for cells that look for a text that does not contradict it.
    """
    cl, terms = ontology.load(), study.terms()
    told = terms != ""
    if not told.any():
        return []
    kinds, codes = np.unique(terms[told], return_inverse=True)
    scores, place = scores[told], [gallery.index(kind) for kind in kinds]
    is_kind = membership(kinds.tolist(), kinds.tolist(), ontology=cl).astype(bool)
    same = np.array([[kind == term for term in gallery] for kind in kinds])
    line = on_one_line(kinds.tolist(), list(gallery), ontology=cl)
    ranks = {
        # A cell of a kind of what was searched is a right find.
        TO_CELL: first_ranks(scores[:, place].T, is_kind[codes].T),
        TO_TEXT: first_ranks(scores, same[codes]),
        TO_CONSISTENT: first_ranks(scores, line[codes]),
    }
    return [
        {"direction": way, "queries": len(found), **recall_and_mrr(found), **_interval(found, seed)}
        for way, found in ranks.items()
    ]


def report(rows: Sequence[dict[str, object]]) -> None:
    """Print what one method reached on one data set."""
    for row in rows:
        numbers = "   ".join(f"{title} {row[what]:.3f}" for what, title in COLUMNS.items())
        print(
            f"{row['data_set']:28} {row['method']:10} {row['direction']:24} {numbers}", flush=True
        )


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means, and one table of all data sets."""
    ways = ["direction", "method"]
    mean = results.groupby(ways, sort=False)[list(COLUMNS)].mean()
    means = [
        [way, NAMES[method], *(f"**{value:.3f}**" for value in row)]
        for (way, method), row in zip(mean.index, mean.to_numpy(), strict=True)
    ]
    rows = [
        [row.data_set, row.direction, NAMES[row.method], f"{row.queries:,}"]
        + [share(getattr(row, what)) for what in COLUMNS]
        for row in results.itertuples()
    ]
    return [
        bullets(facts),
        "Mean over data sets:",
        table(["direction", "method", *COLUMNS.values()], means),
        table(["data set", "direction", "method", "queries", *COLUMNS.values()], rows),
    ]


def write_results(
    results: pd.DataFrame, given: argparse.Namespace, *, gallery: Sequence[str]
) -> None:
    """Write the tables and the picture."""
    packages = ("transformers",) if "sentences" in given.methods else ()
    facts = [*describe_run(given, packages), f"Texts: {len(gallery):,} terms of the Cell Ontology."]
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw recall at 5, one panel a direction."""
    place = {name: i for i, name in enumerate(sorted(set(results["data_set"]), reverse=True))}
    figure = new_figure(11, 1.6 + 0.3 * len(place))
    panels = figure.subplots(1, 3, sharey=True)
    for ax, way in zip(panels, (TO_CELL, TO_TEXT, TO_CONSISTENT), strict=True):
        found = results[results["direction"] == way]
        dots(ax, found, place=place, names=NAMES, what="recall_5")
        ax.set(xlabel="recall@5", title=way)
    save(figure, paths)


def _interval(ranks: NDArray[np.float64], seed: int) -> dict[str, float]:
    """Bootstrap interval of recall at 5 over the queries."""
    hit = (ranks <= 5).astype(int)
    rng = np.random.default_rng(seed)
    low, high = bootstrap_interval(
        lambda truth, found: float((truth == found).mean()), np.ones_like(hit), hit, rng=rng
    )
    return {"recall_5_low": low, "recall_5_high": high}


if __name__ == "__main__":
    main()
