"""Stage 1, discriminative: cells and texts learn one space by contrast, matching and captions."""

from __future__ import annotations

import csv
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from scmmgpt_tl.model.scmmgpt import _pad

from . import losses
from .captions import caption_terms, relations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .captions import Captioner
    from .config import RunConfig
    from .draw import CellSource, Drawn

TEXT_TOKENS = 40
TEXTS_EVERY = 2
PAIRS = 24
PAIRS_EVERY = 8
WORDING_TERMS = 8
SAVE_EVERY = 500
WEIGHTS = {"cell_text": 1.0, "text_cell": 0.5, "text_text": 0.3, "match": 1.0, "caption": 0.2}


@dataclass
class Bank:
    """The latest vector of every caption term, so that all of them are negatives in every step."""

    terms: tuple[str, ...]
    vectors: torch.Tensor  # (terms, projection), unit rows

    def update(self, shown: torch.Tensor, vectors: torch.Tensor) -> None:
        """Move the shown terms half-way to their new vectors: a mean over recent wordings."""
        mixed = self.vectors[shown] + vectors.detach()
        self.vectors[shown] = F.normalize(mixed, dim=-1)


def train_stage1(
    network: ScMMGPT,
    source: CellSource,
    captioner: Captioner,
    tokenizer: Tokenizer,
    config: RunConfig,
    folder: Path,
) -> None:
    """Train cell encoder and bridge in place; the loss curve goes to `folder/stage1.csv`."""
    rng = np.random.default_rng(config.seed)
    terms = caption_terms(source.types)
    is_a, may_be = (torch.from_numpy(m) for m in relations(terms))
    device = next(network.parameters()).device
    scale = torch.nn.Parameter(torch.tensor(20.0, device=device).log())
    optimizer, schedule = _optimizer(network, scale, config.stage1_steps)
    bank = Bank(terms, _encode_all(network, captioner, tokenizer, terms, rng, device))
    everything = _all_terms()
    network.train()
    with (folder / "stage1.csv").open("w", newline="") as handle:
        log = csv.writer(handle)
        log.writerow(["step", "seconds", *WEIGHTS, "accuracy", "scale"])
        start = time.perf_counter()
        for step, batch in enumerate(_prefetch(source, config, rng)):
            values = torch.from_numpy(batch.values).to(device)
            exact = torch.from_numpy(batch.term)
            with torch.autocast(device.type, torch.bfloat16):
                states, mask = network.cell_encoder.forward_dense(values)
                cells = network.read_states(states, mask)
            table, flag, parts = bank.vectors, torch.zeros(len(terms), dtype=torch.bool), {}
            if step % TEXTS_EVERY == 0:
                shown, captions = _captions(
                    captioner, source, batch, terms, is_a, config.stage1_texts, rng
                )
                words = rng.choice(everything, size=WORDING_TERMS, replace=False)
                wordings = [captioner.write(t, rng) for _ in range(2) for t in words]
                with torch.autocast(device.type, torch.bfloat16):
                    texts = _embed(network, tokenizer, [*captions, *wordings], device)
                live, first, second = texts.split([len(shown), len(words), len(words)])
                parts["text_text"] = losses.text_to_text(20.0 * first @ second.T)
                table = table.clone()
                table[shown] = live
                flag[shown] = True
                bank.update(shown, live)
            factor = scale.exp().clamp(max=100)
            similarity = factor * torch.einsum("cqp,tp->cqt", cells.projected, table).amax(1)
            related = is_a[exact].to(device), may_be[exact].to(device)
            flag = flag.to(device)
            parts["cell_text"] = losses.cell_to_text(similarity, exact.to(device), *related, flag)
            if step % TEXTS_EVERY == 0:
                parts["text_cell"] = losses.text_to_cell(similarity, *related, flag)
            if step % PAIRS_EVERY == 0:
                with torch.autocast(device.type, torch.bfloat16):
                    parts |= _pair_losses(
                        network, tokenizer, captioner, batch, states, mask, similarity, is_a, may_be, terms, rng
                    )
            loss = sum(WEIGHTS[name] * value for name, value in parts.items())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if step % 10 == 0:
                right = (similarity.argmax(1).cpu() == exact).float().mean()
                row = [f"{parts[k].item():.4f}" if k in parts else "" for k in WEIGHTS]
                log.writerow([step, f"{time.perf_counter() - start:.1f}", *row, f"{right:.3f}", f"{factor.item():.2f}"])
                handle.flush()
            if (step + 1) % SAVE_EVERY == 0:
                save_stage1(network, folder)
    save_stage1(network, folder)
    network.eval()


def save_stage1(network: ScMMGPT, folder: Path) -> None:
    """Write what stage 1 trains to `folder/stage1.safetensors`."""
    trained = ("cell_encoder.", "bridge.")
    state = {k: v for k, v in network.state_dict().items() if k.startswith(trained)}
    save_file(state, folder / "stage1.safetensors")


