"""What is to be generated: texts, and the ways from one text to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.tl._search import read_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.ontology import CellOntology

__all__ = ["Prompts", "read_prompts"]


@dataclass(frozen=True)
class Prompts:
    """Texts in the order in which cells are made of them.

    Parameters
    ----------
    names
        What the cells of each text are called.
    cl_ids
        Cell Ontology id of each text, `""` where it is no term.
    wordings
        What the model reads for each text.
    """

    names: tuple[str, ...]
    cl_ids: tuple[str, ...]
    wordings: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.names)


def read_prompts(
    prompts: str | Sequence[str] | Mapping[str, str], *, ontology: CellOntology
) -> Prompts:
    """Read what the user wrote.

    Parameters
    ----------
    prompts
        A text, several, or names with a text each.
    ontology
        Where terms are looked up.

    Raises
    ------
    TypeError
        There is something other than strings.
    ValueError
        There is no text, or one is empty or repeated.
    """
    _check_kind(prompts)
    match prompts:
        case str():
            named = {prompts: prompts}
        case Mapping():
            named = dict(prompts)
        case _:
            named = {text: text for text in prompts}
            if repeated := sorted({text for text in named if list(prompts).count(text) > 1}):
                msg = (
                    f"`prompts` holds {repeated[0]!r} twice. Raise `n_cells` for more cells of it."
                )
                raise ValueError(msg)
    if not named:
        msg = "`prompts` is empty. Say what to generate, such as 'plasma cell in bone marrow'."
        raise ValueError(msg)
    texts = [part for pair in named.items() for part in pair]
    if odd := {type(text).__name__ for text in texts if not isinstance(text, str)}:
        msg = f"`prompts` must hold strings, found {', '.join(sorted(odd))}."
        raise TypeError(msg)
    if not all(text.strip() for text in texts):
        msg = "`prompts` holds an empty text. Leave it out, or say what to generate."
        raise ValueError(msg)
    read = [read_query(text, ontology=ontology) for text in named.values()]
    return Prompts(tuple(named), tuple(term for term, _ in read), tuple(words for _, words in read))


def stops(n: int) -> NDArray[np.float64]:
    """Return the places of `n` stops on the way from the first text (0) to the second (1)."""
    return np.linspace(0, 1, n)


def between(
    first: NDArray[np.floating], second: NDArray[np.floating], place: float
) -> NDArray[np.float64]:
    r"""Mix two profiles of expression gene by gene on the log scale.

    .. math:: p_g \propto a_g^{1 - w} \, b_g^{w}

    so that every gene changes by the same factor with every step of the way.

    Parameters
    ----------
    first, second
        Expected shares, (genes,), positive and summing to 1.
    place
        How far to go, :math:`w`.

    Examples
    --------
    >>> between(np.array([0.8, 0.2]), np.array([0.2, 0.8]), 0.5)
    array([0.5, 0.5])
    """
    logs = (1 - place) * np.log(first.astype(np.float64)) + place * np.log(
        second.astype(np.float64)
    )
    weight = np.exp(logs - logs.max())
    return weight / weight.sum()


def _check_kind(prompts: object) -> None:
    if hasattr(prompts, "obs_names"):
        msg = (
            "`prompts` must be texts: cells are generated from words alone. To generate in the "
            "genes of a data set pass `genes=adata.var_names`."
        )
        raise TypeError(msg)
    if isinstance(prompts, bytes) or not hasattr(prompts, "__iter__"):
        msg = (
            "`prompts` must be a text, a list of texts, or a dict of names and texts, not "
            f"{type(prompts).__name__}."
        )
        raise TypeError(msg)
