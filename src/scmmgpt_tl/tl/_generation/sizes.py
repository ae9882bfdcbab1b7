"""How many counts each generated cell has, and whether the numbers asked for can be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scmmgpt_tl.tl._arguments import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model.sampling import Sampling

__all__ = ["check_numbers", "draw_sizes"]

FEWEST_STEPS = 2


def check_numbers(n_cells: Any, *, library_size: Any, dispersion: Any, steps: Any) -> None:
    """Refuse numbers that cannot be meant.

    Parameters
    ----------
    n_cells, library_size, dispersion, steps
        As :func:`scmmgpt_tl.tl.generate` documents them.

    Raises
    ------
    ValueError
        A number is missing, of another kind, or out of range.
    """
    check_whole("n_cells", n_cells, least=1)
    if steps is not None:
        check_whole("steps", steps, least=FEWEST_STEPS)
    if dispersion is not None and not _is_fine(dispersion, at_least=0):
        msg = f"`dispersion` must be 0 or more, found {dispersion!r}."
        raise ValueError(msg)
    if library_size is not None:
        _read_sizes(library_size)


def draw_sizes(
    library_size: Any,
    n_cells: int,
    sampling: Sampling,
    *,
    share: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw the expected total counts of each cell in the generated genes, (cells,).

    Parameters
    ----------
    library_size
        A number, several to draw from, or `None` for those of `sampling`.
    n_cells
        How many cells.
    sampling
        Depths over all genes of the model.
    share
        Share of the generated genes in the expected expression.
    rng
        Source of all randomness.
    """
    if library_size is None:
        return sampling.depths(n_cells, rng) * share
    sizes = _read_sizes(library_size)
    return sizes[rng.integers(len(sizes), size=n_cells)]


def _read_sizes(library_size: Any) -> NDArray[np.float64]:
    try:
        sizes = np.atleast_1d(np.asarray(library_size, dtype=np.float64))
    except (TypeError, ValueError) as error:
        msg = f"`library_size` must be a number, or a list of numbers, found {library_size!r}."
        raise ValueError(msg) from error
    if sizes.ndim != 1 or not sizes.size or not (np.isfinite(sizes) & (sizes > 0)).all():
        odd = sizes[~(np.isfinite(sizes) & (sizes > 0))]
        found = f"{odd[0]:g}" if odd.size else f"an array of shape {sizes.shape}"
        msg = f"`library_size` must be positive, a number or a list of numbers, found {found}."
        raise ValueError(msg)
    return sizes


def _is_fine(value: Any, *, at_least: float) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return bool(number and np.isfinite(value) and value >= at_least)
