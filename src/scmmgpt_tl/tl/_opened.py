"""The cells that a tool was given, whatever they came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from scmmgpt_tl._input import prepare, prepare_part
from scmmgpt_tl._results import target
from scmmgpt_tl._stream.part import Part

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl._input import Prepared
    from scmmgpt_tl.model import EncoderModel, Model

    from ._on_files import Paths

__all__ = ["Opened", "open_cells"]


class Opened(NamedTuple):
    """Cells that a tool was given, before their counts were looked at.

    Parameters
    ----------
    data
        What `copy=True` returns.
    adata
        What is known of them beside their counts.
    found
        What is written to in the end.
    source
        Where the counts are.
    """

    data: AnnData | MuData
    adata: AnnData
    found: AnnData
    source: AnnData | Part

    def check(self, loaded: Model | EncoderModel, **how: Any) -> Prepared:
        """Check values and genes.

        Parameters
        ----------
        loaded
            The model that is to read them.
        how
            `layer`, `counts`, `gene_symbols` and `species`, as the tools document them.
        """
        if isinstance(self.source, Part):
            return prepare_part(self.source, genes=loaded.genes, **how)
        return prepare(self.source, genes=loaded.genes, **how)


def open_cells(adata: AnnData | MuData | Part | Paths, *, copy: bool, mod: str | None) -> Opened:
    """Find the object that a tool works on.

    Parameters
    ----------
    adata
        What the user passed, or some cells of the file that the user named.
    copy, mod
        As the tools document them.

    Raises
    ------
    TypeError
        If it is a path, which other tools take.
    ValueError
        If it cannot be copied, or results could not be written to it.
    """
    if isinstance(adata, Part):
        return Opened(adata.found, adata.beside, adata.found, adata)
    data, own = target(adata, copy=copy, mod=mod)
    return Opened(data, own, own, own)
