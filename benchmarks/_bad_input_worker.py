"""The methods of one package on cells with every fault, in a process of their own.

`python benchmarks/_bad_input_worker.py FOLDER MODEL METHOD ...` reads `train.h5ad` and `query.h5ad`
in the folder, and writes what became of the query to `METHOD.json` there.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scanpy as sc
from _faults import FAULTS, lognorm
from anndata import AnnData, read_h5ad

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    # Labels of cells.
    Predict = Callable[[AnnData], NDArray[np.object_]]

TRAIN, QUERY = "train.h5ad", "query.h5ad"
LABEL, UNKNOWN = "cell_type", "unknown"
COVERAGE = "scmm_cell_type_coverage"
EPOCHS, REFINING = 60, 20


def open_scmmgpt(folder: Path, model: str) -> Predict:
    """Return the shipped model, which learns nothing here but the names of the labels."""
    import scmmgpt_tl as scmm

    labels = sorted(set(read_h5ad(folder / TRAIN).obs[LABEL]))
    loaded = scmm.load_model(model)

    def predict(adata: AnnData) -> NDArray[np.object_]:
        scmm.tl.annotate(adata, labels, model=loaded)
        return adata.obs["scmm_cell_type"].to_numpy(dtype=object)

    return predict


def open_celltypist(folder: Path, model: str) -> Predict:
    """Return CellTypist, trained on the logarithms it asks for."""
    import celltypist

    train = lognorm(read_h5ad(folder / TRAIN))
    learned = celltypist.train(train, labels=LABEL, n_jobs=1, max_iter=200)

    def predict(adata: AnnData) -> NDArray[np.object_]:
        found = celltypist.annotate(adata, model=learned).predicted_labels
        return found["predicted_labels"].to_numpy(dtype=object)

    return predict


def open_scanvi(folder: Path, model: str) -> Predict:
    """Return scANVI, asked about cells as they are."""
    learned = _train_scanvi(folder)

    def predict(adata: AnnData) -> NDArray[np.object_]:
        adata.obs[LABEL] = UNKNOWN
        return np.asarray(learned.predict(adata), dtype=object)

    return predict


def open_prepared_scanvi(folder: Path, model: str) -> Predict:
    """Return scANVI, asked as its tutorials on queries do."""
    learned = _train_scanvi(folder)

    def predict(adata: AnnData) -> NDArray[np.object_]:
        adata.obs[LABEL] = UNKNOWN
        adata = learned.prepare_query_anndata(adata, learned, inplace=False)
        return np.asarray(learned.predict(adata), dtype=object)

    return predict


@cache
def _train_scanvi(folder: Path) -> Any:
    import scvi

    scvi.settings.seed = 0
    how = {"enable_progress_bar": False, "accelerator": "cpu", "logger": False}
    train = read_h5ad(folder / TRAIN)
    scvi.model.SCVI.setup_anndata(train, labels_key=LABEL)
    first = scvi.model.SCVI(train)
    first.train(max_epochs=EPOCHS, **how)
    learned = scvi.model.SCANVI.from_scvi_model(first, unlabeled_category=UNKNOWN)
    learned.train(max_epochs=REFINING, **how)
    return learned


METHODS: dict[str, tuple[Callable[[Path, str], Predict], Callable[..., AnnData]]] = {
    "scmmgpt": (open_scmmgpt, AnnData.copy),
    "celltypist": (open_celltypist, lognorm),
    "scanvi": (open_scanvi, AnnData.copy),
    "scanvi_prepared": (open_prepared_scanvi, AnnData.copy),
}


def main(folder: Path, model: str, *methods: str) -> None:
    """Run the methods."""
    for method in methods:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            result = run(method, folder, model)
        (folder / f"{method}.json").write_text(json.dumps(result), encoding="utf-8")


def run(method: str, folder: Path, model: str) -> dict[str, Any]:
    """Ask a method about the query, as it is and with every fault."""
    opened, prepare = METHODS[method]
    predict, query = opened(folder, model), read_h5ad(folder / QUERY)
    good = ask(predict, lambda: prepare(query))
    return {
        "right": float((np.array(good["labels"]) == query.obs[LABEL].to_numpy()).mean()),
        "good": good["labels"],
        "coverage": good.get("coverage"),
        "found": {
            fault.name: ask(predict, lambda f=fault: f.change(query, prepare, folder))
            for fault in FAULTS
        },
    }


def ask(predict: Predict, make: Callable[[], AnnData]) -> dict[str, Any]:
    """Return labels, or the error, and what was said beside."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setLevel(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("celltypist", "scvi")]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")
        adata = make()
        warnings.simplefilter("always", UserWarning)
        sc.settings.logfile, before = said, sc.settings.logfile
        for logger in loggers:
            logger.addHandler(handler)
        try:
            answer: dict[str, Any] = {"labels": [str(label) for label in predict(adata)]}
            if COVERAGE in adata.obs:
                answer["coverage"] = float(np.median(adata.obs[COVERAGE])) if adata.n_obs else 0.0
        # Whatever a method raises is its answer.
        except Exception as error:  # noqa: BLE001
            answer = {"error": f"{type(error).__name__}: {error}"}
        finally:
            sc.settings.logfile = before
            for logger in loggers:
                logger.removeHandler(handler)
    texts = [str(one.message) for one in told if issubclass(one.category, UserWarning)]
    texts += [
        line for line in said.getvalue().splitlines() if "arning" in line or "WARNING" in line
    ]
    return {**answer, "warned": list(dict.fromkeys(texts))}


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
