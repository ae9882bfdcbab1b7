"""Sets of genes, given as genes, as genes with weights, or in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from scmmgpt_tl._results import column_names
from scmmgpt_tl._warnings import warn
from scmmgpt_tl.get import genes_of
from scmmgpt_tl.pp._names import match_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

__all__ = ["GeneSets", "OneSet", "read_gene_sets"]

OneSet: TypeAlias = str | Sequence[str] | Mapping[str, float]
_SHOWN = 5


class GeneSets(NamedTuple):
    """Sets of genes.

    Parameters
    ----------
    names
        Fit to be columns.
    weights
        Of each gene of the model in each set, (genes, sets).
    table
        `set`, `gene` (symbol), `weight`, `measured` and `source` (`"genes"` or `"text"`).
    """

    names: list[str]
    weights: NDArray[np.float64]
    table: pd.DataFrame


def read_gene_sets(
    gene_sets: object, model: Model, measured: NDArray[np.bool_], *, n_genes: int
) -> GeneSets:
    """Read what the user asked for.

    Parameters
    ----------
    gene_sets
        Names with a list of genes, a mapping of genes to weights, or a text each; or texts alone.
    model
        Whose genes they are; reads the texts.
    measured
        Which of its genes the data set measured, (genes,).
    n_genes
        Genes of a text.

    Raises
    ------
    TypeError
        A set is none of these.
    ValueError
        There is no set, one is empty, or the data set measured no gene of it.
    """
    named = _named(gene_sets)
    weights = np.zeros((len(model.genes), len(named)))
    parts = []
    for column, (name, one) in enumerate(named.items()):
        found = _of_text(one, model, n_genes) if isinstance(one, str) else _of_genes(name, one)
        places, values = _match(name, found, model)
        if not measured[places].any():
            shown = ", ".join(model.genes.symbols[i] for i in places[:_SHOWN])
            msg = f"None of the genes of {name!r} ({shown}) is measured in `adata`. Leave the set out."
            raise ValueError(msg)
        weights[places, column] = values
        parts.append(
            pd.DataFrame(
                {
                    "set": name,
                    "gene": [model.genes.symbols[i] for i in places],
                    "weight": values,
                    "measured": measured[places],
                    "source": "text" if isinstance(one, str) else "genes",
                }
            )
        )
    return GeneSets(column_names(list(named)), weights, pd.concat(parts, ignore_index=True))


def _named(gene_sets: object) -> dict[str, object]:
    if isinstance(gene_sets, str):
        return {gene_sets: gene_sets}
    if isinstance(gene_sets, Mapping):
        named = dict(gene_sets)
    elif isinstance(gene_sets, Iterable) and not isinstance(gene_sets, bytes):
        texts = list(gene_sets)
        if odd := [text for text in texts if not isinstance(text, str)]:
            msg = (
                f"`gene_sets` must be texts or a dict of names and sets, found {odd[0]!r} in the "
                "list. Give sets of genes names: {'name': ['CD3D', 'CD3E']}."
            )
            raise TypeError(msg)
        named = dict(zip(texts, texts, strict=True))
    else:
        msg = f"`gene_sets` must be a dict or texts, not {type(gene_sets).__name__}."
        raise TypeError(msg)
    if not named or not all(isinstance(name, str) and name.strip() for name in named):
        msg = "`gene_sets` is empty or has a set without a name. Name at least one set."
        raise ValueError(msg)
    return named


def _of_text(text: str, model: Model, n_genes: int) -> dict[str, float]:
    found = genes_of(text, n_genes, model=model)
    # What a text does not raise at all does not belong to it.
    found = found[found["score"] > 0]
    if found.empty:
        msg = f"The model finds no genes of {text!r}. Say it in other words, or list the genes."
        raise ValueError(msg)
    return dict(zip(found["gene"], found["score"] / found["score"].max(), strict=True))


def _of_genes(name: str, one: object) -> dict[str, float]:
    if isinstance(one, Mapping):
        found = {gene: float(weight) for gene, weight in one.items()}
    elif isinstance(one, Iterable):
        found = dict.fromkeys(one, 1.0)
    else:
        msg = f"The set {name!r} must be genes, genes with weights, or a text, not {one!r}."
        raise TypeError(msg)
    if odd := [gene for gene in found if not isinstance(gene, str)]:
        msg = f"The set {name!r} must hold names of genes, found {odd[0]!r}."
        raise TypeError(msg)
    if not np.isfinite(list(found.values())).all() or not any(found.values()):
        msg = f"The set {name!r} is empty, or its weights are zero or no numbers. Leave it out."
        raise ValueError(msg)
    return found


def _match(
    name: str, found: Mapping[str, float], model: Model
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the genes in the model's table; names of one gene count once."""
    matches = match_names(list(found), model.genes)
    places: dict[int, float] = {}
    unknown = []
    for (gene, weight), match in zip(found.items(), matches, strict=True):
        if match is None:
            unknown.append(gene)
        else:
            places.setdefault(match.gene, weight)
    if not places:
        msg = (
            f"The model knows none of the genes of {name!r}, such as {', '.join(unknown[:_SHOWN])}. "
            "Give human symbols or Ensembl ids, or a text instead of a list."
        )
        raise ValueError(msg)
    if unknown:
        warn(
            f"{len(unknown)} of {len(found)} genes of {name!r} are left out, because the model does "
            f"not know them, such as {', '.join(unknown[:_SHOWN])}."
        )
    return np.array(list(places), dtype=np.intp), np.array(list(places.values()))
