"""What a perturbation is called, and what the model knows of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.pp._names import match_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.genes import GeneTable

__all__ = [
    "GENES",
    "WORDS",
    "find_genes",
    "parts_of",
    "perturbation_features",
    "read_perturbations",
]

WORDS, GENES = "words", "genes"
SEPARATOR = "+"


def read_perturbations(what: object) -> dict[str, tuple[str, ...]]:
    """Read what the user asked for.

    Parameters
    ----------
    what
        A gene or words; several genes or words at once; or names with one of these each.

    Returns
    -------
    The parts of each perturbation, by its name.

    Raises
    ------
    TypeError
        There is something other than strings.
    ValueError
        There is nothing, or an empty or repeated part.
    """
    named = what if isinstance(what, Mapping) else {None: what}
    if not named:
        msg = "`what` is empty. Name a gene, several genes, or say what is done to the cells."
        raise ValueError(msg)
    found = {}
    for name, one in named.items():
        parts = _parts(one)
        found[SEPARATOR.join(parts) if name is None else _text(name)] = parts
    return found


def parts_of(name: str) -> tuple[str, ...]:
    """Return what is done at once, `("A", "B")` for `"A+B"`."""
    # "CD4+" is one thing with a plus in its name.
    return tuple(part.strip() for part in name.split(SEPARATOR) if part.strip()) or (name,)


def find_genes(names: Sequence[str], genes: GeneTable) -> NDArray[np.intp] | None:
    """Return the places of genes in the model's table, `None` where one is no gene it knows."""
    matches = match_names(list(names), genes)
    if any(match is None for match in matches):
        return None
    return np.array([match.gene for match in matches if match is not None], dtype=np.intp)


def perturbation_features(
    names: Sequence[Sequence[str]], model: Model
) -> dict[str, NDArray[np.float32]]:
    """Say what perturbations are, in numbers by which they can be alike.

    Parameters
    ----------
    names
        Parts of each perturbation.
    model
        Reads words, and has a vector for each gene.

    Returns
    -------
    `"words"`, the mean vector of the parts as texts, and `"genes"`, that of the parts as genes, if
    all are genes that the model knows; (perturbations, width) each, of unit length.
    """
    parts = [part for one in names for part in one]
    owner = np.repeat(np.arange(len(names)), [len(one) for one in names])
    features = {WORDS: _mean(model.embed_text(parts), owner, len(names))}
    if (places := find_genes(parts, model.genes)) is not None:
        table = model.network.cell_encoder.genes.weight.detach()
        vectors = table[places].float().cpu().numpy()
        features[GENES] = _mean(vectors, owner, len(names))
    return features


def _mean(
    vectors: NDArray[np.float32], owner: NDArray[np.intp], n_owners: int
) -> NDArray[np.float32]:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    sums = np.zeros((n_owners, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, owner, unit)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def _parts(one: object) -> tuple[str, ...]:
    if isinstance(one, bytes) or not isinstance(one, Iterable):
        msg = (
            "`what` must be a gene or words, a list of them, or a dict of names and these, not "
            f"{type(one).__name__}."
        )
        raise TypeError(msg)
    given = [_text(part) for part in ([one] if isinstance(one, str) else one)]
    parts = [part for text in given for part in parts_of(text)]
    if not parts or not all(parts):
        msg = f"`what` holds an empty name: found {given!r}."
        raise ValueError(msg)
    if len(set(parts)) < len(parts):
        msg = f"`what` names a part twice: found {given!r}."
        raise ValueError(msg)
    return tuple(parts)


def _text(part: object) -> str:
    if not isinstance(part, str):
        msg = f"`what` must hold strings, found {type(part).__name__}."
        raise TypeError(msg)
    return part
