"""Counts to the tokens of scGPT: a token of the cell, then its genes with their bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from scmmgpt_tl.model.seeded import seeded_uniforms
from scmmgpt_tl.model.tokens import GeneTokens

from .binning import bin_range, draw_bins, mean_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    # What `numpy.random.seed` seeds is a RandomState, and that is what the original draws from.
    Random = np.random.Generator | np.random.RandomState

_FOR_TIES, _FOR_SAMPLE = 1, 2


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
        values = self._values(rows)
        kept = self._kept(rows)
        lengths = np.add.reduceat(np.append(kept, 0), rows.indptr[:-1]) if rows.nnz else 0
        # `reduceat` gives the next entry, not zero, for a cell without any.
        lengths = np.where(np.diff(rows.indptr) > 0, lengths, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths + 1)]).astype(np.int64)
        is_gene = np.ones(offsets[-1], dtype=bool)
        is_gene[offsets[:-1]] = False
        ids = np.full(offsets[-1], self.cls, dtype=np.int64)
        ids[is_gene] = self.token_ids[rows.indices[kept]]
        out = np.full(offsets[-1], self.cls_value, dtype=np.float32)
        out[is_gene] = values[kept]
        return GeneTokens.from_numpy(ids, out, offsets)

    def _values(self, rows: csr_matrix) -> NDArray[np.float32]:
        if self.values == "counts":
            return rows.data.astype(np.float32)
        # All genes are binned before any is left out, as published.
        below, above = bin_range(rows, n_bins=self.n_bins)
        match self.ties:
            case "mean":
                return mean_bins(below, above)
            case "drawn" if self.rng is not None:
                return draw_bins(below, above, self.rng.random(rows.nnz))
            case _:
                return draw_bins(below, above, seeded_uniforms(rows, purpose=_FOR_TIES))

    def _kept(self, rows: csr_matrix) -> NDArray[np.bool_]:
        """Genes that go into the tokens, one entry a stored count."""
        room = self.max_length - 1
        kept = np.ones(rows.nnz, dtype=bool)
        long = np.flatnonzero(np.diff(rows.indptr) > room)
        if not long.size:
            return kept
        rank = self._rank(rows)
        for cell in long:
            own = slice(rows.indptr[cell], rows.indptr[cell + 1])
            kept[own] = False
            kept[own.start + np.argsort(rank[own], kind="stable")[:room]] = True
        return kept

    def _rank(self, rows: csr_matrix) -> NDArray[np.float64]:
        """What decides which genes are kept: the lowest are."""
        match self.longer:
            case "top":
                return -rows.data.astype(np.float64)
            case "drawn" if self.rng is not None:
                return self.rng.random(rows.nnz)
            case _:
                return seeded_uniforms(rows, purpose=_FOR_SAMPLE)
