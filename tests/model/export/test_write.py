"""A folder with a network for other programs."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.calibration import Calibration
from scmmgpt_tl.model.export import FORMATS
from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.model.labels import LabelTable

needs_onnx = pytest.mark.skipif(find_spec("onnxscript") is None, reason="needs onnxscript")


def test_tiny_model_says_alike(tiny_model, exported_alike, tmp_path):
    facts = exported_alike(tiny_model)
    folder = tmp_path / "exported"
    assert facts["model"]["sha256"] == tiny_model.sha256
    assert list(facts["inputs"]) == ["gene_ids", "counts", "measured"]
    assert facts["inputs"]["counts"]["shape"] == ["cells", "places"]
    assert facts["outputs"]["cosine"]["shape"] == ["cells", len(tiny_model.labels)]
    assert facts["calibration"].keys() >= {"temperature", "slope", "threshold"}
    assert GeneTable.read(folder / "genes.tsv") == tiny_model.genes
    assert LabelTable.read(folder / "labels.tsv") == tiny_model.labels
    assert sorted(facts["files"]) == ["genes.tsv", "labels.tsv", "network.onnx"]
    for name, told in facts["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == told["sha256"]


def test_probabilities_of_annotate_follow(tiny_model, exported_alike, counts_adata, tmp_path):
    """Softmax, prior and droplets as the page on exporting writes them."""
    import onnxruntime

    import scmmgpt_tl as scmm

    facts = exported_alike(tiny_model)
    scmm.tl.annotate(counts_adata, model=tiny_model)
    expected = counts_adata.obsm["scmm_cell_type_scores"].to_numpy()
    rows = csr_matrix(counts_adata.X[:, :300])
    session = onnxruntime.InferenceSession(tmp_path / "exported" / "network.onnx")
    names = list(facts["outputs"])
    said = dict(zip(names, session.run(names, tiny_model.export_inputs(rows)), strict=True))
    told = facts["calibration"] | {"fitted_on": ()}
    p = Calibration(**told).probabilities(said["cosine"], tiny_model.labels.n_profiles)
    # The tiny model knows no marker genes.
    np.testing.assert_allclose(p * said["droplet"][:, :1], expected, atol=1e-4)


@needs_onnx
def test_openvino_says_alike(tiny_model, tmp_path):
    openvino = pytest.importorskip("openvino")
    tiny_model.export(tmp_path / "exported", format="openvino")
    names = sorted(path.name for path in (tmp_path / "exported").iterdir())
    assert names == ["export.json", "genes.tsv", "labels.tsv", "network.bin", "network.xml"]
    network = openvino.Core().compile_model(
        tmp_path / "exported" / "network.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    counts = np.random.default_rng(0).poisson(0.4, (5, 300)).astype(np.float32)
    counts[1, 30:], counts[2] = 0, 0
    for some in (counts, counts[3:4]):
        rows = csr_matrix(some)
        found = network(tiny_model.export_inputs(rows))
        said = tiny_model.encode_cells(rows)
        np.testing.assert_allclose(found["cell"], said.cell.numpy(), rtol=0, atol=1e-4)
        droplet = tiny_model.judge_droplets(said, rows)
        np.testing.assert_allclose(found["droplet"], droplet, rtol=0, atol=1e-4)


def test_unknown_format_is_refused(tiny_model, tmp_path):
    with pytest.raises(ValueError, match="`format` must be one of 'onnx', 'openvino', found 'tf'"):
        tiny_model.export(tmp_path / "exported", format="tf")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("form", "lacking"), [("onnx", "onnxscript"), ("openvino", "openvino")])
def test_missing_package_is_named_before_anything_is_written(
    tiny_model, tmp_path, monkeypatch, form, lacking
):
    if form == "openvino":
        pytest.importorskip("onnxscript")
    monkeypatch.setitem(sys.modules, lacking, None)
    with pytest.raises(ImportError) as caught:
        tiny_model.export(tmp_path / "exported", format=form)
    assert f"scmmgpt-tl[{form}]" in caught.value.__notes__[0]
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_other_folders_are_not_replaced(tiny_model, tmp_path):
    (tmp_path / "thesis.tex").write_text("three years")
    with pytest.raises(FileExistsError, match="exists and is not an export"):
        tiny_model.export(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "three years"


@needs_onnx
def test_failure_leaves_the_older_export(tiny_model, tmp_path, monkeypatch):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "export.json").write_text(json.dumps({"older": True}))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.onnx.export", full)
    with pytest.raises(OSError, match="No space left"):
        tiny_model.export(folder)
    assert json.loads((folder / "export.json").read_text()) == {"older": True}
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]


def test_models_on_other_devices_are_refused(tiny_model, tmp_path):
    from dataclasses import replace

    import torch

    elsewhere = replace(tiny_model, device=torch.device("meta"))
    with pytest.raises(ValueError, match="Load it with `device='cpu'` to export it"):
        elsewhere.export(tmp_path / "exported")


def test_command_line_knows_the_formats():
    from scmmgpt_tl.cli._parser import build_parser

    for form in FORMATS:
        assert build_parser().parse_args(["export", "m", "o", "--format", form]).format == form
    with pytest.raises(SystemExit):
        build_parser().parse_args(["export", "m", "o", "--format", "tf"])
