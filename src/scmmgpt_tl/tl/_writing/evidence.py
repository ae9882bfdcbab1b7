"""What sets a group of cells apart: its genes, its terms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from scmmgpt_tl._expression import log_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["group_levels", "is_telling", "top_genes", "top_terms"]

_LEAST_STRENGTH = 0.05
#: Genes that tell the state of the library more than the kind of cell, or that nobody can read.
_UNTELLING = re.compile(
    r"^(MT-|MTRNR|MTATP|RP[LS]\d|RPLP|RPSA|MRP[LS]\d|MALAT1$|NEAT1$|XIST$|TSIX$|EEF1[AB]|TMSB\d|"
    r"ENSG\d|LINC\d|LOC\d|A[CLFP]\d{5}|RP\d+-|CT[ABCD]-|KB-|XX)|-AS\d$|-OT\d?$|-IT\d$|\.\d+$"
)


def is_telling(symbol: str) -> bool:
    """Whether a gene tells of the kind of cell, and has a name that can be read."""
    return not _UNTELLING.search(symbol)


def group_levels(
    blocks: Iterable[csr_matrix], codes: NDArray[np.intp], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Mean expression of each gene inside each group and in all other cells.

    With counts :math:`x_{ij}` of cell :math:`i` and its total :math:`t_i`,

    .. math:: m_{gj} = \frac{1}{n_g} \sum_{i \in g} \log(1 + 10^4 \, x_{ij} / t_i) .

    Parameters
    ----------
    blocks
        Counts, cells x genes, in the order of the cells.
    codes
        Group of each cell, -1 for cells to leave out; `(n_cells,)`.
    n_groups
        Number of groups.

    Returns
    -------
    Means inside each group and outside of it, both `(n_groups, n_genes)`; zero where there are no
    cells.
    """
    sums: NDArray[np.float64] | None = None
    start = 0
    for block in blocks:
        part = codes[start : start + block.shape[0]]
        held = np.flatnonzero(part >= 0)
        shape = (n_groups, block.shape[0])
        groups = csr_matrix((np.ones(len(held)), (part[held], held)), shape=shape)
        found = np.asarray((groups @ log_expression(block)).todense())
        sums = found if sums is None else sums + found
        start += block.shape[0]
    if sums is None:
        return np.zeros((n_groups, 0)), np.zeros((n_groups, 0))
    sizes = np.bincount(codes[codes >= 0], minlength=n_groups)[:, None]
    inside = sums / np.maximum(sizes, 1)
    outside = (sums.sum(axis=0) - sums) / np.maximum(sizes.sum() - sizes, 1)
    return inside, outside


def top_genes(
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
    symbols: Sequence[str],
    *,
    n: int = 8,
) -> list[tuple[str, ...]]:
    r"""Genes that stand out in each group, the strongest first.

    A gene's strength is what it has more inside than outside, weighted by how much of its
    expression is the group's own,

    .. math:: s = (m_\mathrm{in} - m_\mathrm{out}) \, \frac{m_\mathrm{in}}{m_\mathrm{in} + m_\mathrm{out}} .

    Mitochondrial and ribosomal genes and unnamed transcripts come last.

    Parameters
    ----------
    inside, outside
        Mean levels, `(n_groups, n_genes)`.
    symbols
        Names of the genes.
    n
        Number of genes per group; fewer where fewer stand out.

    Returns
    -------
    Names per group.
    """
    telling = np.array([is_telling(symbol) for symbol in symbols], dtype=bool)
    total = inside + outside
    share = np.divide(inside, total, out=np.zeros_like(inside), where=total > 0)
    strength = (inside - outside) * share
    found = []
    for row in strength:
        order = np.lexsort((np.arange(len(row)), -row, ~telling))
        found.append(tuple(symbols[gene] for gene in order[row[order] > _LEAST_STRENGTH][:n]))
    return found


def top_terms(
    probabilities: NDArray[np.floating], names: Sequence[str], *, n: int = 3
) -> list[str]:
    """Most probable labels of each group, with their probabilities, in one line.

    Parameters
    ----------
    probabilities
        Probability of each label, `(n_groups, n_labels)`.
    names
        Names of the labels.
    n
        Number of labels per group.

    Returns
    -------
    For each group a text such as `"T cell (0.91); natural killer cell (0.06)"`.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :n]
    return [
        "; ".join(f"{names[label]} ({row[label]:.2f})" for label in best)
        for row, best in zip(probabilities, order, strict=True)
    ]
