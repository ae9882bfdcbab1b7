"""`scmm export`."""

from __future__ import annotations

import json

import pytest

from scmmgpt_tl.cli import main


def test_export_of_a_published_encoder(scgpt_folder, tmp_path, capsys):
    pytest.importorskip("onnxscript")
    assert main(["export", str(scgpt_folder), str(tmp_path / "out")]) == 0
    assert "wrote scGPT" in capsys.readouterr().out
    assert (tmp_path / "out" / "network.onnx").exists()
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (told["format"], told["model"]["kind"]) == ("onnx", "scgpt")
    tokenizer = json.loads((tmp_path / "out" / "cell_tokenizer.json").read_text())
    assert len(tokenizer["tokenizer"]["token_ids"]) == 300


def test_no_such_model(tmp_path, capsys):
    assert main(["export", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 2
    assert "There is no model" in " ".join(capsys.readouterr().err.split())
