"""Stage 1, discriminative: cells and texts learn one space by contrast, matching and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from scmmgpt_tl.model.padding import pad_texts
from scmmgpt_tl.model.state import load_strict

from . import losses
from .bank import Bank, Terms, choose_terms, write_captions
from .curve import EVERY, Curve
from .optimize import Descent, cosine
from .prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model.scmmgpt import CellStates, ScMMGPT

    from .config import RunConfig
    from .draw import Drawn
    from .material import Material

TEXT_TOKENS = 40
TEXTS_EVERY = 3
PAIRS = 24
PAIRS_EVERY = 12
WORDING_TERMS = 8
FIRST_WORDINGS = 3
SAVE_EVERY = 500
BATCH_OF_TEXTS = 64
FIRST_SCALE, MOST_SCALE = 20.0, 100.0
WEIGHTS = {
    "cell_label": 1.0,
    "cell_text": 0.5,
    "text_cell": 0.5,
    "text_text": 0.3,
    "match": 1.0,
    "caption": 0.2,
}
RATES = {"genes": 6e-3, "panel": 3e-3, "pretrained": 1e-4, "new": 6e-4, "labels": 2e-3}
TRAINED = ("cell_encoder.", "bridge.")
LABELS = "labels"
FINISHED, UNFINISHED = "stage1.safetensors", "stage1.unfinished.safetensors"


class Step(NamedTuple):
    """What a step found."""

    parts: Mapping[str, torch.Tensor]  # losses by name, before weighting
    similarity: torch.Tensor  # (cells, types), scaled
    exact: torch.Tensor  # (cells,) own term of each cell
    scale: torch.Tensor

    def measures(self) -> dict[str, float]:
        """Return losses, accuracy and scale as numbers."""
        right = self.similarity.argmax(1) == self.exact
        values = {name: part.item() for name, part in self.parts.items()}
        return {**values, "accuracy": right.float().mean().item(), "scale": self.scale.item()}


class _Batch(NamedTuple):
    exact: torch.Tensor  # (cells,) own term
    is_a: torch.Tensor  # (cells, terms)
    may_be: torch.Tensor  # (cells, terms)
    states: torch.Tensor  # (cells, n_states, state_width)
    mask: torch.Tensor  # (cells, n_states)
    cells: CellStates


class Stage1:
    """Cell encoder and bridge on their way; each :meth:`step` learns from one batch of cells.

    Parameters
    ----------
    network
        Trained in place.
    material
        What there is to learn from.
    config
        The run.
    rng
        Draws texts and pairs.
    """

    def __init__(
        self, network: ScMMGPT, material: Material, config: RunConfig, *, rng: np.random.Generator
    ) -> None:
        self._network, self._material, self._config, self._rng = network, material, config, rng
        self._device = next(network.parameters()).device
        self._terms = Terms.of(material.types)
        self._log_scale = torch.nn.Parameter(torch.tensor(FIRST_SCALE, device=self._device).log())
        self._labels = torch.nn.Parameter(
            torch.empty(len(material.types), network.config.bridge.projection, device=self._device)
        )
        new = {"new": self._log_scale, "labels": self._labels}
        self._descent = _descent(network, new, config.warm_up_steps + config.stage1_steps)
        self._bank = Bank(self._embed_all_terms())
        self._labels.data.copy_(self._bank.vectors[: len(material.types)])
        network.train()

    def warm_up(self, batch: Drawn) -> Step:
        """Learn which type a cell is of, by the linear shortcut alone.

        The labels start where their texts are, and the texts stand still: so cells come to lie
        near texts that they have never been compared with.
        """
        own = torch.from_numpy(batch.term)
        with self._autocast():
            summary = self._network.bridge.summarise(*self._states(batch))
        exact, scale = own.to(self._device), self._scale()
        similarity = scale * F.normalize(summary.float(), dim=-1) @ self.label_vectors().T
        related = self._terms.is_a[own].to(self._device), self._terms.may_be[own].to(self._device)
        parts = {"cell_label": losses.cell_to_label(similarity, exact, *related)}
        self._descent.step(_weighted(parts))
        return Step(parts, similarity, exact, scale)

    def label_vectors(self) -> torch.Tensor:
        """Unit vectors of the types, (types, projection): where their cells are, not their texts."""
        return F.normalize(self._labels, dim=-1)

    def step(self, index: int, batch: Drawn) -> Step:
        """Learn from a batch; texts and pairs are looked at only in some of the steps."""
        seen = self._encode(batch)
        parts: dict[str, torch.Tensor] = {}
        table = self._bank.vectors
        live = torch.zeros(len(self._terms.ids), dtype=torch.bool)
        with_texts = index % TEXTS_EVERY == 0
        if with_texts:
            shown, vectors, parts["text_text"] = self._read_texts(batch)
            table = self._bank.with_live(shown, vectors)
            live[shown] = True
            self._bank.update(shown, vectors)
        scale = self._scale()
        similarity = scale * torch.einsum("cqp,tp->cqt", seen.cells.projected, table).amax(1)
        related = (seen.is_a, seen.may_be, live.to(self._device))
        parts["cell_text"] = losses.cell_to_text(similarity, seen.exact, *related)
        of_label = torch.einsum("cqp,tp->cqt", seen.cells.projected, self.label_vectors()).amax(1)
        of_label = scale * of_label
        parts["cell_label"] = losses.cell_to_label(of_label, seen.exact, seen.is_a, seen.may_be)
        if with_texts:
            parts["text_cell"] = losses.text_to_cell(similarity, *related)
        if index % PAIRS_EVERY == 0:
            parts |= self._compare_pairs(batch, seen, similarity)
        self._descent.step(_weighted(parts))
        return Step(parts, of_label, seen.exact, scale)

    def _encode(self, batch: Drawn) -> _Batch:
        own, device = torch.from_numpy(batch.term), self._device
        with self._autocast():
            states, mask = self._states(batch)
            cells = self._network.read_states(states, mask)
        related = self._terms.is_a[own].to(device), self._terms.may_be[own].to(device)
        return _Batch(own.to(device), *related, states, mask, cells)

    def _states(self, batch: Drawn) -> tuple[torch.Tensor, torch.Tensor]:
        values = torch.from_numpy(batch.values).to(self._device)
        measured = torch.from_numpy(batch.measured).to(self._device)
        return self._network.cell_encoder.forward_dense(values, measured)

    def _scale(self) -> torch.Tensor:
        return self._log_scale.exp().clamp(max=MOST_SCALE)

    def _read_texts(self, batch: Drawn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the shown terms, their vectors, and the loss between wordings of any terms."""
        terms, rng = self._terms, self._rng
        n = self._config.stage1_texts
        shown = choose_terms(np.unique(batch.term), terms.is_a, n=n, rng=rng)
        captions = write_captions(shown, batch, self._material, terms=terms.ids, rng=rng)
        others = np.setdiff1d(np.arange(len(terms.ids)), shown)
        worded = rng.choice(others, size=WORDING_TERMS, replace=False)
        write = self._material.captioner.write
        wordings = [write(terms.ids[t], rng) for _ in range(2) for t in worded]
        with self._autocast():
            vectors = self._embed([*captions, *wordings])
        live, first, second = vectors.split([len(shown), WORDING_TERMS, WORDING_TERMS])
        agreement = losses.text_to_text(FIRST_SCALE * first @ second.T)
        return (
            torch.from_numpy(np.concatenate([shown, worded])),
            torch.cat([live, first]),
            agreement,
        )

    def _compare_pairs(
        self, batch: Drawn, seen: _Batch, similarity: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Matching with hard negatives and captioning, on a few cells of the batch."""
        n = min(PAIRS, len(batch.term))
        chosen = self._rng.choice(len(batch.term), size=n, replace=False)
        own = batch.term[chosen]
        wrong = self._hard_negatives(own, similarity[chosen])
        write, ids = self._material.captioner.write, self._terms.ids
        texts = [write(ids[t], self._rng) for t in (*own, *wrong)]
        words, mask = self._tokens(texts)
        twice = np.concatenate([chosen, chosen])
        bridge = self._network.bridge
        with self._autocast():
            match = bridge.match(seen.states[twice], seen.mask[twice], words, mask)
            # Captions are learned from the true texts only.
            words, mask = words[:n], mask[:n]
            caption = bridge.caption(seen.states[chosen], seen.mask[chosen], words, mask)
        target = torch.tensor([1] * n + [0] * n, device=self._device)
        return {
            "match": losses.matching(match.float(), target),
            "caption": losses.captioning(caption.float(), words, mask),
        }

    def _hard_negatives(self, own: NDArray[np.int64], similarity: torch.Tensor) -> list[int]:
        """Return a false term for each cell, drawn by how similar the model finds it."""
        allowed = ~(self._terms.is_a[own] | self._terms.may_be[own])
        found = similarity.detach().float().cpu().masked_fill(~allowed, float("-inf"))
        return torch.multinomial(found.softmax(1) + 1e-6 * allowed, 1)[:, 0].tolist()

    def _embed(self, texts: Sequence[str]) -> torch.Tensor:
        return self._network.embed_text(*self._tokens(texts))

    @torch.no_grad()
    def _embed_all_terms(self) -> torch.Tensor:
        """Mean vector of several wordings of each term."""
        self._network.eval()
        write = self._material.captioner.write
        texts = [write(t, self._rng) for t in self._terms.ids for _ in range(FIRST_WORDINGS)]
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = torch.empty(len(texts), self._network.config.bridge.projection)
        for start in range(0, len(texts), BATCH_OF_TEXTS):
            chosen = order[start : start + BATCH_OF_TEXTS]
            with self._autocast():
                vectors[chosen] = self._embed([texts[i] for i in chosen]).cpu()
        means = vectors.unflatten(0, (-1, FIRST_WORDINGS)).mean(1)
        return F.normalize(means, dim=-1).to(self._device)

    def _tokens(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = pad_texts(self._material.text_tokenizer, texts, limit=TEXT_TOKENS)
        return ids.to(self._device), mask.to(self._device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16)


def train_stage1(
    network: ScMMGPT, material: Material, config: RunConfig, folder: Path
) -> torch.Tensor:
    """Train cell encoder and bridge in place, and return the types' unit vectors.

    Writes `folder/stage1.csv` (the loss curve), now and then `folder/stage1.unfinished.safetensors`
    and in its place, at the end, `folder/stage1.safetensors`.
    """
    rng = np.random.default_rng(config.seed)
    stage = Stage1(network, material, config, rng=rng)
    seeds = rng.spawn(1)[0]
    warm, steps = config.warm_up_steps, config.warm_up_steps + config.stage1_steps
    batches = prefetch(lambda: material.source.draw(config.stage1_cells, seeds), steps)
    with Curve(folder / "stage1.csv", [*WEIGHTS, "accuracy", "scale"]) as curve:
        for index, batch in enumerate(batches):
            found = stage.step(index, batch) if index >= warm else stage.warm_up(batch)
            if index % EVERY == 0:
                curve.write(index, found.measures())
            if (index + 1) % SAVE_EVERY == 0:
                _save(stage, network, folder / UNFINISHED)
    _save(stage, network, folder / UNFINISHED)
    (folder / UNFINISHED).replace(folder / FINISHED)
    network.eval()
    return stage.label_vectors().detach()


def resume_stage1(network: ScMMGPT, folder: Path) -> torch.Tensor | None:
    """Load what a finished stage 1 left in `folder` and return the types' unit vectors.

    Where no stage 1 was finished, nothing is loaded and nothing returned.

    Raises
    ------
    ValueError
        If the weights are those of another network.
    """
    path = folder / FINISHED
    if not path.exists():
        return None
    state = load_file(path)
    for part in TRAINED:
        weights = {k.removeprefix(part): v for k, v in state.items() if k.startswith(part)}
        load_strict(network.get_submodule(part.rstrip(".")), weights, source=str(path))
    network.eval()
    return state[LABELS].to(next(network.parameters()).device)


def _save(stage: Stage1, network: ScMMGPT, path: Path) -> None:
    state = network.state_dict()
    trained = {k: v for k, v in state.items() if k.startswith(TRAINED)}
    save_file(trained | {LABELS: stage.label_vectors().detach().contiguous()}, path)


def _weighted(parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()


def _descent(network: ScMMGPT, new: Mapping[str, torch.nn.Parameter], steps: int) -> Descent:
    """Descent of the network's stage 1 parts, and of further parameters by the group they are in."""
    groups: dict[str, list[torch.nn.Parameter]] = {name: [] for name in RATES}
    for name, parameter in new.items():
        groups[name].append(parameter)
    for part in (network.cell_encoder, network.bridge):
        for name, parameter in part.named_parameters():
            groups[_rate_of(name)].append(parameter)
    optimizer = torch.optim.AdamW(
        [
            # Decay would pull genes that few cells express towards zero.
            {"params": groups[k], "lr": rate, "weight_decay": 0.0 if k == "genes" else 0.01}
            for k, rate in RATES.items()
        ],
        betas=(0.9, 0.98),
        fused=True,
    )
    return Descent(network, optimizer, cosine(optimizer, steps))


def _rate_of(name: str) -> str:
    if name == "genes.weight":
        return "genes"
    if name.startswith("panel"):
        return "panel"
    # The feed-forwards of the queries start as copies of the text's, but have new work to do.
    new = "crossattention" in name or "_query." in name
    pretrained = name.startswith(("qformer.", "words.")) and not new
    return "pretrained" if pretrained else "new"
