"""Stage 1, discriminative: cells and texts learn one space by contrast, matching and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.padding import pad_texts

from . import losses
from .bank import Bank, Terms, choose_terms, write_captions
from .batches import Batch, draw_batch, gather, mean_over_all, own_parts
from .entering import states_of
from .learner import Learner
from .optimize import cosine
from .published_weights import learned_parts
from .stage1_rates import RATES, rate_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from scmmgpt_tl.model.scmmgpt import CellStates, ScMMGPT

    from .config import RunConfig
    from .material import Material

TEXT_TOKENS = 40
TEXTS_EVERY = 3
PAIRS = 24
PAIRS_EVERY = 12
WORDING_TERMS = 8
FIRST_WORDINGS = 3
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
# What the numbers of a run and a step are joined by, so that no two draws are the same.
CELLS, TEXTS, CHOICES, FIRST = 0, 1, 2, 3
LABELS = "labels"


class _Related(NamedTuple):
    exact: torch.Tensor  # (cells,) own term
    is_a: torch.Tensor  # (cells, terms)
    may_be: torch.Tensor  # (cells, terms)

    @property
    def true_of(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.is_a, self.may_be


class _Seen(NamedTuple):
    states: torch.Tensor  # (cells, n_states, state_width)
    mask: torch.Tensor  # (cells, n_states)
    cells: CellStates


class Stage1(Learner):
    """Cell encoder and bridge on their way.

    Texts and pairs are looked at only in some of the steps. During the warm-up texts stand still:
    the labels start where their texts are, so cells come to lie near texts that they have never
    been compared with.

    Parameters
    ----------
    network
        Trained in place.
    material
        What there is to learn from.
    config
        The run.
    """

    _is_a: torch.Tensor
    _may_be: torch.Tensor

    def __init__(self, network: ScMMGPT, material: Material, config: RunConfig) -> None:
        super().__init__(network)
        self.parts = learned_parts(network)
        self._material, self._config = material, config
        terms = Terms.of(material.types)
        self._terms = terms.ids
        # Only a table of what the ontology says; checkpoints need not hold it.
        self.register_buffer("_is_a", terms.is_a, persistent=False)
        self.register_buffer("_may_be", terms.may_be, persistent=False)
        # One number in a row of its own: sharding does not take scalars.
        self.log_scale = nn.Parameter(torch.tensor([FIRST_SCALE]).log())
        self.bank = Bank(self._embed_all_terms())
        self.labels = nn.Parameter(self.bank.vectors[: len(material.types)].clone())

    def draw(self, step: int) -> Batch:
        """Draw this process's cells of a step."""
        config = self._config
        seed = (config.seed, CELLS, step)
        source, n = self._material.source, config.stage1_cells
        drawn = draw_batch(source, n, parts=config.parts, seed=seed)
        return Batch.of(drawn, self.network.cell_encoder)

    def forward(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        """Return the loss of a batch, its parts by name, accuracy and scale."""
        if step < self._config.warm_up_steps:
            parts, similarity = self._warm_up(batch)
        else:
            parts, similarity = self._compare(batch, step)
        right = (similarity.argmax(1) == batch.term).float().mean()
        loss = torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
        return {"loss": loss, **parts, "accuracy": right, "scale": self._scale().squeeze()}

    def label_vectors(self) -> torch.Tensor:
        """Unit vectors of the types, (types, projection): where their cells are, not their texts."""
        return F.normalize(self.labels, dim=-1)

    def groups(self) -> list[dict[str, Any]]:
        """Return what is trained, and how fast."""
        groups: dict[str, list[nn.Parameter]] = {name: [] for name in RATES}
        groups["new"].append(self.log_scale)
        groups["labels"].append(self.labels)
        for part in self.parts:
            for name, parameter in self.network.get_submodule(part).named_parameters():
                groups[rate_of(name)].append(parameter)
        return [
            # Decay would pull genes that few cells express towards zero.
            {"params": groups[k], "lr": rate, "weight_decay": 0.0 if k == "genes" else 0.01}
            for k, rate in RATES.items()
        ]

    def schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return how the rates rise and fall."""
        return cosine(optimizer, steps)

    def finish(self) -> dict[str, torch.Tensor]:
        """Return the label vectors."""
        return {LABELS: self.label_vectors().detach().contiguous()}

    def _warm_up(self, batch: Batch) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Learn which type a cell is of, by the linear shortcut alone."""
        states = states_of(self.network.cell_encoder, batch.cells)
        summary = self.network.bridge.summarise(*states)
        related = self._relate(batch.term)
        with _in_full_precision(summary):
            unit = F.normalize(summary.float(), dim=-1)
            similarity = self._scale() * unit @ self.label_vectors().T
            loss = losses.cell_to_label(similarity, *related)
        return {"cell_label": loss}, similarity

    def _compare(self, batch: Batch, step: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Compare cells with labels and, in some of the steps, with texts of their own."""
        states, mask = states_of(self.network.cell_encoder, batch.cells)
        seen = _Seen(states, mask, self.network.read_states(states, mask))
        related = self._relate(batch.term)
        parts: dict[str, torch.Tensor] = {}
        table = self.bank.vectors
        live = torch.zeros(len(self._terms), dtype=torch.bool, device=table.device)
        with_texts = step % TEXTS_EVERY == 0
        if with_texts:
            shown, vectors, parts["text_text"] = self._read_texts(gather(batch.term), step)
            table = self.bank.with_live(shown, vectors)
            live[shown] = True
            self.bank.update(shown, vectors)
        with _in_full_precision(table):
            similarity = self._similarity(seen.cells.projected, table)
            parts["cell_text"] = losses.cell_to_text(similarity, *related, live)
            of_label = self._similarity(seen.cells.projected, self.label_vectors())
            parts["cell_label"] = losses.cell_to_label(of_label, *related)
            if with_texts:
                everyone = self._similarity(gather(seen.cells.projected), table)
                true_of = self._relate(gather(batch.term)).true_of
                parts["text_cell"] = losses.text_to_cell(everyone, *true_of, live)
        if step % PAIRS_EVERY == 0:
            parts |= self._compare_pairs(batch, seen, similarity, step)
        return parts, of_label

    def _similarity(self, projected: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return self._scale() * torch.einsum("cqp,tp->cqt", projected.float(), table).amax(1)

    def _scale(self) -> torch.Tensor:
        return self.log_scale.exp().clamp(max=MOST_SCALE)

    def _relate(self, term: torch.Tensor) -> _Related:
        return _Related(term, self._is_a[term], self._may_be[term])

    def _read_texts(
        self, terms: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return shown terms, their vectors, and the loss between wordings: alike everywhere."""
        rng = self._rng(TEXTS, step)
        present, is_a = np.unique(terms.cpu().numpy()), self._is_a.cpu()
        shown = choose_terms(present, is_a, n=self._config.stage1_texts, rng=rng)
        material = self._material
        captions = write_captions(
            shown, self._terms, material.captioner, tissues=material.tissues, rng=rng
        )
        others = np.setdiff1d(np.arange(len(self._terms)), shown)
        worded = rng.choice(others, size=WORDING_TERMS, replace=False)
        write = material.captioner.write
        wordings = [write(self._terms[t], rng) for _ in range(2) for t in worded]
        vectors = self._embed([*captions, *wordings])
        live, first, second = vectors.split([len(shown), WORDING_TERMS, WORDING_TERMS])
        with _in_full_precision(vectors):
            agreement = losses.text_to_text(FIRST_SCALE * first @ second.T)
        found = torch.from_numpy(np.concatenate([shown, worded])).to(vectors.device)
        return found, torch.cat([live, first]), agreement

    def _compare_pairs(
        self, batch: Batch, seen: _Seen, similarity: torch.Tensor, step: int
    ) -> dict[str, torch.Tensor]:
        """Matching with hard negatives and captioning, on a few cells of every part."""
        chosen, texts = self._choose_pairs(batch.term, similarity, step)
        n, bridge = len(chosen), self.network.bridge
        words, mask = self._tokens(texts)
        twice = np.concatenate([chosen, chosen])
        match = bridge.match(seen.states[twice], seen.mask[twice], words, mask)
        # Captions are learned from the true texts only.
        words, mask = words[:n], mask[:n]
        caption = bridge.caption(seen.states[chosen], seen.mask[chosen], words, mask)
        target = torch.tensor([1] * n + [0] * n, device=match.device)
        with _in_full_precision(match):
            of_words = losses.captioning(caption.float(), words, mask)
            return {
                "match": losses.matching(match.float(), target),
                "caption": mean_over_all(of_words, int(mask[:, 1:].sum())),
            }

    def _choose_pairs(
        self, term: torch.Tensor, similarity: torch.Tensor, step: int
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Return some cells, and for all of them a true text, then for all of them a false one."""
        parts = own_parts(self._config.parts)
        size = len(term) // len(parts)
        logits = similarity.detach().float().cpu().numpy()
        write, chosen, true, false = self._material.captioner.write, [], [], []
        for place, part in enumerate(parts):
            rng = self._rng(CHOICES, step, part)
            n = min(max(PAIRS // self._config.parts, 1), size)
            rows = place * size + rng.choice(size, size=n, replace=False)
            own = term.cpu().numpy()[rows]
            wrong = self._hard_negatives(own, logits[rows], rng)
            true += [write(self._terms[t], rng) for t in own]
            false += [write(self._terms[t], rng) for t in wrong]
            chosen.append(rows)
        return np.concatenate(chosen), true + false

    def _hard_negatives(
        self, own: NDArray[np.int64], logits: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return a false term for each cell, drawn by how similar the model finds it."""
        possible = (self._is_a[own] | self._may_be[own]).cpu().numpy()
        # The largest of logits with Gumbel noise is a draw from their softmax.
        return np.where(possible, -np.inf, logits + rng.gumbel(size=logits.shape)).argmax(1)

    def _embed(self, texts: Sequence[str]) -> torch.Tensor:
        return self.network.embed_text(*self._tokens(texts))

    @torch.no_grad()
    def _embed_all_terms(self) -> torch.Tensor:
        """Mean vector of several wordings of each term."""
        self.network.eval()
        rng, write = self._rng(FIRST), self._material.captioner.write
        texts = [write(t, rng) for t in self._terms for _ in range(FIRST_WORDINGS)]
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = torch.empty(len(texts), self.network.config.bridge.projection)
        for start in range(0, len(texts), BATCH_OF_TEXTS):
            chosen = order[start : start + BATCH_OF_TEXTS]
            vectors[chosen] = self._embed([texts[i] for i in chosen])
        means = vectors.unflatten(0, (-1, FIRST_WORDINGS)).mean(1)
        return F.normalize(means, dim=-1)

    def _tokens(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = pad_texts(self._material.text_tokenizer, texts, limit=TEXT_TOKENS)
        device = self.log_scale.device
        return ids.to(device), mask.to(device)

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self._config.seed, *stream])


def _in_full_precision(like: torch.Tensor) -> torch.autocast:
    """Differences between similarities are small: they are not compared in bfloat16."""
    return torch.autocast(like.device.type, enabled=False)
