"""`python -m scmmgpt_tl.train CONFIG RUN BUNDLE`: both stages, calibration, bundle."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from scmmgpt_tl.model.state import distinct_state, load_strict

from .config import RunConfig
from .material import Material, prepare, start_network
from .publish import publish
from .stage1 import resume_stage1, train_stage1
from .stage2 import train_decoder, train_expression
from .start import start_decoder
from .vocabulary import trim_tokenizer
from .written import corpus_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAINED = "trained.safetensors"
# Of the 30 layers of SmolLM2-135M: how it begins to read, and how it puts out words.
LLAMA_LAYERS = (0, 1, 2, 3, 4, 5, 6, 29)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m scmmgpt_tl.train", description=__doc__)
    parser.add_argument("config", type=Path, help="YAML file of the run")
    parser.add_argument("run", type=Path, help="folder for loss curves and weights")
    parser.add_argument("bundle", type=Path, help="folder to write the bundle to")
    parser.add_argument("--name", default="scmmgpt-compact")
    parser.add_argument("--revision", default="1")
    given = parser.parse_args(arguments)
    config = RunConfig.read(given.config)
    train(config, given.run, given.bundle, name=given.name, revision=given.revision)


def train(config: RunConfig, run: Path, bundle: Path, *, name: str, revision: str) -> str:
    """Train a model, write its bundle and return the bundle's hash.

    Parameters
    ----------
    config
        The run.
    run
        Folder for `run.yaml`, the loss curves and the weights; a stage that was finished there is
        not trained again.
    bundle
        Folder to write the bundle to.
    name, revision
        Of the model.
    """
    run.mkdir(parents=True, exist_ok=True)
    config.write(run / "run.yaml")
    material = prepare(config)
    tokenizer, kept = small_tokenizer(config, material)
    config = with_vocabulary(config, tokenizer)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = start_network(config, material, device)
    label_vectors = resume_stage1(network, run)
    if label_vectors is None:
        label_vectors = train_stage1(network, material, config, run)
    if (run / TRAINED).exists():
        load_strict(network, load_file(run / TRAINED), source=str(run / TRAINED))
    else:
        llama = load_file(config.llama / "model.safetensors")
        start_decoder(network.text_decoder, llama, layers=LLAMA_LAYERS, kept=kept)
        train_expression(network, material, config, run)
        train_decoder(network, material, tokenizer, config, run)
        save_file(distinct_state(network), run / TRAINED)
    return publish(
        network,
        label_vectors.cpu().numpy(),
        material,
        tokenizer,
        config,
        bundle,
        name=name,
        revision=revision,
    )


def small_tokenizer(config: RunConfig, material: Material) -> tuple[Tokenizer, list[int]]:
    """Return the decoder's tokenizer, trimmed to what descriptions need."""
    full = Tokenizer.from_file(str(config.llama / "tokenizer.json"))
    return trim_tokenizer(full, corpus_texts(material.types, material.genes.symbols))


def with_vocabulary(config: RunConfig, tokenizer: Tokenizer) -> RunConfig:
    """Fill in the decoder's vocabulary and its special tokens."""
    decoder = {
        **config.architecture.get("decoder", {}),
        "n_layers": len(LLAMA_LAYERS),
        "vocabulary": tokenizer.get_vocab_size(),
        "bos": tokenizer.token_to_id("<|im_start|>"),
        "eos": tokenizer.token_to_id("<|im_end|>"),
    }
    return replace(config, architecture={**config.architecture, "decoder": decoder})


if __name__ == "__main__":
    main()
