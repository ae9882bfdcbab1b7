"""Stage 2, generative: cells become text, and text becomes expression. The bridge stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from scmmgpt_tl.model.padding import pad_ids, pad_texts

from . import losses
from .optimize import Descent, fit, one_cycle
from .tissues import readable
from .written import write_description

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from scmmgpt_tl.model.expression_decoder import ExpressionDecoder
    from scmmgpt_tl.model.scmmgpt import ScMMGPT
    from scmmgpt_tl.model.text_decoder import TextDecoder

    from .config import RunConfig
    from .draw import Drawn
    from .material import Material
    from .written import Written

LLAMA_RATE, NEW_RATE, EXPRESSION_RATE = 4e-4, 1e-3, 2e-3
TEXT_TOKENS = 40
TEXTS = 8
MOST_GENES = 8
COMMON_GENES, RANDOM_GENES = 1000, 2000


def train_decoder(
    network: ScMMGPT, material: Material, tokenizer: Tokenizer, config: RunConfig, folder: Path
) -> None:
    """Teach the text decoder to describe cells; the curve goes to `folder/stage2_text.csv`."""
    rng = np.random.default_rng([config.seed, 2])
    network.eval()
    decoder = network.text_decoder.train()
    device = next(decoder.parameters()).device

    def loss() -> torch.Tensor:
        batch = material.source.draw(config.stage2_cells, rng)
        written = describe_cells(batch, material, rng)
        marked = examples(tokenizer, written, eos=network.config.decoder.eos)
        ids, mask, target = (part.to(device) for part in marked)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                values = torch.from_numpy(batch.values).to(device)
                measured = torch.from_numpy(batch.measured).to(device)
                states = network.cell_encoder.forward_dense(values, measured)
                queries = network.read_states(*states).queries
            return decoder(queries, ids, mask, target)

    curve = folder / "stage2_text.csv"
    fit(_text_descent(decoder, config.stage2_steps), loss, steps=config.stage2_steps, curve=curve)
    decoder.eval()


def train_expression(network: ScMMGPT, material: Material, config: RunConfig, folder: Path) -> None:
    """Teach genes to read a text; the curve goes to `folder/stage2_expression.csv`."""
    rng = np.random.default_rng([config.seed, 3])
    network.eval()
    decoder = network.expression_decoder.train()
    device = next(decoder.parameters()).device
    profiles, genes = material.profiles, network.cell_encoder.genes.weight.detach()
    common = np.argsort(-network.cell_encoder.average.cpu().numpy())[:COMMON_GENES]
    # Every type comes up equally often, however many profiles it has.
    weight = 1 / np.array([profiles.terms.count(t) for t in profiles.terms])

    def loss() -> torch.Tensor:
        rows = rng.choice(len(profiles.terms), size=TEXTS, p=weight / weight.sum())
        texts = caption_profiles(rows, material, rng)
        padded = pad_texts(material.text_tokenizer, texts, limit=TEXT_TOKENS)
        ids, mask = (part.to(device) for part in padded)
        # Shares within any part of the genes are multinomial as well, so a part will do.
        drawn = rng.choice(len(genes), size=min(RANDOM_GENES, len(genes)), replace=False)
        part = np.union1d(common, drawn)
        shares = torch.from_numpy(profiles.shares[rows][:, part]).to(device)
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-12)
        measured = torch.from_numpy(profiles.panels[profiles.panel[rows]][:, part]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                words = network.bridge.encode_text(ids, mask)
            rates = decoder(genes[part], words, mask)
        return losses.expression(rates.float(), shares, measured)

    steps, curve = config.expression_steps, folder / "stage2_expression.csv"
    fit(_expression_descent(decoder, steps), loss, steps=steps, curve=curve)
    decoder.eval()


def examples(
    tokenizer: Tokenizer, written: Sequence[Written], *, eos: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return left-padded ids, their mask, and where the description (with its end) stands."""
    prompts = [tokenizer.encode(w.prompt).ids for w in written]
    texts = [[*tokenizer.encode(f" {w.text}").ids, eos] for w in written]
    both = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
    ids, mask = pad_ids(both, pad=eos, left=True)
    _, target = pad_ids(texts, left=True)
    return ids, mask, F.pad(target, (ids.shape[1] - target.shape[1], 0))


def describe_cells(batch: Drawn, material: Material, rng: np.random.Generator) -> list[Written]:
    """Return a prompt and a description of each cell of a batch."""
    written = []
    for t, p in zip(batch.term, batch.profile, strict=True):
        term = material.types[t]
        genes = list(material.captioner.markers(term))
        # Real top genes are noisy: a random subset of the markers, in a random order.
        chosen = [str(g) for g in rng.permutation(genes)[: int(rng.integers(0, MOST_GENES + 1))]]
        tissue = readable(material.profiles.tissues[p]) if p >= 0 else ""
        written.append(write_description(term, chosen, tissue, rng))
    return written


def caption_profiles(
    rows: Sequence[int] | np.ndarray, material: Material, rng: np.random.Generator
) -> list[str]:
    """Return a caption of each of these profiles."""
    profiles, write = material.profiles, material.captioner.write
    return [write(profiles.terms[r], rng, tissue=readable(profiles.tissues[r])) for r in rows]


def _text_descent(decoder: TextDecoder, steps: int) -> Descent:
    new = [*decoder.projection.parameters(), decoder.brackets]
    optimizer = torch.optim.AdamW(
        [
            {"params": list(decoder.llama.parameters()), "lr": LLAMA_RATE},
            {"params": new, "lr": NEW_RATE},
        ],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    return Descent(decoder, optimizer, one_cycle(optimizer, steps))


def _expression_descent(decoder: ExpressionDecoder, steps: int) -> Descent:
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=EXPRESSION_RATE, weight_decay=0.01)
    return Descent(decoder, optimizer, one_cycle(optimizer, steps))
