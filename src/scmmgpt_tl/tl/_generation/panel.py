"""Which genes are generated, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl._warnings import warn
from scmmgpt_tl.pp._names import match_names
from scmmgpt_tl.pp._species import UNKNOWN, guess_species

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

__all__ = ["Panel", "read_panel"]

_SHOWN = 5


class Panel(NamedTuple):
    """Genes to generate.

    Parameters
    ----------
    names
        As the user writes them.
    places
        Where they are in the model's table, (genes,).
    """

    names: tuple[str, ...]
    places: NDArray[np.intp]


def read_panel(genes: object, table: GeneTable) -> Panel:
    """Find the genes that the user asked for.

    Parameters
    ----------
    genes
        Symbols or Ensembl ids; `None` for all genes of the model.
    table
        The model's genes.

    Raises
    ------
    TypeError
        `genes` is a single string, or holds something other than strings.
    ValueError
        No gene is known, the genes are those of another species, or one is given twice.
    """
    if genes is None:
        return Panel(tuple(table.symbols), np.arange(len(table)))
    names = _names(genes)
    matches = match_names(names, table)
    species = guess_species(names, matches).species
    if species not in {"human", UNKNOWN}:
        msg = (
            f"`genes` look like {species} genes (such as {', '.join(names[:_SHOWN])}); the model knows "
            "human genes. Give their human orthologs."
        )
        raise ValueError(msg)
    # Two names of one gene would be two columns that share its counts.
    kept: dict[int, str] = {}
    dropped: list[str] = []
    for name, match in zip(names, matches, strict=True):
        if match is None or match.gene in kept:
            dropped.append(name)
        else:
            kept[match.gene] = name
    if not kept:
        msg = (
            f"`genes` holds none that the model knows, found {', '.join(names[:_SHOWN]) or 'none'}. "
            f"Give human symbols or Ensembl ids, such as {', '.join(table.symbols[:_SHOWN])}."
        )
        raise ValueError(msg)
    if dropped:
        warn(
            f"{len(dropped)} of {len(names)} `genes` are left out, because the model does not know "
            f"them or has them under another name already, such as {', '.join(dropped[:_SHOWN])}."
        )
    return Panel(tuple(kept.values()), np.array(list(kept), dtype=np.intp))


def _names(genes: object) -> list[str]:
    if isinstance(genes, str) or not isinstance(genes, Iterable):
        msg = f"`genes` must be a list of names, not {type(genes).__name__}."
        raise TypeError(msg)
    names = list(genes)
    for name in names:
        if not isinstance(name, str):
            msg = f"`genes` must hold strings, found {type(name).__name__}."
            raise TypeError(msg)
    return names
