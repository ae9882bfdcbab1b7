"""One engine that runs a network, in a process of its own: told to go, it answers with its time.

`python benchmarks/_export_worker.py ENGINE MODEL FOLDER BATCH` reads what `export.py` wrote into the
folder: for torch the counts, for the others the exported network and the arrays that go in. It
answers as `_encoder_worker.py` does.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _waiting import answer
from _worker import peak_mib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Arrays = Mapping[str, np.ndarray]

THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))


def torch(name: str, folder: Path, batch: int) -> Callable[[], list[np.ndarray]]:
    """Embed counts as `scmm.tl.embed` does."""
    from scipy.sparse import load_npz

    from scmmgpt_tl.model.load import load_model

    model, rows = load_model(name, device="cpu"), load_npz(folder / "cells.npz")
    parts = [rows[i : i + batch] for i in range(0, rows.shape[0], batch)]
    return lambda: [model.encode_cells(part).cell.numpy() for part in parts]


def onnxruntime(folder: Path) -> Callable[[Arrays], np.ndarray]:
    """Run the network by ONNX Runtime."""
    # It would report on its use otherwise.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = THREADS
    session = InferenceSession(folder / "onnx" / "network.onnx", options)
    return lambda arrays: session.run(["cell"], arrays)[0]


def openvino(folder: Path) -> Callable[[Arrays], np.ndarray]:
    """Run the network by OpenVINO, in float32."""
    from openvino import Core

    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": THREADS}
    network = Core().compile_model(folder / "onnx" / "network.onnx", "CPU", options)
    return lambda arrays: network(arrays)["cell"]


OTHERS = {"onnxruntime": onnxruntime, "openvino": openvino}


def main(engine: str, name: str, folder: Path, *, batch: int) -> None:
    """Answer until told to end."""
    if engine == "torch":
        embed = torch(name, folder, batch)
    else:
        network = OTHERS[engine](folder)
        files = sorted(folder.glob("arrays-*.npz"))
        arrays = [dict(np.load(path)) for path in files]

        def embed() -> list[np.ndarray]:
            return [network(part) for part in arrays]

    found = embed()
    answer(ready=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        start, busy = time.perf_counter(), time.process_time()
        found = embed()
        answer(seconds=time.perf_counter() - start, cpu_seconds=time.process_time() - busy)
    path = folder / f"{engine}.npy"
    np.save(path, np.concatenate(found))
    answer(peak=peak_mib(), embeddings=str(path))


if __name__ == "__main__":
    _engine, _name, _folder, _batch = sys.argv[1:]
    main(_engine, _name, Path(_folder), batch=int(_batch))
