"""Counts to the tokens of scGPT: a token of the cell, then its genes with their bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numba import njit

from scmmgpt_tl.model.seeded import seeded_uniforms
from scmmgpt_tl.model.tokens import GeneTokens

from .binning import bin_range, draw_bins, mean_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    # What `numpy.random.seed` seeds is a RandomState, and that is what the original draws from.
    Random = np.random.Generator | np.random.RandomState


@dataclass(frozen=True, eq=False)
class ScGPTTokenizer:
    """Tokenizer of scGPT.

    The original draws bins and, of long cells, genes from the process' random state, so that an
    embedding changes from call to call. Here what is drawn is a function of the cell's own counts:
    distributed alike, and the same every time.

    Parameters
    ----------
    token_ids
        Token of each gene, (genes,).
    cls
        Token of the cell.
    cls_value
        Value that it carries.
    n_bins
        Bins of expression, that of silent genes included.
    max_length
        Most tokens of a cell, that of the cell included.
    values
        `"binned"`, or `"counts"` as they are.
    ties
        How a count that fills several bins gets one: `"seeded"` by the cell's own counts, `"mean"`
        of them, or `"drawn"` from `rng` as published.
    longer
        Which genes are kept of a cell with too many: `"seeded"` sample, `"top"` expressed, or a
        sample `"drawn"` from `rng` as published.
    rng
        Source of what is drawn.

    Raises
    ------
    ValueError
        If an option is unknown, or something is to be drawn without `rng`.
    """

    token_ids: NDArray[np.int64]
    cls: int
    cls_value: float
    n_bins: int = 51
    max_length: int = 1200
    values: Literal["binned", "counts"] = "binned"
    ties: Literal["seeded", "mean", "drawn"] = "seeded"
    longer: Literal["seeded", "top", "drawn"] = "seeded"
    rng: Random | None = None

    def __post_init__(self) -> None:
        known = {
            "values": {"binned", "counts"},
            "ties": {"seeded", "mean", "drawn"},
            "longer": {"seeded", "top", "drawn"},
        }
        for name, choices in known.items():
            if (found := getattr(self, name)) not in choices:
                msg = f"`{name}` must be one of {', '.join(sorted(choices))}, found {found!r}."
                raise ValueError(msg)
        if "drawn" in {self.ties, self.longer} and self.rng is None:
            msg = "What is 'drawn' needs `rng`, such as numpy.random.default_rng(0)."
            raise ValueError(msg)
        if self.max_length < 2 or self.n_bins < 3:
            msg = f"`max_length` and `n_bins` are too small: {self.max_length}, {self.n_bins}."
            raise ValueError(msg)

    def __call__(self, rows: csr_matrix) -> GeneTokens:
        """Tokenise a block of counts.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model), sorted, no explicit zeros.

        Returns
        -------
        The cell's own token and its genes; a cell without counts has the former alone.
        """
        n_genes = np.diff(rows.indptr)
        long = np.flatnonzero(n_genes > self._room)
        uniforms = seeded_uniforms(rows, n=2 if long.size else 1)
        # All genes are binned before any is left out, as published.
        gene_values = self._values(rows, uniforms[0])
        kept = self._kept(rows, long, uniforms[-1])
        lengths = np.minimum(n_genes, self._room) + 1
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # One place more: what is left out may be written behind a cell before it is overwritten.
        ids = np.empty(offsets[-1] + 1, dtype=np.int64)
        values = np.empty(offsets[-1] + 1, dtype=np.float32)
        genes = kept, self.token_ids, rows.indices, gene_values, rows.indptr
        _fill(ids, values, offsets, self.cls, self.cls_value, *genes)
        return GeneTokens.from_numpy(ids[:-1], values[:-1], offsets)

    @property
    def _room(self) -> int:
        return self.max_length - 1

    def _values(self, rows: csr_matrix, uniforms: NDArray[np.float64]) -> NDArray[np.float32]:
        """Value of each stored count; numbers that belong to it may decide."""
        if self.values == "counts":
            return rows.data.astype(np.float32)
        below, above = bin_range(rows, n_bins=self.n_bins)
        match self.ties:
            case "mean":
                return mean_bins(below, above)
            case "drawn" if self.rng is not None:
                return draw_bins(below, above, self.rng.random(rows.nnz))
            case _:
                return draw_bins(below, above, uniforms)

    def _kept(
        self, rows: csr_matrix, long: NDArray[np.intp], uniforms: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Stored counts that go into the tokens: all but of the cells that are too long."""
        kept = np.ones(rows.nnz, dtype=bool)
        rank = self._rank(rows, uniforms) if long.size else uniforms
        for cell in long:
            own = slice(rows.indptr[cell], rows.indptr[cell + 1])
            kept[own] = _lowest(rank[own], self._room)
        return kept

    def _rank(self, rows: csr_matrix, uniforms: NDArray[np.float64]) -> NDArray[np.float64]:
        """What decides which genes are kept: the lowest are."""
        match self.longer:
            case "top":
                return -rows.data.astype(np.float64)
            case "drawn" if self.rng is not None:
                return self.rng.random(rows.nnz)
            case _:
                return uniforms


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fill(
    ids: NDArray[np.int64],
    values: NDArray[np.float32],
    offsets: NDArray[np.int64],
    cls: int,
    cls_value: float,
    kept: NDArray[np.bool_],
    token_ids: NDArray[np.int64],
    genes: NDArray[np.integer],
    gene_values: NDArray[np.float32],
    indptr: NDArray[np.integer],
) -> None:
    """Write the token of each cell, and behind it the genes that are kept."""
    for cell in range(len(indptr) - 1):
        place = offsets[cell]
        ids[place], values[place] = cls, cls_value
        place += 1
        for i in range(indptr[cell], indptr[cell + 1]):
            # Without a branch, which nobody could foresee.
            ids[place], values[place] = token_ids[genes[i]], gene_values[i]
            place += kept[i]


def _lowest(values: NDArray[np.float64], n: int) -> NDArray[np.bool_]:
    """Tell which are the lowest `n`, the first ones among equals."""
    last = np.partition(values, n - 1)[n - 1]
    found = values <= last
    too_many = np.count_nonzero(found) - n
    if too_many:
        found[np.flatnonzero(values == last)[-too_many:]] = False
    return found
