"""What comparisons claim, and the tables of their benchmark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from _page import share, table
from scipy.stats import binomtest

if TYPE_CHECKING:
    import pandas as pd

NAMED = 8
UNSURE = "ell without a sure type"
PATTERNS = {
    "types": (
        r'(?P<label>.+) is commoner in "(?P<side>a)"',
        r'(?P<label>.+) is rarer in "a" than in "(?P<side>b)"',
    ),
    "markers": (
        r'Among the genes higher in "(?P<side>[ab])" are \d+ known markers of (?P<label>.+?): ',
    ),
    "texts": (r'"(?P<label>.+)" fits "(?P<side>[ab])" better',),
}


def claims(topic: str, sentence: str) -> list[tuple[str, str]]:
    """Read which type a sentence names for which group.

    Examples
    --------
    >>> claims("texts", '"B cell" fits "a" better than "b".')
    [('a', 'B cell')]
    """
    if topic == "ontology":
        both = re.match(r"Both groups are mostly (.+)\.$", sentence)
        two = re.match(
            r'"a" is mostly (.+), "b" mostly (.+?)(?:; (?:in the|the closest) .+)?\.$', sentence
        )
        found = [("a", both[1]), ("b", both[1])] if both else []
        found += [("a", two[1]), ("b", two[2])] if two else []
    else:
        found = [_claim(pattern, sentence) for pattern in PATTERNS.get(topic, ())]
    return [pair for pair in found if pair and UNSURE not in pair[1]]


def _claim(pattern: str, sentence: str) -> tuple[str, str] | None:
    found = re.match(pattern, sentence)
    return (found["side"], found["label"]) if found else None


def tables(results: pd.DataFrame) -> list[str]:
    """Return one table a question."""
    return [
        "No difference: share of comparisons that tell one, with 95 % interval",
        null_table(results),
        "A known difference: named genes that interferon induces, over the types of cells",
        stimulus_table(results),
        "Two types: types that sentences name for a group",
        types_table(results),
    ]


def null_table(results: pd.DataFrame) -> str:
    """One row a way to cut, one column a topic."""
    null = results[results["question"].str.startswith(("halves", "donors"))]
    rows = []
    for question, own in null.groupby("question", sort=False):
        cells = [_rate(own[what]) for what in ("any", "types", "genes", "markers", "texts")]
        rows.append([f"random {question}", str(len(own)), *cells])
    return table(["cut", "comparisons", "any", "types", "genes", "markers", "texts"], rows)


def stimulus_table(results: pd.DataFrame) -> str:
    """One row a method."""
    own = results[results["question"] == "stimulus"]
    names = {"compare": "compare", "wilcoxon": "Wilcoxon test", "fold": "fold change"}
    rows = []
    for method, name in names.items():
        part = own[own["method"] == method]
        n, right = int(part["n_named"].sum()), int(part["n_right"].sum())
        least = f"{int(part['n_right'].min())} of {NAMED}" if len(part) else ""
        rows.append([name, str(len(part)), str(n), str(right), share(right / max(n, 1)), least])
    return table(["order", "types of cells", "named", "induced", "share", "fewest in a type"], rows)


def types_table(results: pd.DataFrame) -> str:
    """One row a topic."""
    own = results[results["question"] == "types"]
    rows = []
    for topic, part in own.groupby("topic", sort=False):
        right = part["right"].astype(bool)
        swapped = (~right & part["right_of_other"].astype(bool)).sum()
        rows.append([str(topic), str(len(part)), _rate(right), str(int(swapped))])
    return table(["topic", "claims", "right", "right of the other group"], rows)


def _rate(hits: pd.Series) -> str:
    n, k = len(hits), int(hits.astype(bool).sum())
    ends = binomtest(k, n).proportion_ci(method="wilson")
    return f"{k / n:.3f} ({ends.low:.2f}–{ends.high:.2f})"
