"""Stage 2, cell to text: cells become descriptions. The bridge stays as it is."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch.nn import functional as F

from scmmgpt_tl.model.padding import pad_ids

from .batches import draw_batch, mean_over_all, own_parts
from .entering import enter, states_of
from .language_folder import read_language_model
from .learner import Learner
from .optimize import one_cycle
from .tissues import readable
from .written import write_description

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from peft import PeftModel
    from tokenizers import Tokenizer
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from scmmgpt_tl.model.scmmgpt import ScMMGPT
    from scmmgpt_tl.model.text_decoder import TextDecoder

    from .config import RunConfig
    from .entering import Entering
    from .material import Material
    from .written import Written

WHOLE_RATE, LORA_RATE, NEW_RATE = 4e-4, 1e-3, 1e-3
MOST_GENES = 8
# What the numbers of a run and a step are joined by; those below are stage 1's.
CELLS, WORDS = 10, 11


class Told(NamedTuple):
    """Cells, and what is to be said of them."""

    cells: Entering
    ids: torch.Tensor  # (cells, length) left-padded prompt and description
    mask: torch.Tensor  # (cells, length) 0 where padded
    target: torch.Tensor  # (cells, length) 1 where the description stands


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
        The run. With a `lora_rank` the language model stays as it is but for low-rank changes of
        its linear maps (https://arxiv.org/abs/2106.09685), which :meth:`finish` adds to it; what
        joins it to the cells is trained in full.
    """

    parts = ("text_decoder",)

    def __init__(
        self, network: ScMMGPT, material: Material, tokenizer: Tokenizer, config: RunConfig
    ) -> None:
        super().__init__(network)
        self._material, self._config = material, config
        self._tokenizer = tokenizer
        self._lora = _add_lora(self._decoder, config.lora_rank) if config.lora_rank else None

    @property
    def _decoder(self) -> TextDecoder:
        # It has joined the network by now.
        return cast("TextDecoder", self.network.text_decoder)

    def draw(self, step: int) -> Told:
        """Draw this process's cells of a step, and write about them."""
        config, material = self._config, self._material
        seed = (config.seed, CELLS, step)
        drawn = draw_batch(material.source, config.stage2_cells, parts=config.parts, seed=seed)
        parts = own_parts(config.parts)
        size = len(drawn.term) // len(parts)
        written = []
        for place, part in enumerate(parts):
            rows = slice(place * size, (place + 1) * size)
            rng = np.random.default_rng([config.seed, WORDS, step, part])
            written += describe_cells(drawn.term[rows], drawn.profile[rows], material, rng)
        marked = examples(self._tokenizer, written, eos=self._decoder.config.eos)
        cells = enter(self.network.cell_encoder, drawn.counts, drawn.measured)
        return Told(cells, *marked)

    def forward(self, batch: Told, step: int) -> dict[str, torch.Tensor]:
        """Return the mean cross-entropy of the described words."""
        with torch.no_grad():
            states = states_of(self.network.cell_encoder, batch.cells)
            queries = self.network.read_states(*states).queries
        loss = self._decoder(queries, batch.ids, batch.mask, batch.target)
        return {"loss": mean_over_all(loss, int(batch.target.sum()))}

    def groups(self) -> list[dict[str, Any]]:
        """Return what is trained, and how fast."""
        decoder, rate = self._decoder, LORA_RATE if self._lora else WHOLE_RATE
        named = decoder.language_model.named_parameters()
        learned = [parameter for name, parameter in named if _learns(name, self._lora)]
        new = [*decoder.projection.parameters(), decoder.brackets]
        return [{"params": learned, "lr": rate}, {"params": new, "lr": NEW_RATE}]

    def schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return how the rates rise and fall."""
        return one_cycle(optimizer, steps)

    def finish(self) -> dict[str, torch.Tensor]:
        """Make low-rank changes part of the decoder."""
        if self._lora is None:
            return {}
        lora, config = self._lora, self._config
        if config.language_model_bits < 32:
            # What was learned on rounded weights is added to those that were not.
            from peft import get_peft_model_state_dict, set_peft_model_state_dict

            learned = get_peft_model_state_dict(lora)
            self._decoder.language_model = read_language_model(config.language_model)
            lora = _add_lora(self._decoder, config.lora_rank)
            set_peft_model_state_dict(lora, learned)
        lora.merge_and_unload()
        return {}


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
    term: NDArray[np.int64],
    profile: NDArray[np.int64],
    material: Material,
    rng: np.random.Generator,
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


def _add_lora(decoder: TextDecoder, rank: int) -> PeftModel:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5.23 by an old name.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        # It finds out by itself which linear maps of GPT-2 are stored the other way round.
        warnings.filterwarnings("ignore", message=".*fan_in_fan_out.*")
        return get_peft_model(decoder.language_model, config)


def _learns(name: str, lora: PeftModel | None) -> bool:
    return lora is None or "lora_" in name
