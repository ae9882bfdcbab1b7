"""How true descriptions are, and how like what the ontology says.

`python benchmarks/description.py --data ../shared/data/dev --out build/benchmarks` describes the
cell types of every data set of the folder, and holds each text against the true type, beside a
template filled with the top label, and the nearest of the captions that a model is trained on.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _data import read_study
from _likeness import bleu, cosine, meteor, rouge
from _page import bullets, picture, share, table
from _pictures import COLOURS, clean, new_figure, save
from _run import (
    STATIC,
    add_sentences,
    base_parser,
    check_packages,
    data_sets,
    describe_run,
    picture_folders,
    save_parts,
    save_rows,
)
from _sentences import SentenceEncoder, words_of
from _similarity import by_model
from _statements import read_statements
from _wordnet import USUAL, open_wordnet

import scmmgpt_tl as scmm
from scmmgpt_tl.metrics import bootstrap_interval
from scmmgpt_tl.tl._answers.vote import group_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from _data import Study
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    from scmmgpt_tl.model import Model

NAME = "description"
PICTURE = "benchmark_description.png"
CAPTION = "Share of descriptions that are true of their cells, by method"
NAMES = {
    "scmmgpt": "scmmgpt-tl",
    "template": "template with the top label",
    "nearest": "nearest caption",
}
TRUTHS = {
    "names_type": "names the type",
    "names_true": "names the type or one above",
    "nothing_false": "names no false type",
    "nothing_contradicting": "contradicts nothing",
    "true": "true: names one, none false",
}
LIKENESS = {
    "bleu_2": "BLEU-2",
    "bleu_4": "BLEU-4",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "cosine": "MiniLM cosine",
}
GROUPS = "benchmark_group"
PACKAGES = ("sacrebleu", "rouge-score")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    check_packages(PACKAGES)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, object]] = []
    for path in paths:
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        rows += describe(study, model=model, seed=given.seed)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_sentences(parser)
    parser.add_argument(
        "--wordnet", type=Path, default=USUAL, help="folder of WordNet's database, for METEOR"
    )
    return parser.parse_args(arguments)


def describe(study: Study, *, model: Model, seed: int) -> list[dict[str, object]]:
    """Describe the types of a study in each way, and say what is true of each text.

    Parameters
    ----------
    study
        Its cells, grouped by their true type; the name of a group is shown to nobody.
    model
        Describes them.
    seed
        Of the text decoder.

    Returns
    -------
    A row for each method and type with a term.
    """
    groups = np.array([f"group {i}" for i in range(len(study.labels))])
    adata = study.adata.copy()
    adata.obs[GROUPS] = pd.Categorical(groups[study.truth], categories=groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        scmm.tl.describe(adata, GROUPS, model=model, counts=study.counts, rng=seed)
    written = scmm.get.description_df(adata).set_index("group").loc[groups]
    texts = {
        "scmmgpt": written["description"].tolist(),
        "template": list(map(fill_template, written["label"], written["cl_id"])),
        "nearest": nearest_captions(study, model),
    }
    return [
        {"data_set": study.name, "method": method, "label": label, "term": term, "text": text}
        | {"score": score, "reference": caption(term), **judge(text, term)}
        for method, said in texts.items()
        for label, term, text, score in zip(
            study.labels, study.cl_ids, said, written["score"], strict=True
        )
        if term
    ]


def fill_template(label: str, term: str) -> str:
    """Say the top label, and what the ontology says of it.

    Parameters
    ----------
    label
        Name of the label, `"unknown"` for none.
    term
        Its id, `""` for none.
    """
    return caption(term) if term else f"These cells are {label}."


def nearest_captions(study: Study, model: Model) -> list[str]:
    """Return the caption of the model's labels whose vector is nearest to each type's cells."""
    terms = [term for term in model.labels.cl_ids if term]
    captions = [caption(term) for term in terms]
    fits = by_model(study, [(text,) for text in captions], model=model)
    mean = group_mean(fits, study.truth, len(study.labels))
    return [captions[i] for i in mean.argmax(axis=1)]


def caption(term: str) -> str:
    """Name a term, and say what it is."""
    return words_of(term)[-1]


def judge(text: str, term: str) -> dict[str, bool]:
    """Say what of a text is true.

    Parameters
    ----------
    text
        A description.
    term
        Cell Ontology id of what it describes.
    """
    said = read_statements(text, term)
    return {
        "names_type": said.names_type,
        "names_true": said.names_true,
        "nothing_false": not said.false,
        "nothing_contradicting": not said.contradicting,
        "true": said.names_true and not said.false,
    }


def summarise(
    results: pd.DataFrame,
    *,
    encoder: SentenceEncoder | None,
    wordnet: WordNetCorpusReader | None,
    seed: int,
) -> pd.DataFrame:
    """Average over the types of all data sets, one row a method.

    Parameters
    ----------
    results
        Rows of :func:`describe`.
    encoder
        For the cosine; without one it is left out.
    wordnet
        For METEOR; likewise.
    seed
        Of the bootstrap.
    """
    rows = []
    for method, part in results.groupby("method", sort=False):
        row: dict[str, object] = {"method": method, "groups": len(part)}
        for name in TRUTHS:
            found = part[name].astype(int).to_numpy()
            low, high = bootstrap_interval(
                lambda yes, said: float((yes == said).mean()),
                np.ones_like(found),
                found,
                rng=np.random.default_rng(seed),
            )
            row |= {name: found.mean(), f"{name}_low": low, f"{name}_high": high}
        pair = part["text"].tolist(), part["reference"].tolist()
        row |= bleu(*pair) | rouge(*pair)
        if wordnet is not None:
            row |= meteor(*pair, wordnet=wordnet)
        if encoder is not None:
            row |= cosine(*pair, encoder=encoder)
        rows.append(row)
    return pd.DataFrame(rows)


def tables(summary: pd.DataFrame, results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, both tables of means, and examples."""
    shown = [name for name in LIKENESS if name in summary]
    truths = [
        [NAMES[row.method], str(row.groups)]
        + [
            f"{getattr(row, n):.3f} ({getattr(row, f'{n}_low'):.2f}–{getattr(row, f'{n}_high'):.2f})"
            for n in TRUTHS
        ]
        for row in summary.itertuples()
    ]
    likeness = [
        [NAMES[row.method], *(share(getattr(row, name)) for name in shown)]
        for row in summary.itertuples()
    ]
    own = results[results["method"] == "scmmgpt"]
    examples = [
        [row.data_set, row.label, "yes" if row.true else "no", row.text.replace("|", "/")]
        for row in own.groupby("data_set").head(2).itertuples()
    ]
    return [
        bullets(facts),
        table(["method", "groups", *TRUTHS.values()], truths),
        "Likeness to the name and definition of the true type:",
        table(["method", *(LIKENESS[name] for name in shown)], likeness),
        "The first two groups of each data set:",
        table(["data set", "group", "true", "description"], examples),
    ]


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, PACKAGES)
    encoder = SentenceEncoder(given.sentences)
    with open_wordnet(given.wordnet) as wordnet:
        summary = summarise(results, encoder=encoder, wordnet=wordnet, seed=given.seed)
    if wordnet is None:
        facts.append("METEOR is left out: it needs the files of WordNet, see `--wordnet`.")
    save_rows(summary, given, name=f"{NAME}_means")
    draw_picture(summary, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(summary, results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME, rows=[f"{NAME}_means"])


def draw_picture(summary: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw one group of bars a question, one bar a method."""
    figure = new_figure(9.5, 4)
    ax = figure.subplots()
    width = 0.8 / len(summary)
    for i, row in enumerate(summary.itertuples()):
        x = np.arange(len(TRUTHS)) + (i - (len(summary) - 1) / 2) * width
        height = [getattr(row, name) for name in TRUTHS]
        colour = COLOURS[list(NAMES).index(row.method)]
        ax.bar(x, height, 0.95 * width, color=colour, label=NAMES[row.method])
    ax.set_xticks(range(len(TRUTHS)), [fill(title, 18) for title in TRUTHS.values()])
    ax.set(ylabel="share of groups", ylim=(0, 1.02))
    clean(ax)
    save(figure, paths)


if __name__ == "__main__":
    main()
