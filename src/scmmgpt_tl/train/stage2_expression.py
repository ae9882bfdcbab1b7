"""Stage 2, text to cell: texts become expression. The bridge stays as it is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from scmmgpt_tl.model.encoders.geneset import TARGET_SUM
from scmmgpt_tl.model.padding import pad_texts

from . import losses
from .batches import own_parts
from .gene_levels import remember_types
from .learner import Learner
from .optimize import one_cycle
from .text_vectors import text_vectors
from .tissues import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig
    from .material import Material

EXPRESSION_RATE = 2e-3
TEXT_TOKENS = 64
TEXTS = 32
COMMON_GENES, RANDOM_GENES = 1000, 1000
# Of the distance of log-normalised levels, beside the cross-entropy of shares.
LEVEL_WEIGHT = 1.0
# What the numbers of a run and a step are joined by; those below are the other phases'.
PROFILES = 12


class Read(NamedTuple):
    """Texts, and what the cells they are about express."""

    ids: torch.Tensor  # (texts, words)
    mask: torch.Tensor  # (texts, words)
    genes: torch.Tensor  # (genes,) those that are looked at in this step
    shares: torch.Tensor  # (texts, genes) rows sum to 1
    measured: torch.Tensor  # (texts, genes) bool
    effect: torch.Tensor  # (texts, genes) what the profile's study adds to the log-rates
    total: torch.Tensor  # (texts,) what the measured of these genes make of ten thousand counts


class ExpressionStage(Learner):
    """Text to cell: genes learn to read a text; no cell enters, so none can leak.

    What types express in the mean is remembered from the start; what the words of a text add to the
    types that it is like is learned.

    Profiles are compared with what the decoder makes of a text and what is known of their study
    together, so that the decoder does not have to learn what studies add; cells are generated
    without it.

    Parameters
    ----------
    network
        Its expression decoder is trained in place.
    material
        What there is to learn from.
    config
        The run.
    """

    parts = ("expression_decoder",)

    def __init__(self, network: ScMMGPT, material: Material, config: RunConfig) -> None:
        super().__init__(network)
        self._material, self._config = material, config
        self._average = material.average
        self._common = np.argsort(-self._average)[:COMMON_GENES]
        self._studies = material.source.rates.studies
        terms = material.profiles.terms
        texts = text_vectors(network, material.text_tokenizer, sorted(set(terms)))
        remember_types(network.expression_decoder, texts, material.profiles, self._studies)
        # Every type comes up equally often, however many profiles it has.
        times = Counter(terms)
        weight = 1 / np.array([times[term] for term in terms])
        self._weight = weight / weight.sum()

    def draw(self, step: int) -> Read:
        """Choose this process's profiles of a step, and write about them."""
        config, profiles = self._config, self._material.profiles
        # Shares within any part of the genes are multinomial as well, so a part will do.
        rng = np.random.default_rng([config.seed, PROFILES, step])
        n_genes = profiles.shares.shape[1]
        drawn = rng.choice(n_genes, size=min(RANDOM_GENES, n_genes), replace=False)
        genes = np.union1d(self._common, drawn)
        rows, texts = [], []
        for part in own_parts(config.parts):
            rng = np.random.default_rng([config.seed, PROFILES, step, part])
            size = max(TEXTS // config.parts, 1)
            chosen = rng.choice(len(profiles.terms), size=size, p=self._weight)
            texts += caption_profiles(chosen, self._material, rng)
            rows.append(chosen)
        row = np.concatenate(rows)
        ids, mask = pad_texts(self._material.text_tokenizer, texts, limit=TEXT_TOKENS)
        shares = torch.from_numpy(profiles.shares[row][:, genes])
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-12)
        measured = torch.from_numpy(profiles.panels[profiles.panel[row]][:, genes])
        effect = self._studies.effects[self._studies.study[row]][:, genes]
        total = TARGET_SUM * (measured * torch.from_numpy(self._average[genes])).sum(1)
        return Read(
            ids, mask, torch.from_numpy(genes), shares, measured, torch.from_numpy(effect), total
        )

    def forward(self, batch: Read, step: int) -> dict[str, torch.Tensor]:
        """Return the loss of the profiles' shares, and its part that counts molecules."""
        network = self.network
        with torch.no_grad():
            words = network.bridge.encode_text(batch.ids, batch.mask)
            text = network.bridge.project_text(words, batch.mask)
            genes = network.cell_encoder.genes.weight[batch.genes]
        rates = network.expression_decoder(genes, words, batch.mask, text, batch.genes)
        rates = rates.float() + batch.effect
        counted = losses.expression(rates, batch.shares, batch.measured)
        levels = losses.levels(rates, batch.shares, batch.measured, batch.total)
        return {"loss": counted + LEVEL_WEIGHT * levels, "counted": counted}

    def groups(self) -> list[dict[str, Any]]:
        """Return what is trained, and how fast."""
        decoder = self.network.expression_decoder
        return [{"params": list(decoder.parameters()), "lr": EXPRESSION_RATE}]

    def schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return how the rates rise and fall."""
        return one_cycle(optimizer, steps)


def caption_profiles(
    rows: Sequence[int] | np.ndarray, material: Material, rng: np.random.Generator
) -> list[str]:
    """Return a caption of each of these profiles."""
    profiles, write = material.profiles, material.captioner.write
    return [write(profiles.terms[r], rng, tissue=readable(profiles.tissues[r])) for r in rows]
