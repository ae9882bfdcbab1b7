"""Stage 2, generative: cells become text, and text becomes expression. The bridge stays as it is."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from scmmgpt_tl.model.scmmgpt import _pad

from . import losses
from .stage1 import readable
from .written import write_description

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig
    from .draw import Drawn
    from .material import Material
    from .written import Written


def train_decoder(
    network: ScMMGPT, material: Material, tokenizer: Tokenizer, config: RunConfig, folder: Path
) -> None:
    """Teach the text decoder to describe cells; the curve goes to `folder/stage2_text.csv`."""
    rng = np.random.default_rng([config.seed, 2])
    decoder = network.text_decoder.train()
    device = next(decoder.parameters()).device
    new = [*decoder.projection.parameters(), decoder.brackets]
    optimizer = torch.optim.AdamW(
        [{"params": list(decoder.llama.parameters()), "lr": 4e-4}, {"params": new, "lr": 1e-3}],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    schedule = _schedule(optimizer, config.stage2_steps)
    with (folder / "stage2_text.csv").open("w", newline="") as handle:
        log = csv.writer(handle)
        log.writerow(["step", "seconds", "loss"])
        start = time.perf_counter()
        for step in range(config.stage2_steps):
            batch = material.source.draw(config.stage2_cells, rng)
            written = _describe(batch, material, rng)
            ids, mask, target = examples(tokenizer, written, network.config.decoder.eos)
            with torch.autocast(device.type, torch.bfloat16):
                with torch.no_grad():
                    values = torch.from_numpy(batch.values).to(device)
                    queries = network.read_states(*network.cell_encoder.forward_dense(values)).queries
                loss = decoder(queries, ids.to(device), mask.to(device), target.to(device))
            _step(loss, decoder, optimizer, schedule)
            if step % 10 == 0:
                log.writerow([step, f"{time.perf_counter() - start:.1f}", f"{loss.item():.4f}"])
                handle.flush()
    decoder.eval()


def train_expression(
    network: ScMMGPT, material: Material, config: RunConfig, folder: Path
) -> None:
    """Teach genes to read a text; the curve goes to `folder/stage2_expression.csv`."""
    rng = np.random.default_rng([config.seed, 3])
    decoder = network.expression_decoder.train()
    device = next(decoder.parameters()).device
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = _schedule(optimizer, config.expression_steps)
    profiles, genes = material.profiles, network.cell_encoder.genes.weight.detach()
    # The commonest level of a gene is where every text starts from.
    weight = 1 / np.array([profiles.terms.count(t) for t in profiles.terms])
    with (folder / "stage2_expression.csv").open("w", newline="") as handle:
        log = csv.writer(handle)
        log.writerow(["step", "seconds", "loss"])
        start = time.perf_counter()
        for step in range(config.expression_steps):
            rows = rng.choice(len(profiles.terms), size=8, p=weight / weight.sum())
            texts = [
                material.captioner.write(
                    profiles.terms[r], rng, tissue=readable(profiles.tissues[r])
                )
                for r in rows
            ]
            ids, mask = _pad(material.text_tokenizer, texts, 0, left=False, limit=40)
            shares = torch.from_numpy(profiles.shares[rows]).to(device)
            measured = torch.from_numpy(profiles.panels[profiles.panel[rows]]).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                with torch.no_grad():
                    words = network.bridge.encode_text(ids.to(device), mask.to(device))
                rates = decoder(genes, words, mask.to(device))
            loss = losses.expression(rates.float(), shares, measured)
            _step(loss, decoder, optimizer, schedule)
            if step % 10 == 0:
                log.writerow([step, f"{time.perf_counter() - start:.1f}", f"{loss.item():.4f}"])
                handle.flush()
    decoder.eval()


def examples(
    tokenizer: Tokenizer, written: list[Written], eos: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return left-padded ids, their mask, and where the description (with its end) stands."""
    prompts = [tokenizer.encode(w.prompt).ids for w in written]
    texts = [[*tokenizer.encode(f" {w.text}").ids, eos] for w in written]
    width = max(len(p) + len(t) for p, t in zip(prompts, texts, strict=True))
    ids = torch.full((len(written), width), eos, dtype=torch.int64)
    mask, target = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        both = prompt + text
        ids[i, width - len(both) :] = torch.tensor(both)
        mask[i, width - len(both) :] = 1
        target[i, width - len(text) :] = 1
    return ids, mask, target


def _describe(batch: Drawn, material: Material, rng: np.random.Generator) -> list[Written]:
    written = []
    for t, p in zip(batch.term, batch.profile, strict=True):
        term = material.types[t]
        genes = list(material.captioner.markers(term))
        # Real top genes are noisy: a random subset of the markers, in a random order.
        chosen = [str(g) for g in rng.permutation(genes)[: int(rng.integers(0, 9))]]
        tissue = readable(material.profiles.tissues[p]) if p >= 0 else ""
        written.append(write_description(term, chosen, tissue, rng))
    return written


def _schedule(
    optimizer: torch.optim.Optimizer, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    rates = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=0.05)


def _step(
    loss: torch.Tensor,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()
    schedule.step()
