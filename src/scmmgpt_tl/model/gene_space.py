"""What the model learned of genes, as vectors that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .model import Model

Space = Literal["both", "cell", "type"]
SPACES: Final[tuple[str, ...]] = get_args(Space)


def gene_vectors(model: Model, space: Space) -> NDArray[np.float32]:
    """Return a unit vector for each gene, (genes, width); zero where nothing is known of a gene.

    Parameters
    ----------
    model
        Whose genes.
    space
        `"cell"`: what a gene adds to the state of a cell. `"type"`: how its level differs between
        the cell types that the expression decoder remembers. `"both"`: side by side, so that their
        cosines are averaged.
    """
    network = model.network
    if space == "cell":
        raw = network.cell_encoder.genes.weight.detach().float().cpu().numpy()
        # What all genes share tells none of them apart.
        return unit_rows(raw - raw.mean(0))
    if space == "type":
        return unit_rows(network.expression_decoder.weight.float().cpu().numpy())
    return unit_rows(np.hstack([gene_vectors(model, "cell"), gene_vectors(model, "type")]))


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows at unit length; those of zeros stay zeros."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 0)
