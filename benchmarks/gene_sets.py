"""Whether texts find their genes, genes their fellows, and sets of genes their cells.

`python benchmarks/gene_sets.py --go build/sources/gene_ontology` asks for the genes of terms of the
Gene Ontology, by the term's name and by half of its genes, and tells cell types by their markers on
every data set of `--data`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _data import read_study
from _gene_ontology import halves, read_terms, written
from _gene_ways import describe, of_genes, of_texts
from _page import bullets, share, table
from _run import (
    ROOT,
    SHARED,
    add_markers,
    add_sentences,
    base_parser,
    data_sets,
    describe_run,
    save_parts,
    save_rows,
)
from _score_types import score_types
from _sentences import SentenceEncoder
from sklearn.metrics import roc_auc_score

import scmmgpt_tl as scmm
from scmmgpt_tl.train.genes import read_gene_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from _gene_ontology import Terms
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "gene_sets"
TOP, FEWEST = 10, 5
BY_TEXT, BY_HALF, OF_CELLS = "text to genes", "half to half", "cells of a type"
NAMES = {
    "description": "genes_of, by description",
    "expression": "genes_of, by expression",
    "both": "nearest_genes, both",
    "cell": "nearest_genes, cell",
    "type": "nearest_genes, type",
    "profiles": "co-expression over profiles",
    "minilm": "MiniLM on descriptions",
    "chance": "chance",
    "markers": "score_gene_sets, markers",
    "markers_nearest": "score_gene_sets, markers and 20 nearest genes",
    "name": "score_gene_sets, name of the type",
    "name_description": "score_gene_sets, name of the type, by description",
    "scanpy": "scanpy score_genes, markers",
    "aucell": "decoupler AUCell, markers",
}
COLUMNS = {"auroc": "AUROC", "auroc_unwritten": "AUROC, unwritten", "precision": f"precision@{TOP}"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    model = scmm.load_model(given.model or "default")
    rows, facts = ask_for_genes(model, given)
    for path in paths:
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        found = score_types(study, given.markers, model=model)
        rows += [{"task": OF_CELLS, "data_set": study.name} | row for row in found]
        print(f"{study.name:28} {len(found)} rows", flush=True)
    results = pd.DataFrame(rows)
    save_rows(results, given, name=NAME)
    packages = ("scanpy", "decoupler", "transformers")
    save_parts(tables(results, facts=[*describe_run(given, packages), *facts]), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_sentences(parser)
    add_markers(parser)
    add = parser.add_argument
    go = ROOT / "build" / "sources" / "gene_ontology"
    add("--go", type=Path, default=go, help="folder of the tables of the Gene Ontology")
    gene_text = SHARED / "assets" / "human_gene_text.jsonl.gz"
    add("--gene-text", type=Path, default=gene_text, help="descriptions of genes")
    profiles = sorted((SHARED / "data" / "profiles").glob("human_*.h5ad"))
    add("--profiles", type=Path, nargs="+", default=profiles, help="files of reference profiles")
    add("--terms", type=int, default=200, help="terms to draw")
    add("--genes", type=int, default=2500, help="described genes to draw, among which is sought")
    return parser.parse_args(arguments)


def ask_for_genes(
    model: Model, given: argparse.Namespace
) -> tuple[list[dict[str, object]], list[str]]:
    """Ask for the genes of terms, by name and by half of them; return rows and facts."""
    described = {gene["symbol"]: gene["text"] for gene in read_gene_text(given.gene_text)}
    symbols = model.genes.symbols
    texts = {i: described[symbol] for i, symbol in enumerate(symbols) if symbol in described}
    rng = np.random.default_rng(given.seed)
    pool = np.sort(rng.permutation(list(texts))[: given.genes])
    terms = read_terms(given.go, model.genes, n_terms=given.terms, seed=given.seed)
    seen = written(terms, texts)
    encoder = SentenceEncoder(given.sentences)
    sentences = describe(pool.tolist(), texts, encoder, n_genes=len(symbols))
    scores = of_texts(terms.names, model, encoder=encoder, sentences=sentences)
    rows = by_text(scores, terms, seen, pool=pool)
    vectors = of_genes(model, sentences, given.profiles)
    rows += by_half(vectors, terms, pool=pool, seed=given.seed)
    said = seen.sum() / terms.genes.sum()
    facts = [
        f"Genes: {len(pool):,} of {len(texts):,} with a description. Terms: {len(terms.names)}.",
        f"A telling word of a term's name is in the description of {said:.0%} of its genes.",
    ]
    return rows, facts


def by_text(
    ways: Mapping[str, NDArray[np.float32]],
    terms: Terms,
    seen: NDArray[np.bool_],
    *,
    pool: NDArray[np.intp],
) -> list[dict[str, object]]:
    """Rank the pool's genes for each name of a term."""
    rows = []
    for row in range(len(terms.names)):
        truth, unwritten = terms.genes[row, pool], ~seen[row, pool]
        if truth.sum() < FEWEST:
            continue
        for way, scores in ways.items():
            own = scores[row, pool]
            found = {"auroc_unwritten": auroc(truth[unwritten], own[unwritten])}
            rows.append({"task": BY_TEXT, "method": way} | found | _ranked(truth, own))
    return rows


