"""Whether the words that are said to make a search do so.

`python benchmarks/search_words.py` hides the name of each cell type of each data set in a sentence
that says nothing else, searches with it, and asks `tl.explain_search` for the words. Those of the
name should pull most, and the search should get worse without the one that pulls most, more than
without the longest word or any word.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _data import read_study
from _intervals import mean_interval
from _page import bullets, share, table
from _run import base_parser, data_sets, describe_run, save_parts, save_rows
from _similarity import by_model
from sklearn.metrics import roc_auc_score

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "search_words"
SENTENCES = ("show me every {} of this sample please", "which of those might be a {} in my dish")
FEWEST_CELLS = 10
# What is left out of a query.
WAYS = {
    "nothing": "nothing",
    "strongest": "the word that pulls most",
    "longest": "the longest word",
    "any": "any word",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, object]] = []
    for path in data_sets(given):
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        rows += compare(study, model, seed=given.seed)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    results = pd.DataFrame(rows)
    save_parts(tables(results, facts=describe_run(given)), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.set_defaults(max_cells=200)
    return parser.parse_args(arguments)


def compare(study: Study, model: Model, *, seed: int) -> list[dict[str, object]]:
    """Search for each type of a data set with each sentence, and explain the search.

    Parameters
    ----------
    study
        The data set.
    model
        That searches.
    seed
        Of the words that are left out for nothing.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for term, cells in types_of(study):
        name = ontology.load().name(term)
        for sentence in SENTENCES:
            words = sentence.format(name).split()
            start = sentence.split().index("{}")
            own = np.zeros(len(words), dtype=bool)
            own[start : start + len(name.split())] = True
            pull = explain(study, " ".join(words), model)
            left = {
                "strongest": int(pull.argmax()),
                "longest": int(np.argmax([len(word) for word in words])),
                "any": int(rng.integers(len(words))),
            }
            texts = [words, *(words[:i] + words[i + 1 :] for i in left.values())]
            scores = by_model(study, [(" ".join(text),) for text in texts], model=model)
            aurocs = [roc_auc_score(cells, scores[:, i]) for i in range(len(texts))]
            rows.append(
                {
                    "data_set": study.name,
                    "query": " ".join(words),
                    "words": len(words),
                    "of_name": int(own.sum()),
                    "strongest_is_of_name": bool(own[left["strongest"]]),
                    "name_above_others": roc_auc_score(own, pull),
                    **dict(zip(WAYS, aurocs, strict=True)),
                }
            )
    right = np.mean([row["strongest_is_of_name"] for row in rows]) if rows else np.nan
    print(f"{study.name:28} {len(rows):3} searches   strongest of name {right:.3f}", flush=True)
    return rows


def types_of(study: Study) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Give each cell type of a data set that enough cells are of, and enough are not, with its cells."""
    terms = study.terms()
    for term in dict.fromkeys(filter(None, study.cl_ids)):
        cells = terms == term
        if FEWEST_CELLS <= cells.sum() <= len(cells) - FEWEST_CELLS:
            yield term, cells


def explain(study: Study, query: str, model: Model) -> NDArray[np.float64]:
    """Search with a query, and return what each of its words pulls."""
    adata, how = study.adata, {"model": model, "counts": study.counts}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        scmm.tl.search(adata, query, **how)
        scmm.tl.explain_search(adata, **how)
    found = scmm.get.explanation_df(adata, key="scmm_search_explanation")
    return found["pull"].to_numpy(dtype=float)


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, how names stand among other words, and what searches lose without words."""

    def mean(values: pd.Series) -> str:
        low, high = mean_interval(values)
        return f"{share(values.mean())} ({low:.2f}–{high:.2f})"

    chance = (results["of_name"] / results["words"]).mean()
    searches = f"{len(results)} searches for {len(results) // len(SENTENCES)} types."
    heads = ["the strongest word is of the name", "by chance", "name above other words (AUROC)"]
    first = [
        mean(results["strongest_is_of_name"].astype(float)),
        share(chance),
        mean(results["name_above_others"]),
    ]
    lost = [
        [
            title,
            mean(results[way]),
            "" if way == "nothing" else mean(results["nothing"] - results[way]),
        ]
        for way, title in WAYS.items()
    ]
    sentences = ", ".join(f'"{sentence.format("...")}"' for sentence in SENTENCES)
    return [
        bullets([*facts, f"{searches} Sentences: {sentences}."]),
        table(heads, [first]),
        "Cells of the type above all others (AUROC), when a word is left out:",
        table(["left out", "AUROC", "lost"], lost),
    ]


if __name__ == "__main__":
    main()
