"""What is expected of a text, or of a stop between two texts, and cells drawn around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import vstack

from scmmgpt_tl._results import column_names

from .prompts import between, stops
from .sizes import draw_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import Model

    from .panel import Panel
    from .prompts import Prompts

__all__ = ["Expected", "draw_cells", "expect"]

# A gene of which the decoder expects nothing at all is expected next to nothing: it has a logarithm.
LEAST_SHARE = 1e-12


@dataclass(frozen=True)
class Expected:
    """Expected expression of some cells.

    Parameters
    ----------
    column
        Name of the shares.
    name
        Text, or name of a text, that the cells are of.
    cl_id
        Cell Ontology id of the text, `""` where it is no term.
    place
        How far they are on the way from a first text to a second.
    shares
        Expected shares over all genes of the model, (genes,).
    """

    column: str
    name: str
    cl_id: str
    place: float
    shares: NDArray[np.float64]


def expect(asked: Prompts, model: Model, *, steps: int | None) -> list[Expected]:
    """Ask the model what is expected of each text, or of each stop.

    Parameters
    ----------
    asked
        The texts; two of them with `steps`.
    model
        Its expression decoder reads them.
    steps
        Stops on the way from the first text to the second; `None` for the texts themselves.
    """
    of_texts = _shares(asked, model)
    if steps is None:
        columns = column_names(asked.names)
        rows = zip(columns, asked.names, asked.cl_ids, of_texts, strict=True)
        return [Expected(column, name, cl, 0.0, shares) for column, name, cl, shares in rows]
    first, second = of_texts
    name = " to ".join(asked.names)
    return [
        Expected(f"stop {i}", name, "", float(place), between(first, second, float(place)))
        for i, place in enumerate(stops(steps))
    ]


def draw_cells(
    expected: Sequence[Expected],
    model: Model,
    *,
    panel: Panel,
    n_cells: int,
    library_size: Any,
    dispersion: float,
    rng: np.random.Generator,
) -> csr_matrix:
    """Draw counts around each expectation, one after the other.

    Parameters
    ----------
    expected
        What to draw cells around.
    model
        Says how deep cells are.
    panel
        Genes to draw.
    n_cells
        Cells of each.
    library_size
        As :func:`scmmgpt_tl.tl.generate` documents it.
    dispersion
        Of the counts.
    rng
        Source of all randomness.
    """
    from scmmgpt_tl.model.sampling import draw_counts

    parts = []
    for one in expected:
        share = one.shares[panel.places]
        sizes = draw_sizes(library_size, n_cells, model.sampling, share=float(share.sum()), rng=rng)
        parts.append(draw_counts(share / share.sum(), sizes, rng, dispersion=dispersion))
    return vstack(parts, format="csr")


def _shares(asked: Prompts, model: Model) -> list[NDArray[np.float64]]:
    """Expected shares of each text, the mean over its wordings on the log scale."""
    texts = [text for wordings in asked.wordings for text in wordings]
    logs = np.log(model.generate_expression(texts).astype(np.float64) + LEAST_SHARE)
    ends = np.cumsum([len(wordings) for wordings in asked.wordings])
    weights = [np.exp(part.mean(0)) for part in np.split(logs, ends[:-1])]
    return [weight / weight.sum() for weight in weights]
