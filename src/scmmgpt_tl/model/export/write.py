"""One folder = one exported network: its file, its genes and labels, and what its arrays mean."""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model import _files
from scmmgpt_tl.model.encoder_model import EncoderModel

from .graphs import CELLS, PLACES, graph_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model.model import Model

    from .graphs import AdoptedGraph, EncoderGraph, OwnGraph, Port

    Graph = OwnGraph | AdoptedGraph | EncoderGraph

Format = Literal["onnx", "openvino"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)
FORMAT_VERSION: Final = 1

FACTS: Final = "export.json"
NETWORK: Final = {"onnx": "network.onnx", "openvino": "network.xml"}
_GENES, _LABELS, _TOKENIZER = "genes.tsv", "labels.tsv", "cell_tokenizer.json"
# torch says on each of them what nobody who exports can change.
_TALKATIVE = ("torch.onnx", "onnxscript", "onnx_ir")


def export(model: Model | EncoderModel, folder: str | PathLike[str], format: Format) -> None:
    """Write the network of cells beside ``folder``, and move it there when it is whole.

    Parameters
    ----------
    model
        Any that embeds cells, on the CPU.
    folder
        Target; an export that is there already is replaced.
    format
        `"onnx"`, or `"openvino"` for its intermediate representation; both in float32.

    Raises
    ------
    FileExistsError
        If ``folder`` exists and holds something other than an export.
    ImportError
        If a package is missing that the format needs.
    ValueError
        If the format is unknown, or the model is not on the CPU.
    """
    if format not in FORMATS:
        msg = f"`format` must be one of {', '.join(map(repr, FORMATS))}, found {format!r}."
        raise ValueError(msg)
    if model.device.type != "cpu":
        msg = f"The model is on {str(model.device)!r}. Load it with `device='cpu'` to export it."
        raise ValueError(msg)
    _need(format)
    graph = graph_of(model)
    with _files.written_whole(folder, sign=FACTS, what="an export") as fresh:
        fed = _write_network(graph, fresh, format, n_genes=len(model.genes))
        model.genes.write(fresh / _GENES)
        if graph.tokenizer_json is not None:
            (fresh / _TOKENIZER).write_text(graph.tokenizer_json, encoding="utf-8")
        facts = {
            "format_version": FORMAT_VERSION,
            "format": format,
            "network": NETWORK[format],
            "model": _origin(model),
            "written_by": {name: version(name) for name in ("scmmgpt-tl", "torch")},
            "inputs": {
                name: _describe(port, str(fed[name].dtype)) for name, port in graph.inputs.items()
            },
            "outputs": {name: _describe(port, "float32") for name, port in graph.outputs.items()},
        }
        if not isinstance(model, EncoderModel):
            model.labels.write(fresh / _LABELS)
            facts["calibration"] = asdict(model.calibration)
        facts["files"] = {path.name: _files.fingerprint(path) for path in sorted(fresh.iterdir())}
        text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
        (fresh / FACTS).write_text(text, encoding="utf-8", newline="\n")


def _origin(model: Model | EncoderModel) -> dict[str, str]:
    """Say which model it is from, and what its licences ask."""
    told = {name: getattr(model, name) for name in ("name", "revision", "sha256", "licence")}
    if isinstance(model, EncoderModel):
        return told | {"kind": model.kind, "restriction": model.restriction}
    # Of a published cell encoder within a bundle.
    return told | {"restriction": getattr(model.config.encoder, "restriction", "")}


def _need(format: Format) -> None:
    """Import what the format needs, before any work is done."""
    try:
        import onnxscript  # noqa: F401 - torch exports through it

        if format == "openvino":
            import openvino  # noqa: F401
    except ImportError as error:
        error.add_note(f"Please install `scmmgpt-tl[{format}]` to export to {format}.")
        raise


def _write_network(
    graph: Graph, folder: Path, format: Format, *, n_genes: int
) -> dict[str, NDArray[Any]]:
    """Write the network, and return the arrays of the two cells that it was traced with."""
    fed = graph.feed(csr_matrix(np.ones((2, n_genes), dtype=np.float32)))
    path = folder / NETWORK["onnx"]
    with _quietly(), torch.no_grad():
        program: Any = torch.onnx.export(
            graph,
            tuple(map(torch.from_numpy, fed.values())),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes={name: _open_axes(port) for name, port in graph.inputs.items()},
            dynamo=True,
            verbose=False,
        )
        # Weights lie beside the network only where protobuf has no room for them.
        program.save(path)
    if format == "openvino":
        _convert(path, folder / NETWORK["openvino"])
    return fed


def _convert(onnx: Path, target: Path) -> None:
    import openvino

    openvino.save_model(openvino.Core().read_model(onnx), target, compress_to_fp16=False)
    for path in onnx.parent.glob(f"{onnx.name}*"):
        path.unlink()


def _open_axes(port: Port) -> dict[int, str] | None:
    axes = {i: str(axis) for i, axis in enumerate(port.shape) if axis in {CELLS, PLACES}}
    return axes or None


def _describe(port: Port, dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(port.shape), "means": port.means}


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to ourselves what torch says of its own parts while it exports."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
