"""What is tried on the files of every published model: harm in their place, and other weights."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.load_encoder import load_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scmmgpt_tl.model import EncoderModel, Model


class Harm:
    """Unpickled by someone careless, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The file that harm leaves behind."""
    return tmp_path / "trace"


@pytest.fixture
def harm(trace: Path) -> Harm:
    """Put it into a file."""
    return Harm(trace)


@pytest.fixture
def harmless(trace: Path) -> Callable[..., None]:
    """Load a model that must be refused, of which some file holds `harm`."""

    def check(folder: Path, match: str | None = None) -> None:
        with pytest.raises((ValueError, FileNotFoundError), match=match):
            load_model(folder, device="cpu")
        assert not trace.exists()
        # The trap works: this is what must not happen.
        pickle.loads(pickle.dumps(Harm(trace)))
        assert trace.exists()
        trace.unlink()

    return check


@pytest.fixture(params=["torch", "pickle"])
def write_pickle(request: pytest.FixtureRequest) -> Callable[[object, Path], None]:
    """Write what is not to be unpickled, once by torch and once by pickle itself."""

    def write(content: object, path: Path) -> None:
        if request.param == "torch":
            torch.save(content, path)
        else:
            path.write_bytes(pickle.dumps(content))

    return write


@pytest.fixture
def tamper() -> Callable[[dict[str, Any], Mapping[str, Any]], None]:
    """Change weights: `None` takes one out, `"shorter"` cuts its last row off, a tensor replaces it."""

    def change(state: dict[str, Any], changes: Mapping[str, Any]) -> None:
        for name, new in changes.items():
            if new is None:
                del state[name]
            else:
                state[name] = state[name][:-1].clone() if isinstance(new, str) else new

    return change


@pytest.fixture
def exported_alike(tmp_path: Path) -> Callable[[Model | EncoderModel], dict[str, Any]]:
    """Export a model as ONNX, run it elsewhere, and compare; returns what `export.json` says."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    def check(model: Model | EncoderModel) -> dict[str, Any]:
        folder = tmp_path / "exported"
        model.export(folder)
        session = runtime.InferenceSession(folder / "network.onnx")
        rng = np.random.default_rng(0)
        counts = rng.poisson(0.4, (5, len(model.genes))).astype(np.float32)
        # Cells of several lengths, one of them empty, and one cell without padding.
        counts[1, 30:], counts[2] = 0, 0
        measured = rng.random(len(model.genes)) < 0.9
        for some in (counts, counts[3:4]):
            rows = csr_matrix(some)
            found = session.run(None, model.export_inputs(rows, measured))
            for name, values in zip(names(session), found, strict=True):
                expected = spoken(model, rows, measured)[name]
                assert values.shape == expected.shape
                np.testing.assert_allclose(values, expected, rtol=0, atol=1e-4, err_msg=name)
        return json.loads((folder / "export.json").read_text(encoding="utf-8"))

    return check


def names(session: Any) -> list[str]:
    return [port.name for port in session.get_outputs()]


def spoken(model: Any, rows: csr_matrix, measured: np.ndarray) -> dict[str, np.ndarray]:
    """What the model itself says of cells, by the names of an export."""
    said = model.encode_cells(rows, measured)
    if not hasattr(model, "labels"):
        return {"cell": said.cell.numpy()}
    return {
        "cell": said.cell.numpy(),
        "projected": said.projected.numpy(),
        "cosine": model.similarity(said.projected, model.label_embeddings).numpy(),
        "droplet": model.judge_droplets(said, rows, measured),
    }


@pytest.fixture
def withstands() -> Callable[[Path], None]:
    """Tamper with a published folder, a file at a time, and read it."""
    if sys.platform != "linux":
        pytest.skip("memory is bounded by what Linux tells of it")
    from .tampering import changed, edits, tampered, withstood

    def check(folder: Path) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        where, how = torch.device("cpu"), torch.float32
        load_encoder(folder, where, how)

        @tampered
        @given(path=st.sampled_from(files), made=edits())
        def try_it(path: Path, made: list[Any]) -> None:
            content = path.read_bytes()
            for edit in made:
                content = edit.apply(content)
            with changed(path, content):
                withstood(lambda: load_encoder(folder, where, how))

        try_it()

    return check
