"""The kinds of cells that are generated: one a text, or one a stop between two texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import vstack

from scmmgpt_tl._results import column_names

from ._prompts import between, stops
from ._sizes import draw_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import Model

    from ._panel import Panel
    from ._prompts import Prompts

__all__ = ["Kind", "draw_kinds", "read_kinds"]

# A gene of which the decoder expects nothing at all is expected next to nothing: it has a logarithm.
LEAST_SHARE = 1e-12


@dataclass(frozen=True)
class Kind:
    """Cells with the same expected expression.

    Parameters
    ----------
    column
        Name of its expected shares.
    name
        Text, or name of a text, that its cells are of.
    cl_id
        Cell Ontology id of the text, `""` where it is no term.
    place
        How far it is on the way from a first text to a second.
    shares
        Expected shares over all genes of the model, (genes,).
    """

    column: str
    name: str
    cl_id: str
    place: float
    shares: NDArray[np.float64]


def read_kinds(asked: Prompts, model: Model, *, steps: int | None) -> list[Kind]:
    """Ask the model what is expected of each text.

    Parameters
    ----------
    asked
        The texts; two of them with `steps`.
    model
        Its expression decoder reads them.
    steps
        Stops on the way from the first text to the second; `None` for the texts themselves.
    """
    expected = _expected(asked, model)
    if steps is None:
        columns = column_names(asked.names)
        rows = zip(columns, asked.names, asked.cl_ids, expected, strict=True)
        return [Kind(column, name, cl, 0.0, shares) for column, name, cl, shares in rows]
    first, second = expected
    name = " to ".join(asked.names)
    return [
        Kind(f"stop {i}", name, "", float(place), between(first, second, float(place)))
        for i, place in enumerate(stops(steps))
    ]


def draw_kinds(
    kinds: Sequence[Kind],
    model: Model,
    *,
    panel: Panel,
    n_cells: int,
    library_size: Any,
    dispersion: float,
    rng: np.random.Generator,
) -> csr_matrix:
    """Draw the counts of all kinds, one kind after the other.

    Parameters
    ----------
    kinds
        What to draw cells of.
    model
        Says how deep cells are.
    panel
        Genes to draw.
    n_cells
        Cells of each kind.
    library_size
        As :func:`scmmgpt_tl.tl.generate` documents it.
    dispersion
        Of the counts.
    rng
        Source of all randomness.
    """
    from scmmgpt_tl.model.sampling import draw_counts

    parts = []
    for kind in kinds:
        share = kind.shares[panel.places]
        sizes = draw_sizes(library_size, n_cells, model.sampling, share=float(share.sum()), rng=rng)
        parts.append(draw_counts(share / share.sum(), sizes, rng, dispersion=dispersion))
    return vstack(parts, format="csr")


def _expected(asked: Prompts, model: Model) -> list[NDArray[np.float64]]:
    """Expected shares of each text, the mean over its wordings on the log scale."""
    texts = [text for wordings in asked.wordings for text in wordings]
    logs = np.log(model.generate_expression(texts).astype(np.float64) + LEAST_SHARE)
    ends = np.cumsum([len(wordings) for wordings in asked.wordings])
    weights = [np.exp(part.mean(0)) for part in np.split(logs, ends[:-1])]
    return [weight / weight.sum() for weight in weights]
