"""Cells sent through a model, and how much of each it gets to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl._input import Prepared
    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.model.runner import RunReport

__all__ = ["read_covered", "run_covered"]


def read_covered(
    prepared: Prepared, loaded: Model | EncoderModel
) -> Iterator[tuple[csr_matrix, NDArray[np.float32]]]:
    """Read the counts, and how much of each cell's expression the model reads in them."""
    from scmmgpt_tl.model.coverage import coverage, reach

    measured = reach(loaded.network, prepared.gene_report.measured)
    for rows, known in prepared.read():
        yield rows, coverage(known, measured)


def run_covered(
    prepared: Prepared,
    loaded: Model | EncoderModel,
    *,
    reader: Any,
    kernel: Callable[[Any, csr_matrix], dict[str, Any]],
    **how: Any,
) -> tuple[dict[str, NDArray[Any]], RunReport]:
    """Send every cell through a model.

    Parameters
    ----------
    prepared
        Checked input.
    loaded
        The model.
    reader
        What encodes batches: the model, or what stands for it.
    kernel
        What to keep of a batch.
    how
        The rest of :func:`scmmgpt_tl.model.runner.map_cells`.

    Returns
    -------
    The kernel's arrays over all cells, in order, and `coverage`; and how it went.
    """
    from scmmgpt_tl.model.runner import map_cells

    covered = [np.empty(0, dtype=np.float32)]

    def counts() -> Iterator[csr_matrix]:
        for rows, of_rows in read_covered(prepared, loaded):
            covered.append(of_rows)
            yield rows

    outputs, report = map_cells(
        reader,
        counts(),
        kernel,
        n_obs=prepared.n_obs,
        measured=prepared.gene_report.measured,
        **how,
    )
    return {**outputs, "coverage": np.concatenate(covered)}, report
