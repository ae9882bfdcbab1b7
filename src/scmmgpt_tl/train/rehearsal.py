"""Whether a family of language models can write from vectors, seen before anything is learned."""

from __future__ import annotations

from copy import deepcopy
from functools import partial

import torch

from scmmgpt_tl.model.config import DecoderConfig
from scmmgpt_tl.model.language_model import from_config, read_config
from scmmgpt_tl.model.padding import pad_ids
from scmmgpt_tl.model.text_decoder import TextDecoder

from .language_folder import KEY
from .start_decoder import keep_layers

WORDS, LAYERS, WIDTH, END = 64, 2, 8, 2
PROMPTS, TEXT = ([5, 6, 7, 8, 9], [10]), [11, 12, END]


@torch.no_grad()
def rehearse(config: DecoderConfig) -> None:
    """Let the first layers of a language model, with random weights, learn from and write a text.

    Raises
    ------
    ValueError
        If the family does not take vectors for words, or a text depends on the padding before it.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            same = _same_alone(_small(config))
    except Exception as error:
        # Each family fails in its own way.
        raise ValueError(_refusal(config, f"it fails ({error})")) from error
    if not same:
        raise ValueError(_refusal(config, "what it writes depends on the padding of a batch"))


def _small(config: DecoderConfig) -> TextDecoder:
    whole = read_config(config.hf, source=f"`{KEY}`")
    kinds = getattr(whole, "layer_types", None) or []
    # Families of several kinds of layers may not run without one of each.
    layers = {*range(min(LAYERS, whole.num_hidden_layers)), *map(kinds.index, kinds)}
    small = keep_layers(deepcopy(whole), sorted(layers))
    small.vocab_size = WORDS
    small.bos_token_id = small.pad_token_id = None
    small.eos_token_id = END
    return TextDecoder(
        DecoderConfig(config.hf, END),
        query_width=WIDTH,
        language_model=from_config(small),
    ).eval()


def _same_alone(decoder: TextDecoder) -> bool:
    """Whether the shorter of two texts is the same without the longer one."""
    queries = torch.randn(2, 3, WIDTH)
    ids, mask = pad_ids([[*prompt, *TEXT] for prompt in PROMPTS], pad=END, left=True)
    target = torch.zeros_like(ids)
    target[1, -len(TEXT) :] = 1
    n = len(PROMPTS[1]) + len(TEXT)
    padded = decoder(queries, ids, mask, target)
    alone = decoder(queries[1:], ids[1:, -n:], mask[1:, -n:], target[1:, -n:])
    asked, of_asked = pad_ids(PROMPTS, pad=END, left=True)
    m, write = len(PROMPTS[1]), partial(decoder.generate, max_new_tokens=2, temperature=0.0)
    told = write(queries, asked, of_asked, generator=None)[1]
    told_alone = write(queries[1:], asked[1:, -m:], of_asked[1:, -m:], generator=None)[0]
    k = min(len(told), len(told_alone))
    return bool((padded - alone).abs() < 1e-4) and torch.equal(told[:k], told_alone[:k])


def _refusal(config: DecoderConfig, reason: str) -> str:
    return (
        f"`{KEY}` is a {config.hf['model_type']!r}, which cannot write from the vectors of a cell: "
        f"{reason}. Take another family, such as a Llama, Qwen, GPT-2 or OPT."
    )
