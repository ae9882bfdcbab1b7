"""What every model that embeds cells offers to other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from .encoder_model import EncoderModel
    from .export import Format
    from .model import Model


class Exportable:
    """Writes the network of cells for programs other than this one."""

    def export(self, folder: str | PathLike[str], *, format: Format = "onnx") -> None:
        """Write the network of cells as ONNX or OpenVINO.

        The folder holds the network, `genes.tsv`, `labels.tsv` if there are any, and `export.json`,
        which says what goes in and comes out, and which model it is from. Numbers of cells and of
        genes a cell are open.

        Parameters
        ----------
        folder
            Folder to write; an export that is there already is replaced.
        format
            `"onnx"`, which needs `scmmgpt-tl[onnx]`, or `"openvino"`, which needs
            `scmmgpt-tl[openvino]`; both in float32.

        Raises
        ------
        FileExistsError
            If the folder exists and holds something other than an export.
        ImportError
            If a package is missing that the format needs.
        ValueError
            If the format is unknown, or the model is not on the CPU.
        """
        from .export import export

        export(self._model, folder, format)

    def export_inputs(
        self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return what an exported network is given for counts, by name.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model), without explicit zeros.
        measured
            Which genes of the model the data set measured, (genes,); by default all of them.
            Published encoders do not look at it.
        """
        from .export import graph_of

        return graph_of(self._model).feed(rows, measured)

    @property
    def _model(self) -> Model | EncoderModel:
        return cast("Model | EncoderModel", self)
