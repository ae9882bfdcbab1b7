"""A run with BERTs and language models of other families, from the command line to a description."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, RobertaConfig, RobertaModel

import scmmgpt_tl as scmm
from scmmgpt_tl.cli import main
from scmmgpt_tl.train import language_folder, run
from scmmgpt_tl.train.config import Hardware
from scmmgpt_tl.train.material import start_network
from scmmgpt_tl.train.phase import train_phase
from scmmgpt_tl.train.stage2 import TextStage
from scmmgpt_tl.train.start_decoder import start_decoder

pytestmark = pytest.mark.xdist_group("run")
SHORT = {
    "warm_up_steps": 2,
    "stage1_steps": 2,
    "cross_fit_steps": 0,
    "droplet_steps": 2,
    "expression_steps": 2,
    "stage2_steps": 3,
    "use_gene_text": False,
}
NO_LINEAR_MAP = ("embed", "wte", "wpe", "norm", "ln_", "lm_head")
CPU = Hardware(accelerator="cpu", progress=False)


@pytest.fixture(scope="module")
def sources(tiny_language_model, tiny_model, tmp_path_factory):
    """Hugging Face folders by family."""
    folder = tmp_path_factory.mktemp("text")
    vocabulary = tiny_model.decoder_tokenizer.get_vocab_size()
    for family in ("gpt2", "opt", "qwen2", "qwen3", "llama"):
        tiny_language_model(family, vocabulary=vocabulary + 3).save_pretrained(folder / family)
        tiny_model.decoder_tokenizer.save(str(folder / family / "tokenizer.json"))
    words = tiny_model.text_tokenizer
    config = RobertaConfig(
        vocab_size=words.get_vocab_size(),
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=70,
    )
    RobertaModel(config).save_pretrained(folder / "roberta")
    words.save(str(folder / "roberta" / "tokenizer.json"))
    return folder


def short(run_config, sources, family, **change):
    architecture = {**run_config.architecture, "bridge": {"n_queries": 3, "projection": 16}}
    return replace(
        run_config,
        bert=sources / "roberta",
        language_model=sources / family,
        architecture={**architecture, "decoder": {}} | change.pop("architecture", {}),
        **SHORT | change,
    )


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("gpt2", {"architecture": {"decoder": {"layers": [0, 2], "trim_vocabulary": True}}}),
        ("qwen2", {"lora_rank": 2}),
    ],
)
def test_from_folders_to_a_description(family, change, run_config, sources, counts_adata, tmp_path):
    config = short(run_config, sources, family, **change)
    config.write(tmp_path / "given.yaml")
    options = ["--accelerator", "cpu"]
    assert main(["pretrain", str(tmp_path / "given.yaml"), str(tmp_path / "run"), *options]) == 0
    bundle = tmp_path / "bundle"
    assert (
        main(["publish", str(tmp_path / "run"), str(bundle), "--name", "x", "--revision", "1"]) == 0
    )
    model = scmm.load_model(bundle, device="cpu")
    assert model.config.bridge.hidden == 24
    assert model.licence == (
        "BSD-3-Clause, but for what became of the BERT and the language model: see the card"
    )
    assert model.config.bridge.max_positions == 68
    assert model.config.decoder.hf["model_type"] == family
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "An scMMGPT for single cells" in card
    assert "BERT in `roberta`" in card
    assert f"language model in `{family}`" in card
    assert ("layers 0, 2 and the words it needs" in card) == (family == "gpt2")
    scmm.tl.describe(counts_adata, groupby="cluster", model=model, rng=np.random.default_rng(0))
    table = scmm.get.description_df(counts_adata)
    assert len(table) == 3
    assert table["description"].str.len().gt(0).all()
    queries = np.zeros((2, 3, 24), dtype=np.float32)
    told = [
        model.describe(queries, ["A cell:"] * 2, rng=np.random.default_rng(0), max_new_tokens=9)
        for model in (model, scmm.load_model(bundle, device="cpu"))
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("family", ["gpt2", "opt", "qwen3"])
def test_low_rank_changes_are_of_low_rank(family, run_config, sources, material, tmp_path):
    config = short(run_config, sources, family, lora_rank=2)
    network = start_network(config, material)
    words = run.vocabulary(config, material)
    network.join_decoder(start_decoder(config, words, query_width=24))
    start = {k: v.clone() for k, v in network.text_decoder.language_model.state_dict().items()}
    stage = TextStage(network, material, words.tokenizer, config)
    train_phase(stage, run.TEXT, steps=2, config=config, hardware=CPU, folder=tmp_path)
    after = network.text_decoder.language_model.state_dict()
    assert after.keys() == start.keys()
    changed = {key for key in start if not torch.equal(after[key], start[key])}
    for key in changed:
        change = after[key] - start[key]
        assert 1 <= torch.linalg.matrix_rank(change, atol=1e-5, rtol=1e-4) <= 2
    # Linear maps of all three layers, and neither words nor places nor norms.
    assert len(changed) >= 3 * 4
    assert not {key for key in changed if any(part in key for part in NO_LINEAR_MAP)}


@pytest.mark.parametrize("bits", [4, 8])
def test_few_bits_while_it_learns_and_all_of_them_after(
    bits, run_config, sources, material, tmp_path
):
    pytest.importorskip("bitsandbytes")
    config = short(run_config, sources, "gpt2", lora_rank=2, language_model_bits=bits)
    network = start_network(config, material)
    words = run.vocabulary(config, material)
    network.join_decoder(start_decoder(config, words, query_width=24))
    kinds = {p.dtype for p in network.text_decoder.language_model.parameters()}
    assert kinds & {torch.uint8, torch.int8}
    stage = TextStage(network, material, words.tokenizer, config)
    train_phase(stage, run.TEXT, steps=2, config=config, hardware=CPU, folder=tmp_path)
    after = network.text_decoder.language_model.state_dict()
    start = AutoModelForCausalLM.from_pretrained(config.language_model).state_dict()
    assert after.keys() == start.keys()
    changed = {key for key in start if not torch.equal(after[key], start[key])}
    assert len(changed) == 3 * 4
    for key in changed:
        change = after[key] - start[key]
        assert 1 <= torch.linalg.matrix_rank(change, atol=1e-5, rtol=1e-4) <= 2


@pytest.mark.parametrize("bits", [32, 8, 4])
def test_a_stopped_run_of_few_bits_goes_on_as_if_it_had_not_been(
    bits, run_config, sources, material, tmp_path, monkeypatch
):
    if bits < 32:
        pytest.importorskip("bitsandbytes")
    config = short(run_config, sources, "gpt2", lora_rank=2, language_model_bits=bits, save_every=2)

    def learn(folder):
        torch.manual_seed(0)
        network = start_network(config, material)
        words = run.vocabulary(config, material)
        network.join_decoder(start_decoder(config, words, query_width=24))
        stage = TextStage(network, material, words.tokenizer, config)
        train_phase(stage, run.TEXT, steps=4, config=config, hardware=CPU, folder=folder)
        return load_file(folder / f"{run.TEXT}.safetensors")

    whole, draw = learn(tmp_path / "whole"), TextStage.draw

    def stop_at_3(self, step):
        if step == 3:
            msg = "the power is gone"
            raise OSError(msg)
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(TextStage, "draw", stop_at_3)
        with pytest.raises(OSError, match="the power is gone"):
            learn(tmp_path / "stopped")
    saved = torch.load(
        tmp_path / "stopped" / "checkpoints" / run.TEXT / "last.ckpt", weights_only=True
    )
    assert all(tensor.dtype == torch.float32 for tensor in saved["state_dict"].values())
    resumed = learn(tmp_path / "stopped")
    assert whole.keys() == resumed.keys()
    for key, tensor in whole.items():
        torch.testing.assert_close(tensor, resumed[key], atol=0, rtol=0, msg=key)


def test_few_bits_need_a_library(run_config, sources, material, monkeypatch):
    config = short(run_config, sources, "gpt2", lora_rank=2, language_model_bits=4)
    monkeypatch.setattr(language_folder, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"`language_model_bits: 4` needs bitsandbytes"):
        start_decoder(config, run.vocabulary(config, material), query_width=24)


def test_a_language_model_that_cannot_be_read_is_refused_before_anything_is_learned(
    run_config, sources, tmp_path
):
    config = replace(run_config, language_model=sources / "roberta")
    with pytest.raises(ValueError, match=r"'roberta', which is no language model"):
        run.pretrain(config, tmp_path, hardware=CPU)
    assert not list(tmp_path.glob("*.safetensors"))
