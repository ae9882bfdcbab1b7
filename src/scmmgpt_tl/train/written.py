"""What the text decoder learns to write: prompts with evidence, and descriptions true to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scmmgpt_tl import ontology
from scmmgpt_tl.model.prompts import describe_prompt, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# How often the decoder sees the cell tokens alone and must read the cell type off them.
WITHOUT_EVIDENCE = 0.2
OPENINGS = (
    "These cells are best described as {label}, a kind of {parent}.",
    "These cells are best described as {label}, a kind of {parent}.",
    "This group looks like {label}, a kind of {parent}.",
    "{Label}: these cells are a kind of {parent}.",
)
EXPRESSION = (
    "They express {genes}.",
    "Genes that stand out are {genes}.",
    "They are marked by {genes}.",
)


class Written(NamedTuple):
    """A prompt and the description that should follow it."""

    prompt: str
    text: str


def write_description(
    term: str, genes: Sequence[str], tissue: str, rng: np.random.Generator
) -> Written:
    """Draw a prompt for cells of a term and a description that states only what it holds.

    Parameters
    ----------
    term
        Cell Ontology id.
    genes
        Genes that stand out, strongest first.
    tissue
        Where the cells are from, `""` where unknown.
    rng
        Draws the wording and what is left out.
    """
    cl = ontology.load()
    name = cl.name(term)
    lineage = [cl.name(t) for t in cl.lineage(term)]
    parent = lineage[-2] if len(lineage) > 1 else "cell"
    definition = shorten(cl.definition(term)) if rng.random() < 0.9 else ""
    known = rng.random() >= WITHOUT_EVIDENCE
    tissue = tissue if rng.random() < 0.5 else ""
    opening = str(rng.choice(OPENINGS))
    parts = [opening.format(label=name, Label=name[:1].upper() + name[1:], parent=parent)]
    if definition:
        parts.append(definition[:1].upper() + definition[1:])
    if not known:
        return Written("Description:", " ".join(parts))
    shown = list(genes[:8])
    if shown:
        parts.append(str(rng.choice(EXPRESSION)).format(genes=enumerate_words(shown[:3])))
    if tissue:
        parts.append(f"They come from {tissue}.")
    return Written(describe_prompt(name, lineage, shown, tissue, definition), " ".join(parts))


def enumerate_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def corpus_texts(terms: Sequence[str], symbols: Sequence[str]) -> list[str]:
    """Return all text the decoder may need to write: names, definitions, genes, wordings."""
    cl = ontology.load()
    texts = [
        *OPENINGS,
        *EXPRESSION,
        "They come from",
        "Description:",
        describe_prompt("", (), (), ""),
    ]
    for term in terms:
        texts += [cl.name(term), f" {cl.name(term)}", f" {cl.definition(term)}", *cl.synonyms(term)]
    return texts + [f" {symbol}," for symbol in symbols]
