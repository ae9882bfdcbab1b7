"""An account of how two groups differ: sentences, and the numbers behind each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl.tl._labels import UNKNOWN
from scmmgpt_tl.tl._writing.evidence import is_telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scmmgpt_tl.ontology import CellOntology

    from .two_groups import Units

__all__ = [
    "Statement",
    "about_genes",
    "about_kinds",
    "about_sets",
    "about_shares",
    "about_texts",
    "is_difference",
    "lay_out",
]

# A difference is told where chance is unlikely, and it is large enough to matter.
SURE = 0.01
LEAST_SHARE, LEAST_LOG2_FOLD, LEAST_EFFECT, FEWEST_HITS = 0.05, 0.58, 0.8, 3
NAMED = 8
DIFFERENCE, NONE, FACT, CAUTION = "difference", "no difference", "fact", "caution"


class Statement(NamedTuple):
    """One sentence.

    Parameters
    ----------
    topic
        What it is about: `"types"`, `"ontology"`, `"genes"`, `"markers"`, `"gene sets"`, `"texts"`
        or `"caution"`.
    kind
        `"difference"`, `"no difference"`, `"fact"` or `"caution"`.
    sentence
        The sentence.
    evidence
        The numbers behind it, and the test they come from.
    """

    topic: str
    kind: str
    sentence: str
    evidence: str


def is_difference(table: pd.DataFrame, column: str, least: float) -> pd.Series:
    """Tell which rows are sure and large enough to be told.

    Parameters
    ----------
    table
        With `q`, and the size of the difference in `column`.
    column
        Its name.
    least
        Smallest difference, either way.
    """
    return (table["q"] < SURE) & (table[column].abs() >= least)


def about_shares(shares: pd.DataFrame, names: Sequence[str], units: Units) -> list[Statement]:
    """Say which types are commoner in one group."""
    told = shares[is_difference(shares, "difference", LEAST_SHARE)]
    told = told.sort_values("difference", key=np.abs, ascending=False)
    test = "Fisher's exact test" if units.kind == "cells" else "t-test"
    if told.empty:
        least = shares["q"].min()
        return [
            Statement(
                "types",
                NONE,
                f"The shares of cell types in {names[0]} and {names[1]} are not told apart.",
                f"{len(shares)} types, smallest q {least:.2g} ({_over(test, units)}); a difference "
                f"is told at q < {SURE} and {LEAST_SHARE:.0%}.",
            )
        ]
    return [
        Statement(
            "types",
            DIFFERENCE,
            f"{_first(_type(row.label))} is {'commoner' if row.difference > 0 else 'rarer'} in {names[0]} "
            f"than in {names[1]}: {row.share_a:.0%} against {row.share_b:.0%} of the cells.",
            f"difference {row.difference:+.1%} (95 % interval {row.low:+.1%} to {row.high:+.1%}), "
            f"q {row.q:.2g} ({_over(test, units)}).",
        )
        for row in told.head(NAMED).itertuples()
    ]


def about_kinds(
    shares: pd.DataFrame, names: Sequence[str], *, ids: dict[str, str], ontology: CellOntology
) -> list[Statement]:
    """Say what most cells of each group are, and where the ontology parts the two."""
    top = [shares.loc[shares[column].idxmax()] for column in ("share_a", "share_b")]
    of_top = [top[0]["share_a"], top[1]["share_b"]]
    labels = [str(row["label"]) for row in top]
    types = [_type(label) for label in labels]
    numbers = ", ".join(
        f"{name}: {kind} {share:.1%}"
        for name, kind, share in zip(names, types, of_top, strict=True)
    )
    if min(of_top) <= 0.5:
        return [
            Statement(
                "ontology", FACT, "Not both groups are mostly of one cell type.", numbers + "."
            )
        ]
    if labels[0] == labels[1]:
        sentence = f"Both groups are mostly {types[0]}."
        return [Statement("ontology", FACT, sentence, numbers + ".")]
    keys = [ids.get(label, "") for label in labels]
    sentence = f"{names[0]} is mostly {types[0]}, {names[1]} mostly {types[1]}"
    if not all(keys):
        return [Statement("ontology", FACT, f"{sentence}.", numbers + ".")]
    keys = [ontology.current(key) for key in keys]
    lines = [ontology.ancestors(key) | {key} for key in keys]
    common = max(sorted(lines[0] & lines[1]), key=ontology.depth, default=keys[0])
    if keys[0] == keys[1]:
        sentence += "; the Cell Ontology has one term for both."
    elif not lines[0] & lines[1]:
        sentence += "; the Cell Ontology has no term above both."
    elif common in keys:
        above = keys.index(common)
        sentence += f"; in the Cell Ontology, {labels[above]} is above {labels[1 - above]}."
    else:
        sentence += f"; the closest Cell Ontology term above both is {ontology.name(common)}."
    terms = ", ".join(f"{ontology.name(key)} ({key})" for key in dict.fromkeys([*keys, common]))
    return [Statement("ontology", FACT, sentence, f"{numbers}; {terms}.")]


def about_genes(genes: pd.DataFrame, names: Sequence[str], units: Units) -> list[Statement]:
    """Say which genes are higher in either group."""
    test = "Wilcoxon test" if units.kind == "cells" else "t-test of pseudobulk"
    told = genes[is_difference(genes, "log2_fold", LEAST_LOG2_FOLD)]
    rule = f"q < {SURE} and {2**LEAST_LOG2_FOLD:.1f}-fold"
    if told.empty:
        least = f"smallest q {genes['q'].min():.2g}, " if len(genes) else ""
        return [
            Statement(
                "genes",
                NONE,
                f"No gene is told apart between {names[0]} and {names[1]}.",
                f"{len(genes):,} genes, {least}none with {rule} ({_over(test, units)}).",
            )
        ]
    found = []
    for sign, name, other in ((1, names[0], names[1]), (-1, names[1], names[0])):
        own = strongest(told[np.sign(told["log2_fold"]) == sign])
        if own.empty:
            continue
        best = own.head(NAMED)
        more = f", and {len(own) - len(best)} more" if len(own) > len(best) else ""
        numbers = "; ".join(
            f"{row.gene} {2 ** abs(row.log2_fold):.1f}-fold, "
            f"{_pair(row, sign)} of cells, q {row.q:.1g}"
            for row in best.itertuples()
        )
        found.append(
            Statement(
                "genes",
                DIFFERENCE,
                f"Higher in {name} than in {other}: {', '.join(best['gene'])}{more}.",
                f"{numbers} ({len(own)} of {len(genes):,} genes with {rule}, {_over(test, units)}).",
            )
        )
    return found


def about_sets(
    table: pd.DataFrame, name: str, *, topic: str, of_what: str, most: int
) -> list[Statement]:
    """Say of which sets the genes that are higher in a group hold more than chance would."""
    told = table[(table["q"] < SURE) & (table["n_higher"] >= FEWEST_HITS)].head(most)
    return [
        Statement(
            topic,
            DIFFERENCE,
            f"Among the genes higher in {name} are {row.n_higher} {of_what} {row.set}: {_some(row)}.",
            f"{row.n_higher} of {row.n_set}, {row.expected:.1f} expected, q {row.q:.2g} "
            "(hypergeometric test).",
        )
        for row in told.itertuples()
    ]


def about_texts(
    table: pd.DataFrame, names: Sequence[str], units: Units, *, most: int
) -> list[Statement]:
    """Say which texts fit one group better, of the `most` that fit it best."""
    found = []
    told = table[is_difference(table, "effect", LEAST_EFFECT)]
    sides = ((1, "mean_a", names[0], names[1]), (-1, "mean_b", names[1], names[0]))
    for sign, mean, name, other in sides:
        # What fits neither group well may fit one of them less badly, which says nothing.
        best = table[mean].nlargest(most).index
        own = told[(np.sign(told["effect"]) == sign) & told.index.isin(best)]
        own = own.sort_values("effect", key=np.abs, ascending=False)
        found += [
            Statement(
                "texts",
                DIFFERENCE,
                f'"{row.text}" fits {name} better than {other}.',
                f"mean cosine {row.mean_a:.2f} in {names[0]} and {row.mean_b:.2f} in {names[1]}, "
                f"{abs(row.effect):.1f} standard deviations apart, q {row.q:.2g} "
                f"({_over('t-test', units)}).",
            )
            for row in own.itertuples()
        ]
    return found


def lay_out(statements: Sequence[Statement]) -> pd.DataFrame:
    """Lay the statements out as a frame with their fields as columns."""
    return pd.DataFrame(list(statements), columns=list(Statement._fields))


def strongest(genes: pd.DataFrame) -> pd.DataFrame:
    """Order genes by how much more they are expressed, and by how many more cells.

    Mitochondrial and ribosomal genes and unnamed transcripts come last.
    """
    gap = (genes["expressed_a"] - genes["expressed_b"]).abs()
    strength = genes["log2_fold"].abs() * (0.1 + gap)
    untelling = np.array([not is_telling(gene) for gene in genes["gene"]], dtype=bool)
    return genes.iloc[np.lexsort((genes["gene"], -strength, untelling))]


def _pair(row: object, sign: int) -> str:
    ends = (row.expressed_a, row.expressed_b)[::sign]  # type: ignore[attr-defined]
    return f"{ends[0]:.0%} against {ends[1]:.0%}"


def _some(row: object) -> str:
    genes = row.genes.split(", ")  # type: ignore[attr-defined]
    more = f" and {len(genes) - NAMED} more" if len(genes) > NAMED else ""
    return ", ".join(genes[:NAMED]) + more


def _over(test: str, units: Units) -> str:
    paired = "paired " if units.kind == "pairs" else ""
    what = "batches" if units.kind != "cells" else "cells"
    if units.kind == "pairs":
        return f"{paired}{test} over {units.sizes[0]} {what}"
    return f"{test} over {units.sizes[0]} and {units.sizes[1]} {what}"


def _type(label: str) -> str:
    return "cell without a sure type" if label == UNKNOWN else label


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
