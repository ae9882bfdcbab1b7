"""`python -m scmmgpt_tl.train CONFIG RUN BUNDLE`: both stages, calibration, bundle."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from scmmgpt_tl.model.state import distinct_state

from .config import RunConfig
from .material import Material, prepare, start_network
from .publish import publish
from .stage1 import train_stage1
from .stage2 import train_decoder, train_expression
from .start import start_decoder, trim_tokenizer
from .written import corpus_texts

LLAMA_LAYERS = (0, 1, 2, 3, 4, 5, 6, 29)


def main() -> None:
    """Train a model and write its bundle; a finished stage 1 in the run folder is used again."""
    parser = argparse.ArgumentParser(prog="python -m scmmgpt_tl.train", description=__doc__)
    parser.add_argument("config", type=Path, help="YAML file of the run")
    parser.add_argument("run", type=Path, help="folder for loss curves and weights")
    parser.add_argument("bundle", type=Path, help="folder to write the bundle to")
    parser.add_argument("--name", default="scmmgpt-compact")
    parser.add_argument("--revision", default="1")
    arguments = parser.parse_args()
    config = RunConfig.read(arguments.config)
    arguments.run.mkdir(parents=True, exist_ok=True)
    config.write(arguments.run / "run.yaml")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    material = prepare(config)
    tokenizer, kept = small_tokenizer(config, material)
    config = with_vocabulary(config, tokenizer)
    network = start_network(config, material, device)
    finished = arguments.run / "stage1.safetensors"
    if finished.exists():
        network.load_state_dict(load_file(finished), strict=False)
    else:
        train_stage1(
            network, material.source, material.captioner, material.text_tokenizer, config, arguments.run
        )
    start_decoder(
        network.text_decoder, load_file(config.llama / "model.safetensors"), layers=LLAMA_LAYERS, kept=kept
    )
    train_expression(network, material, config, arguments.run)
    train_decoder(network, material, tokenizer, config, arguments.run)
    save_file(distinct_state(network), arguments.run / "trained.safetensors")
    publish(
        network, material, tokenizer, config, arguments.bundle,
        name=arguments.name, revision=arguments.revision,
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
