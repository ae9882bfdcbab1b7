"""What the text decoder is asked, in training and in use alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LINEAGE_TERMS = 4
TOP_GENES = 8
MAX_WORDS = 40


def describe_prompt(
    label: str,
    lineage: Sequence[str],
    genes: Sequence[str],
    tissue: str,
    definition: str = "",
) -> str:
    """Ask for a description of cells, with the evidence in words.

    Parameters
    ----------
    label
        Name of the cell type.
    lineage
        Names from the root of the ontology to the cell type; the last four are shown.
    genes
        Genes that stand out, the strongest first; the first eight are shown.
    tissue
        Where the cells are from, `""` where nobody said.
    definition
        What the cell type is, `""` where unknown; long ones are cut.

    Returns
    -------
    The prompt, which follows the cell's own tokens.

    Examples
    --------
    >>> describe_prompt("T cell", ["cell", "lymphocyte", "T cell"], ["CD3D", "CD3E"], "blood")
    'Cell type: T cell. Lineage: cell > lymphocyte > T cell. Top genes: CD3D, CD3E. Tissue: blood. Description:'
    """
    path = " > ".join(lineage[-LINEAGE_TERMS:]) or label
    shown = ", ".join(genes[:TOP_GENES]) or "none"
    known = f" Definition: {shorten(definition)}" if definition else ""
    return (
        f"Cell type: {label}. Lineage: {path}.{known} Top genes: {shown}. "
        f"Tissue: {tissue or 'not stated'}. Description:"
    )


def label_wordings(name: str, definition: str) -> tuple[str, ...]:
    """Write the texts whose mean embedding stands for a label.

    Parameters
    ----------
    name
        Name of the cell type.
    definition
        What it is, `""` where unknown; long ones are cut.

    Returns
    -------
    The name, and the name with its definition.

    Examples
    --------
    >>> label_wordings("T cell", "A lymphocyte with a T cell receptor.")
    ('T cell', 'T cell: A lymphocyte with a T cell receptor.')
    """
    text = shorten(definition)
    return (name, f"{name}: {text}") if text else (name,)


def shorten(text: str, *, max_words: int = MAX_WORDS) -> str:
    """Keep the leading sentences that fit into so many words, at least one.

    Parameters
    ----------
    text
        A definition.
    max_words
        Where to stop; a first sentence is kept up to twice as long.

    Returns
    -------
    The text, ending in a full stop, or `""`.

    Examples
    --------
    >>> shorten("One two. Three four. Five six.", max_words=4)
    'One two. Three four.'
    """
    kept: list[str] = []
    for sentence in " ".join(text.split()).split(". "):
        words = sentence.rstrip(".").split()
        if kept and len(" ".join(kept).split()) + len(words) > max_words:
            break
        kept.append(" ".join(words))
    shortened = " ".join(". ".join(kept).split()[: 2 * max_words])
    return f"{shortened}." if shortened else ""
