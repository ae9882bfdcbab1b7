"""Checkpoints as the authors' code of scMMGPT writes them, at a tiny size with random weights."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "this", "cell", "belongs", "to", "t", "b", ":", "of"]
WORDS += ["a", "lymphocyte", "monocyte", "large", "##s", "blood", "."]
HIDDEN, QUERIES, SHARED, LLM = 128, 3, 8, 20


class Parts(NamedTuple):
    """The networks behind a checkpoint, made of modules of torch and transformers."""

    norm: nn.LayerNorm
    qformer: nn.Module
    words: nn.Module
    queries: torch.Tensor
    cell_proj: nn.Linear
    text_proj: nn.Linear
    gtm_head: nn.Linear
    llm_proj: nn.ModuleDict


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    """The vocabulary of words."""
    return WORDS


@pytest.fixture(scope="session")
def parts() -> Parts:
    """Random networks."""
    from transformers import Blip2QFormerConfig, Blip2QFormerModel
    from transformers.models.blip_2.modeling_blip_2 import Blip2TextEmbeddings

    config = Blip2QFormerConfig(
        vocab_size=len(WORDS) + 1,
        hidden_size=HIDDEN,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=40,
        max_position_embeddings=16,
        encoder_hidden_size=16,
        cross_attention_frequency=2,
        use_qformer_text_input=True,
        initializer_range=0.3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = Parts(
            nn.LayerNorm(16),
            Blip2QFormerModel(config).eval(),
            Blip2TextEmbeddings(config).eval(),
            torch.randn(1, QUERIES, HIDDEN),
            nn.Linear(HIDDEN, SHARED),
            nn.Linear(HIDDEN, SHARED),
            nn.Linear(HIDDEN, 2),
            nn.ModuleDict({"fc1": nn.Linear(HIDDEN, 6), "fc2": nn.Linear(6, LLM)}),
        )
        for part in (found.norm, found.words, found.qformer):
            for weight in part.parameters():
                # Norms that do nothing and biases of zero would hide mistakes.
                weight.data += torch.randn_like(weight) * 0.2
    return found


def published_names(parts: Parts, scgpt: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """All tensors under the names of the authors' code, those of both stages among them."""
    state = {f"cell_encoder.model.{key}": part for key, part in scgpt.items()}
    state |= {f"ln_gene.{key}": part for key, part in parts.norm.state_dict().items()}
    for key, part in parts.qformer.state_dict().items():
        name = key.replace(".attention.attention.", ".attention.self.")
        name = name.replace(".crossattention.attention.", ".crossattention.self.")
        name = (
            name.replace("layernorm.", "embeddings.LayerNorm.") if key[:9] == "layernorm" else name
        )
        state[f"Qformer.bert.{name}"] = part
    for key, part in parts.words.state_dict().items():
        state[f"Qformer.bert.embeddings.{key}"] = part
    state["Qformer.bert.embeddings.position_ids"] = torch.arange(16)[None]
    state["Qformer.cls.predictions.bias"] = torch.zeros(len(WORDS) + 1)
    state["query_tokens"] = parts.queries
    for name in ("cell_proj", "text_proj", "gtm_head", "llm_proj"):
        state |= {f"{name}.{k}": v for k, v in getattr(parts, name).state_dict().items()}
    return state


def belongs(key: str, stage: int) -> bool:
    """Whether a stage has a tensor."""
    if stage == 1:
        return not key.startswith("llm_proj.")
    of_words = ("_embeddings.", ".intermediate.", "position_ids", "predictions")
    text_ffn = ".output." in key and ".attention." not in key and ".crossattention." not in key
    heads = key.startswith(("cell_proj.", "text_proj.", "gtm_head."))
    if key.startswith("Qformer."):
        return not text_ffn and not any(part in key for part in of_words)
    return not heads


@pytest.fixture
def make_folder(parts, scgpt_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a folder with a Lightning checkpoint."""

    def make(stage: int = 1, change: Callable | None = None, **more: object) -> Path:
        folder = tmp_path / f"stage{stage}"
        folder.mkdir()
        scgpt = torch.load(scgpt_folder / "best_model.pt", weights_only=True)
        root = {1: "blip2qformer.", 2: "blip2lm."}[stage]
        state = {
            root + key: part
            for key, part in published_names(parts, scgpt).items()
            if belongs(key, stage)
        }
        if stage == 2:
            llm = "blip2lm.llm_model.base_model.model.model.embed_tokens.weight"
            state |= {llm: torch.zeros(7, LLM), "blip2lm.expr_decoder.mlp.0.bias": torch.zeros(3)}
        state = state if change is None else change(state)
        checkpoint = {
            "epoch": 0,
            "pytorch-lightning_version": "1.9.5",
            "state_dict": state,
            "hparams_name": "args",
            "hyper_parameters": Namespace(num_query_token=QUERIES, bert_name="pubmedbert"),
            "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": []}],
            "loops": {"fit_loop": {"state_dict": {}}},
        }
        torch.save(checkpoint | more, folder / "last.ckpt")
        (folder / "vocab.json").write_text((scgpt_folder / "vocab.json").read_text())
        (folder / "args.json").write_text(json.dumps({"nheads": 2}))
        (folder / "vocab.txt").write_text("\n".join(WORDS))
        return folder

    return make
