"""Stage 2, generative: cells become text, and text becomes expression. The bridge stays as it is."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from scmmgpt_tl.model.padding import pad_ids, pad_texts

from . import losses
from .batches import draw_batch, mean_over_all, own_parts
from .learner import Learner
from .optimize import one_cycle
from .tissues import readable
from .written import write_description

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peft import PeftModel
    from tokenizers import Tokenizer
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from scmmgpt_tl.model.scmmgpt import ScMMGPT
    from scmmgpt_tl.model.text_decoder import TextDecoder

    from .config import RunConfig
    from .material import Material
    from .written import Written

LLAMA_RATE, LORA_RATE, NEW_RATE, EXPRESSION_RATE = 4e-4, 1e-3, 1e-3, 2e-3
TEXT_TOKENS = 40
TEXTS = 8
MOST_GENES = 8
COMMON_GENES, RANDOM_GENES = 1000, 2000
# What the numbers of a run and a step are joined by; those below are stage 1's.
CELLS, WORDS, PROFILES = 10, 11, 12


class Told(NamedTuple):
    """Cells, and what is to be said of them."""

    values: torch.Tensor  # (cells, genes) token values
    measured: torch.Tensor  # (cells, genes) bool
    ids: torch.Tensor  # (cells, length) left-padded prompt and description
    mask: torch.Tensor  # (cells, length) 0 where padded
    target: torch.Tensor  # (cells, length) 1 where the description stands


class Read(NamedTuple):
    """Texts, and what the cells they are about express."""

    ids: torch.Tensor  # (texts, words)
    mask: torch.Tensor  # (texts, words)
    genes: torch.Tensor  # (genes,) those that are looked at in this step
    shares: torch.Tensor  # (texts, genes) rows sum to 1
    measured: torch.Tensor  # (texts, genes) bool


class TextStage(Learner):
    """Cell to text: the decoder learns to describe the cells that the bridge tells it of.

    Parameters
    ----------
    network
        Its text decoder is trained in place.
    material
        What there is to learn from.
    tokenizer
        Of the text decoder.
    config
        The run. With a `lora_rank` the Llama stays as it is but for low-rank changes of its linear
        maps (https://arxiv.org/abs/2106.09685), which :meth:`finish` adds to it; what joins it to
        the cells is trained in full.
    """

    parts = ("text_decoder",)

    def __init__(
        self, network: ScMMGPT, material: Material, tokenizer: Tokenizer, config: RunConfig
    ) -> None:
        super().__init__(network)
        self._material, self._config = material, config
        self._tokenizer = tokenizer
        self._lora = _add_lora(network.text_decoder, config.lora_rank) if config.lora_rank else None

    def draw(self, step: int) -> Told:
        """Draw this process's cells of a step, and write about them."""
        config, material = self._config, self._material
        seed = (config.seed, CELLS, step)
        batch = draw_batch(material.source, config.stage2_cells, parts=config.parts, seed=seed)
        parts = own_parts(config.parts)
        size = len(batch.term) // len(parts)
        written = []
        for place, part in enumerate(parts):
            rows = slice(place * size, (place + 1) * size)
            rng = np.random.default_rng([config.seed, WORDS, step, part])
            written += describe_cells(batch.term[rows], batch.profile[rows], material, rng)
        marked = examples(self._tokenizer, written, eos=self.network.config.decoder.eos)
        return Told(batch.values, batch.measured, *marked)

    def forward(self, batch: Told, step: int) -> dict[str, torch.Tensor]:
        """Return the mean cross-entropy of the described words."""
        with torch.no_grad():
            states = self.network.cell_encoder.forward_dense(batch.values, batch.measured)
            queries = self.network.read_states(*states).queries
        loss = self.network.text_decoder(queries, batch.ids, batch.mask, batch.target)
        return {"loss": mean_over_all(loss, int(batch.target.sum()))}

    def groups(self) -> list[dict[str, Any]]:
        """Return what is trained, and how fast."""
        decoder, rate = self.network.text_decoder, LORA_RATE if self._lora else LLAMA_RATE
        llama = [p for name, p in decoder.llama.named_parameters() if _learns(name, self._lora)]
        new = [*decoder.projection.parameters(), decoder.brackets]
        return [{"params": llama, "lr": rate}, {"params": new, "lr": NEW_RATE}]

    def schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return how the rates rise and fall."""
        return one_cycle(optimizer, steps)

    def finish(self) -> dict[str, torch.Tensor]:
        """Make low-rank changes part of the decoder."""
        if self._lora is not None:
            self._lora.merge_and_unload()
        return {}


class ExpressionStage(Learner):
    """Text to cell: genes learn to read a text; no cell enters, so none can leak.

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
        average = network.cell_encoder.average.cpu().numpy()
        self._common = np.argsort(-average)[:COMMON_GENES]
        # Every type comes up equally often, however many profiles it has.
        terms = material.profiles.terms
        weight = 1 / np.array([terms.count(t) for t in terms])
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
        return Read(ids, mask, torch.from_numpy(genes), shares, measured)

    def forward(self, batch: Read, step: int) -> dict[str, torch.Tensor]:
        """Return the cross-entropy of the profiles' shares."""
        network = self.network
        with torch.no_grad():
            words = network.bridge.encode_text(batch.ids, batch.mask)
            genes = network.cell_encoder.genes.weight[batch.genes]
        rates = network.expression_decoder(genes, words, batch.mask)
        return {"loss": losses.expression(rates.float(), batch.shares, batch.measured)}

    def groups(self) -> list[dict[str, Any]]:
        """Return what is trained, and how fast."""
        decoder = self.network.expression_decoder
        return [{"params": list(decoder.parameters()), "lr": EXPRESSION_RATE}]

    def schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return how the rates rise and fall."""
        return one_cycle(optimizer, steps)


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


def describe_cells(
    term: torch.Tensor, profile: torch.Tensor, material: Material, rng: np.random.Generator
) -> list[Written]:
    """Return a prompt and a description of cells, given their types and profiles."""
    written = []
    for t, p in zip(term.tolist(), profile.tolist(), strict=True):
        name = material.types[t]
        genes = list(material.captioner.markers(name))
        # Real top genes are noisy: a random subset of the markers, in a random order.
        chosen = [str(g) for g in rng.permutation(genes)[: int(rng.integers(0, MOST_GENES + 1))]]
        tissue = readable(material.profiles.tissues[p]) if p >= 0 else ""
        written.append(write_description(name, chosen, tissue, rng))
    return written


def caption_profiles(
    rows: Sequence[int] | np.ndarray, material: Material, rng: np.random.Generator
) -> list[str]:
    """Return a caption of each of these profiles."""
    profiles, write = material.profiles, material.captioner.write
    return [write(profiles.terms[r], rng, tissue=readable(profiles.tissues[r])) for r in rows]


def _add_lora(decoder: TextDecoder, rank: int) -> PeftModel:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5.23 by an old name.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        return get_peft_model(decoder.llama, config)


def _learns(name: str, lora: PeftModel | None) -> bool:
    return lora is None or "lora_" in name