def _captions(
    captioner: Captioner,
    source: CellSource,
    batch: Drawn,
    terms: Sequence[str],
    is_a: torch.Tensor,
    n: int,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, list[str]]:
    """Terms to encode in this step (three in four types of the batch, one in four above them)."""
    present = np.unique(batch.term)
    own = rng.choice(present, size=min(len(present), 3 * n // 4), replace=False)
    above = np.setdiff1d(np.flatnonzero(is_a[present].any(0).numpy()), present)
    extra = rng.choice(above, size=min(len(above), n - len(own)), replace=False)
    shown = np.concatenate([own, extra])
    tissue = {
        int(t): source.profiles.tissues[p] for t, p in zip(batch.term, batch.profile, strict=True) if p >= 0
    }
    captions = [captioner.write(terms[t], rng, tissue=readable(tissue.get(int(t), ""))) for t in shown]
    return torch.from_numpy(shown), captions


def readable(tissue: str) -> str:
    """Return a source's tissue name in plain words: `"FetalKidney3"` -> `"fetal kidney"`."""
    name = tissue.rstrip("0123456789-").replace("_", " ").replace("-", " ")
    spaced = "".join(f" {c}" if c.isupper() and i and name[i - 1].islower() else c for i, c in enumerate(name))
    words = spaced.lower().replace("adult ", "").replace("peripheral blood", "blood").strip()
    return "" if words in NOT_A_TISSUE else words


# Sample names of some sources: authors and study codes.
NOT_A_TISSUE = frozenset(
    "adult,vento tormo,li,guo,lake,la manno,segerstolpe,tsang,nguyen,muraro,villani,velten,plasschaert,camp,zhong,"
    "paresh,es,mgh broad,census immune,tumor immune,immunodeficiency pbmcs,pbmcs,immunodeficiency nasal swabs,"
    "covid airway,preimplantation embryo,ventotormo,lamanno".split(",")
)


def _pair_losses(network, tokenizer, captioner, batch, states, mask, similarity, is_a, may_be, terms, rng):  # noqa: ANN001, ANN202, PLR0913, PLR0917
    """Matching with hard negatives and captioning, on a few cells of the batch."""
    device = states.device
    chosen = rng.choice(len(batch.term), size=min(PAIRS, len(batch.term)), replace=False)
    own = batch.term[chosen]
    # The hardest false text: drawn by how similar the model finds it.
    allowed = ~(is_a[own] | may_be[own])
    weight = similarity[chosen].detach().float().cpu().masked_fill(~allowed, float("-inf")).softmax(1)
    wrong = torch.multinomial(weight + 1e-6 * allowed, 1)[:, 0].numpy()
    true_text = [captioner.write(terms[t], rng) for t in own]
    false_text = [captioner.write(terms[t], rng) for t in wrong]
    ids, text_mask = _tokens(tokenizer, [*true_text, *false_text], device)
    twice = np.concatenate([chosen, chosen])
    logits = network.bridge.match(states[twice], mask[twice], ids, text_mask)
    target = torch.tensor([1] * len(chosen) + [0] * len(chosen), device=device)
    first = slice(0, len(chosen))
    words = network.bridge.caption(states[chosen], mask[chosen], ids[first], text_mask[first])
    return {
        "match": losses.matching(logits.float(), target),
        "caption": losses.captioning(words.float(), ids[first], text_mask[first]),
    }


def _tokens(tokenizer: Tokenizer, texts: Sequence[str], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    ids, mask = _pad(tokenizer, texts, 0, left=False, limit=TEXT_TOKENS)
    return ids.to(device), mask.to(device)


def _embed(network: ScMMGPT, tokenizer: Tokenizer, texts: Sequence[str], device: torch.device) -> torch.Tensor:
    return network.embed_text(*_tokens(tokenizer, texts, device))


@torch.no_grad()
def _encode_all(network, captioner, tokenizer, terms, rng, device):  # noqa: ANN001, ANN202, PLR0913, PLR0917
    network.eval()
    parts = [
        _embed(network, tokenizer, [captioner.write(t, rng) for t in terms[i : i + 64]], device)
        for i in range(0, len(terms), 64)
    ]
    return torch.cat(parts)


def _all_terms() -> np.ndarray:
    from scmmgpt_tl import ontology

    cl = ontology.load()
    return np.array([term for term in cl.ids if cl.definition(term)], dtype=object)


def _optimizer(
    network: ScMMGPT, scale: torch.nn.Parameter, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    groups: dict[str, list[torch.nn.Parameter]] = {"genes": [], "pretrained": [], "new": [scale]}
    for name, parameter in [*network.cell_encoder.named_parameters(), *network.bridge.named_parameters()]:
        pretrained = name.startswith(("qformer.", "words.")) and "crossattention" not in name
        groups["genes" if name == "genes.weight" else "pretrained" if pretrained else "new"].append(parameter)
    rates = {"genes": 4e-3, "pretrained": 1e-4, "new": 6e-4}
    optimizer = torch.optim.AdamW(
        [{"params": p, "lr": rates[k], "weight_decay": 0.0 if k == "genes" else 0.01} for k, p in groups.items()],
        betas=(0.9, 0.98),
        fused=True,
    )
    warmup = min(100, max(steps // 10, 1))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * (step - warmup) / max(steps - warmup, 1)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _prefetch(source: CellSource, config: RunConfig, rng: np.random.Generator) -> Iterator[Drawn]:
    """Draw the batches of all steps in one thread, a few ahead of the training loop."""
    ready: queue.Queue[Drawn] = queue.Queue(maxsize=4)
    seeds = rng.spawn(1)[0]

    def work() -> None:
        for _ in range(config.stage1_steps):
            ready.put(source.draw(config.stage1_cells, seeds))

    threading.Thread(target=work, daemon=True).start()
    for _ in range(config.stage1_steps):
        yield ready.get()
