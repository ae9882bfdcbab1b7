"""Gene descriptions as the shipped model reads them, so that a text finds the genes it is about.

The descriptions themselves are not kept: of each, the place on the axes on which they differ most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from .gene_space import unit_rows
from .padding import masked_mean, pad_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .model import Model

FILE: Final = Path(__file__).parents[1] / "models" / "gene_texts.safetensors"
_MODEL = "model_sha256"


@dataclass(frozen=True)
class GeneTexts:
    """Where the descriptions of genes lie among those of all genes.

    Parameters
    ----------
    genes
        Unit vectors, zero for a gene without description; (genes, axes).
    axes
        Principal axes of the states of the descriptions, (axes, hidden).
    centre
        Their mean, (hidden,).
    sha256
        Of the model that read them: the states of another one cannot be compared.
    """

    genes: NDArray[np.float32] = field(repr=False)
    axes: NDArray[np.float32] = field(repr=False)
    centre: NDArray[np.float32] = field(repr=False)
    sha256: str

    def similarity(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return cosines of texts and descriptions (texts, genes).

        Parameters
        ----------
        states
            What :func:`read_states` returns of the texts.
        """
        places = unit_rows(((states - self.centre) @ self.axes.T).astype(np.float32))
        return places @ self.genes.T

    @classmethod
    def of(
        cls, states: NDArray[np.float32], described: NDArray[np.intp], *, n_genes: int, n_axes: int
    ) -> GeneTexts:
        """Find the axes on which descriptions differ most, and the place of each on them.

        Parameters
        ----------
        states
            What :func:`read_states` returns of the descriptions.
        described
            Genes that they describe.
        n_genes
            Of the model.
        n_axes
            How many axes to keep.
        """
        centre = states.mean(0)
        _, _, axes = np.linalg.svd(states - centre, full_matrices=False)
        axes = axes[:n_axes]
        genes = np.zeros((n_genes, n_axes), dtype=np.float32)
        genes[described] = unit_rows(((states - centre) @ axes.T).astype(np.float32))
        return cls(genes, axes, centre, sha256="")

    @classmethod
    def read(cls, path: Path) -> GeneTexts:
        """Read what :meth:`write` wrote."""
        with safe_open(path, framework="numpy") as file:
            genes, axes, centre = (
                file.get_tensor(name).astype(np.float32) for name in ("genes", "axes", "centre")
            )
            return cls(unit_rows(genes), axes, centre, file.metadata()[_MODEL])

    def write(self, path: Path, *, sha256: str, source: str) -> None:
        """Write whole numbers of eight bits for the genes, of which only the direction counts.

        Parameters
        ----------
        path
            File to write.
        sha256
            Of the model that read the descriptions.
        source
            Where these are from, and under which terms.
        """
        top = np.abs(self.genes).max(1, keepdims=True)
        steps = np.divide(127 * self.genes, top, out=np.zeros_like(self.genes), where=top > 0)
        tensors = {
            "genes": np.rint(steps).astype(np.int8),
            "axes": self.axes.astype(np.float16),
            "centre": self.centre.astype(np.float16),
        }
        save_file(tensors, path, metadata={_MODEL: sha256, "source": source})


@cache
def shipped_gene_texts() -> GeneTexts:
    """Read the file that ships with the package."""
    return GeneTexts.read(FILE)


def read_states(
    model: Model, texts: Sequence[str], *, limit: int | None = None, batch_size: int = 64
) -> NDArray[np.float32]:
    """Return the mean state of the words of each text, (texts, hidden).

    Parameters
    ----------
    model
        Reads them.
    texts
        Any.
    limit
        Most tokens to read of one; by default as many as the model can.
    batch_size
        Texts at once.
    """
    longest = limit or model.config.bridge.max_positions
    # Like lengths side by side, so that little is padded.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = np.empty((len(texts), model.config.bridge.hidden), dtype=np.float32)
    for start in range(0, len(texts), batch_size):
        chosen = order[start : start + batch_size]
        ids, mask = pad_texts(model.text_tokenizer, [texts[i] for i in chosen], limit=longest)
        ids, mask = ids.to(model.device), mask.to(model.device)
        with torch.inference_mode():
            states = model.network.bridge.encode_text(ids, mask)
            out[chosen] = masked_mean(states, mask).cpu().numpy()
    return out
