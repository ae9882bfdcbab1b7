"""What every tool does around its kernel: open, check, run, record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scanpy import logging as logg

from scmmgpt_tl._results import flat
from scmmgpt_tl._settings import settings
from scmmgpt_tl._warnings import warn

from ._chosen_model import load, load_any, model_params, with_text
from ._opened import open_cells
from ._reading import read_covered, run_covered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl._input import Prepared
    from scmmgpt_tl._stream.part import Part
    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.model.calibration import Calibration
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths

__all__ = ["Session", "open_session"]


@dataclass(frozen=True)
class Session:
    """One call of a tool.

    Parameters
    ----------
    data
        What `copy=True` returns.
    adata
        What is known of the cells beside their counts; only read.
    found
        What is written to in the end: `adata`, or in its place what goes to a file.
    loaded
        The model, or an encoder without text side.
    prepared
        Checked input.
    arguments
        What the user said about the input, for the record.
    """

    data: AnnData | MuData
    adata: AnnData
    found: AnnData
    loaded: Model | EncoderModel
    prepared: Prepared
    arguments: dict[str, Any]

    @property
    def model(self) -> Model:
        """The model, for tools that need its text side."""
        return with_text(self.loaded)

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.prepared.n_obs

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which of the model's genes the data set measured, `(n_genes,)`."""
        return self.prepared.gene_report.measured

    def min_genes(self, calibration: Calibration | None = None) -> int:
        """Tell how many genes a cell must express to be judged.

        Parameters
        ----------
        calibration
            What judges it; by default that of the model.
        """
        rule = self.model.calibration if calibration is None else calibration
        return rule.fewest_genes(int(self.measured.sum()))

    def blocks(self) -> Iterator[csr_matrix]:
        """Read the counts."""
        return self.prepared.blocks()

    def read(self) -> Iterator[tuple[csr_matrix, NDArray[np.float32]]]:
        """Read the counts, and how much of each cell's expression the model reads in them."""
        return read_covered(self.prepared, self.loaded)

    def run(
        self,
        kernel: Callable[[Any, csr_matrix], dict[str, Any]],
        *,
        batch_size: int | None,
        desc: str,
        reader: Any = None,
    ) -> dict[str, NDArray[Any]]:
        """Send every cell through the model.

        Parameters
        ----------
        kernel
            What to keep of a batch, `n_genes` among it.
        batch_size
            Cells per pass.
        desc
            Title of the progress bar.
        reader
            What encodes batches; by default the model.

        Returns
        -------
        The kernel's arrays over all cells, in order, and `coverage`, what :meth:`read` tells.
        """
        outputs, report = run_covered(
            self.prepared,
            self.loaded,
            reader=self.loaded if reader is None else reader,
            kernel=kernel,
            batch_size=settings.batch_size if batch_size is None else batch_size,
            progress=settings.show_progress,
            desc=desc,
        )
        speed = f"{report.cells_per_second:.0f} cells/s" if report.n_cells else "no cells"
        logg.info(
            f"    read {speed} on {report.device} ({report.dtype}, {report.batch_size} a batch)"
        )
        self.tell_empty(int((outputs["n_genes"] == 0).sum()))
        return outputs

    def tell_empty(self, n_empty: int) -> None:
        """Warn if there are cells of which nothing can be said."""
        if n_empty:
            logg.warning(
                f"{n_empty} of {self.n_obs} cells have no counts of any gene that the model knows"
            )

    def params(self, **more: Any) -> dict[str, Any]:
        """Record the call, so that it can be made again.

        Parameters
        ----------
        more
            The tool's own parameters.

        Returns
        -------
        Flat parameters; those that are `None` are left out.
        """
        return flat(
            {
                **more,
                **self.arguments,
                "slot": self.prepared.count_report.slot,
                "values": self.prepared.count_report.kind,
                "nan": settings.nan,
                **model_params(self.loaded),
            }
        )


def open_session(
    adata: AnnData | MuData | Part | Paths,
    *,
    model: Model | EncoderModel | str | Path | None,
    layer: str | None,
    counts: Counts,
    gene_symbols: str | None,
    species: Asked,
    mod: str | None,
    copy: bool,
    text: bool = True,
) -> Session:
    """Check that a tool can run, before anything is computed or changed.

    Parameters
    ----------
    adata
        What the user passed, or some cells of the file that the user named.
    model
        Name or path of a model, a model, or `None` for the default one.
    layer, counts, gene_symbols, species, mod, copy
        As the tools document them.
    text
        Whether the tool needs a model with a text side.

    Returns
    -------
    The session.

    Raises
    ------
    ValueError
        Values, genes or the object itself cannot be used; the message says why.
    """
    opened = open_cells(adata, copy=copy, mod=mod)
    loaded = load(model) if text else load_any(model)
    if mod is not None and "atac" in mod.casefold():
        warn(
            f"The modality {mod!r} seems to hold gene activity: it is read as if it were expression, "
            "but scores and thresholds were fitted on RNA."
        )
    how: dict[str, Any] = {"layer": layer, "counts": counts, "gene_symbols": gene_symbols}
    prepared = opened.check(loaded, species=species, **how)
    # As found: called with it, a tool reads the same genes again.
    arguments = {**how, "species": prepared.gene_report.species, "mod": mod}
    return Session(opened.data, opened.adata, opened.found, loaded, prepared, arguments)
