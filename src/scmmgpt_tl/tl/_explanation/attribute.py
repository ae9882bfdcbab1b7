"""What each gene of a cell adds to the log-odds of a label against another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from scipy import sparse

from .log_odds import log_odds

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from scmmgpt_tl.tl._answers.judge import Judge

    from .log_odds import LogOdds

__all__ = ["Attributed", "Attributor", "IntegratedGradients", "LeaveOneOut"]

STEPS = 24
_CELLS, _PASSES = 16, 256
_TINY = float(np.finfo(np.float32).tiny)


class Attributed(NamedTuple):
    """Attributions of cells.

    Parameters
    ----------
    genes
        What each gene adds, `(n_cells, n_genes)`.
    log_odds
        Of the cells, `(n_cells,)`.
    start
        Log-odds that the attributions start from, `(n_cells,)`; NaN where they do not add up.
    """

    genes: NDArray[np.float32]
    log_odds: NDArray[np.float64]
    start: NDArray[np.float64]


class Attributor(Protocol):
    """A method that attributes log-odds to genes."""

    def __call__(self, rows: sparse.csr_matrix, sides: NDArray[np.bool_]) -> Attributed:
        """Attribute the log-odds of a batch.

        Parameters
        ----------
        rows
            Counts, `(n_cells, n_genes)`.
        sides
            Which labels are set against which, `(n_cells, 2, n_labels)`.
        """

    @property
    def batch_size(self) -> int:
        """Cells a batch by default."""


class IntegratedGradients:
    r"""Integrated gradients :cite:p:`Sundararajan2017`, from the absence of a cell's genes to the cell.

    With the values :math:`v` of a cell's genes, and :math:`b` those of the average cell on the same
    panel without the genes that the cell expresses, gene :math:`g` adds

    .. math:: a_g = (v_g - b_g) \int_0^1 \partial_g f(b + s (v - b)) \, ds ,

    so that :math:`\sum_g a_g = f(v) - f(b)`. A cell without any genes is no place to start from:
    encoder and marker genes look at proportions alone, which are the same all the way from nothing
    to the cell. So the genes that the cell lacks are there at the start, and go.

    Parameters
    ----------
    odds
        What is attributed.
    n_steps
        Points of the Gauss-Legendre rule, the more the nearer to that sum.
    """

    batch_size = _CELLS

    def __init__(self, odds: LogOdds, *, n_steps: int = STEPS) -> None:
        from captum.attr import IntegratedGradients as Captum

        self._odds, self._n_steps, self._captum = odds, n_steps, Captum(odds)

    def __call__(self, rows: sparse.csr_matrix, sides: NDArray[np.bool_]) -> Attributed:
        """Attribute the log-odds of a batch.

        Parameters
        ----------
        rows
            Counts, `(n_cells, n_genes)`.
        sides
            Which labels are set against which, `(n_cells, 2, n_labels)`.
        """
        import torch

        values = self._values(rows)
        chosen = torch.from_numpy(sides).to(values.device)
        start = self._odds.average_cell.where(values == 0, values.new_zeros(()))
        genes = self._captum.attribute(
            values,
            baselines=start,
            additional_forward_args=(chosen,),
            n_steps=self._n_steps,
            method="gausslegendre",
            internal_batch_size=max(len(values), _PASSES),
        )
        with torch.no_grad():
            whole, none = (self._odds(at, chosen) for at in (values, start))
        return Attributed(genes.float().cpu().numpy(), whole.cpu().numpy(), none.cpu().numpy())

    def _values(self, rows: sparse.csr_matrix) -> torch.Tensor:
        model = self._odds.model
        ids, values, offsets = model.network.cell_encoder.tokenizer(rows)
        dense = sparse.csr_matrix((values, ids, offsets), shape=rows.shape).toarray()
        return self._odds.panel.new_tensor(dense)


class LeaveOneOut:
    """How far the log-odds fall when a gene is taken out of the counts, one after the other.

    It asks nothing of the encoder, and takes a pass for each gene that a cell expresses.

    Parameters
    ----------
    judge
        Says how probable labels are.
    measured
        Which of the model's genes the data set measured, `(n_genes,)`.
    """

    batch_size = _CELLS

    def __init__(self, judge: Judge, measured: NDArray[np.bool_]) -> None:
        self._judge, self._measured = judge, measured

    def __call__(self, rows: sparse.csr_matrix, sides: NDArray[np.bool_]) -> Attributed:
        """Attribute the log-odds of a batch.

        Parameters
        ----------
        rows
            Counts, `(n_cells, n_genes)`.
        sides
            Which labels are set against which, `(n_cells, 2, n_labels)`.
        """
        whole = self._log_odds(rows, sides)
        genes = np.zeros(rows.shape, dtype=np.float32)
        for cell in range(rows.shape[0]):
            expressed = rows[cell].indices
            for start in range(0, len(expressed), _PASSES):
                left_out = expressed[start : start + _PASSES]
                shape = (len(left_out), *sides.shape[1:])
                fallen = self._log_odds(
                    without(rows[cell], left_out), np.broadcast_to(sides[cell], shape)
                )
                genes[cell, left_out] = whole[cell] - fallen
        return Attributed(genes, whole, np.full(len(whole), np.nan))

    def _log_odds(self, rows: sparse.csr_matrix, sides: NDArray[np.bool_]) -> NDArray[np.float64]:
        import torch

        with torch.inference_mode():
            found = self._judge.kernel(self._judge.reader.encode_cells(rows, self._measured), rows)
            p = torch.from_numpy(np.asarray(found["p"], dtype=np.float64))
            return log_odds(p.clamp_min(_TINY).log(), torch.tensor(sides)).numpy()


def without(row: sparse.csr_matrix, genes: NDArray[np.intp]) -> sparse.csr_matrix:
    """Return copies of one cell, each without one of its genes.

    Parameters
    ----------
    row
        Counts, `(1, n_genes)`.
    genes
        The genes to leave out.

    Examples
    --------
    >>> without(sparse.csr_matrix([[0.0, 2, 1]]), np.array([1, 2])).toarray()
    array([[0., 0., 1.],
           [0., 2., 0.]])
    """
    copies = sparse.vstack([row] * len(genes), format="csr")
    places = np.searchsorted(row.indices, genes) + np.arange(len(genes)) * row.nnz
    copies.data[places] = 0
    copies.eliminate_zeros()
    return copies