def by_half(
    ways: Mapping[str, NDArray[np.float32]],
    terms: Terms,
    *,
    pool: NDArray[np.intp],
    seed: int,
) -> list[dict[str, object]]:
    """Rank the pool's genes by their likeness to half of a term's genes, which are left out."""
    rng = np.random.default_rng(seed)
    rows = []
    for truth in terms.genes:
        own = np.intersect1d(np.flatnonzero(truth), pool)
        if len(own) < 2 * FEWEST:
            continue
        asked, _ = halves(own.tolist(), rng)
        rest = np.setdiff1d(pool, asked)
        for way, vectors in ways.items():
            likeness = vectors[rest] @ vectors[asked].mean(0)
            rows.append({"task": BY_HALF, "method": way} | _ranked(truth[rest], likeness))
    return rows


def auroc(truth: NDArray[np.bool_], score: NDArray[np.floating]) -> float:
    """Return the chance that a right one is ranked above a wrong one; NaN for too few."""
    if truth.sum() < FEWEST or truth.all():
        return float("nan")
    return float(roc_auc_score(truth, score))


def _ranked(truth: NDArray[np.bool_], score: NDArray[np.floating]) -> dict[str, object]:
    best = np.argsort(-score, kind="stable")[:TOP]
    return {"auroc": auroc(truth, score), "precision": float(truth[best].mean())}


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, and one table a question."""
    parts = [bullets(facts)]
    for task in (BY_TEXT, BY_HALF):
        columns = list(COLUMNS) if task == BY_TEXT else ["auroc", "precision"]
        found = results[results["task"] == task].groupby("method", sort=False)[columns]
        mean, n = found.mean(), found.size().iloc[0] if len(found) else 0
        rows = [[NAMES[way], *map(share, mean.loc[way])] for way in mean.index]
        head = ["way", *(COLUMNS[what] for what in columns)]
        parts += [f"#### {task.capitalize()} ({n} terms)", table(head, rows)]
    return [*parts, f"#### {OF_CELLS.capitalize()}", cell_table(results)]


def cell_table(results: pd.DataFrame) -> str:
    """One row a data set, mean AUROC of its types for each method."""
    found = results[results["task"] == OF_CELLS]
    methods = [way for way in NAMES if way in set(found["method"])]
    mean = found.pivot_table(values="auroc", index="data_set", columns="method")
    n = found.groupby("data_set")["type"].nunique()
    rows = [
        [str(name), str(n[name]), *(share(mean.loc[name, way]) for way in methods)]
        for name in mean.index
    ]
    rows.append(["**mean**", "", *(f"**{mean[way].mean():.3f}**" for way in methods)])
    return table(["data set", "types", *(NAMES[way] for way in methods)], rows)


if __name__ == "__main__":
    main()
