"""Droplets that are no cell of any one type: two cells at once, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._roll_up import on_one_line

if TYPE_CHECKING:
    from collections.abc import Sequence


# Share of a cell's depth that ambient RNA alone reaches.
EMPTY_DEPTH = (0.02, 0.2)


def doublets(
    values: sparse.csr_matrix, terms: Sequence[str], *, n: int, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Add up cells of two types, neither of which is a kind of the other.

    Parameters
    ----------
    values
        Linear expression, (cells, genes).
    terms
        Cell Ontology id of each cell, `""` for cells that are not used.
    n
        How many.
    rng
        Draws them.

    Returns
    -------
    Sums, (doublets, genes); none where all cells are of one kind.
    """
    kinds = sorted(set(terms) - {""})
    apart = ~on_one_line(kinds, kinds, ontology=ontology.load()) if kinds else np.zeros((0, 0))
    pairs = np.argwhere(apart)
    if not len(pairs):
        return values[:0]
    owner = np.array(terms, dtype=object)
    members = [np.flatnonzero(owner == kind) for kind in kinds]
    chosen = pairs[rng.integers(len(pairs), size=n)]
    first, second = ([rng.choice(members[kind]) for kind in side] for side in chosen.T)
    return (values[first] + values[second]).tocsr()


def empty_droplets(
    values: sparse.csr_matrix, *, n: int, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Draw what ambient RNA leaves in droplets without a cell.

    Parameters
    ----------
    values
        Linear expression, (cells, genes): its mean is the ambient RNA.
    n
        How many.
    rng
        Draws them.

    Returns
    -------
    Counts, (droplets, genes); where `values` are no counts, at the median sum of the cells.
    """
    total = np.asarray(values.sum(axis=0), dtype=np.float64).ravel()
    depth = np.median(np.asarray(values.sum(axis=1)))
    is_counts = (values.data == np.rint(values.data)).all()
    shares = rng.uniform(*EMPTY_DEPTH, size=n)
    # Of normalised values nobody knows the depth; this is that of a typical cell.
    molecules = np.maximum(shares * (depth if is_counts else 3000), 1).astype(int)
    drawn = sparse.csr_matrix(
        np.stack([rng.multinomial(m, total / total.sum()) for m in molecules]), dtype=np.float32
    )
    return drawn if is_counts else (sparse.diags(depth / molecules) @ drawn).tocsr()
