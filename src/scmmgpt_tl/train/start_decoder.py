"""Where the text decoder starts: at a language model, whole or cut to some layers and words."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from scmmgpt_tl.model.config import DecoderConfig
from scmmgpt_tl.model.language_model import from_config
from scmmgpt_tl.model.state import load_strict
from scmmgpt_tl.model.text_decoder import TextDecoder

from .language_folder import KEY, read_folder_config, read_language_model, read_tokenizer
from .vocabulary import Vocabulary, trim_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transformers import PretrainedConfig, PreTrainedModel

    from .config import RunConfig

# What `architecture.decoder` of a run may say; all else is the language model's own.
_CUTS = ("layers", "trim_vocabulary")
_EACH_LAYER = ("layer_types", "no_rope_layers", "attention_layers", "mlp_layer_types")


def read_vocabulary(config: RunConfig, texts: Iterable[str]) -> Vocabulary:
    """Return the words of a run's text decoder: the language model's, or what texts need of them.

    Raises
    ------
    FileNotFoundError
        If the language model has no `tokenizer.json`.
    ValueError
        If it is damaged, does not fit the language model, or cannot be trimmed.
    """
    folder = config.language_model
    whole = read_folder_config(folder)
    tokenizer = read_tokenizer(folder)
    eos = whole.eos_token_id
    eos = eos[0] if isinstance(eos, list) else eos
    if eos is None or tokenizer.id_to_token(eos) is None:
        msg = (
            f"`{KEY}`: config.json in {folder} says eos_token_id {eos!r}, which is no word of its "
            "tokenizer.json. Set it to the id of the token that ends a text."
        )
        raise ValueError(msg)
    if (largest := max(tokenizer.get_vocab().values())) >= whole.vocab_size:
        msg = (
            f"`{KEY}`: tokenizer.json in {folder} numbers words to {largest:,} where the language "
            f"model knows {whole.vocab_size:,}. Take both from the same place."
        )
        raise ValueError(msg)
    if not _cuts(config).get("trim_vocabulary", False):
        return Vocabulary(tokenizer, eos, None)
    small, kept = trim_tokenizer(tokenizer, texts)
    return Vocabulary(small, kept.index(eos), kept)


def decoder_config(config: RunConfig, words: Vocabulary) -> DecoderConfig:
    """Return the architecture of a run's text decoder.

    Raises
    ------
    FileNotFoundError
        If the folder of the language model lacks its config or weights.
    ValueError
        If it holds no language model, or not the layers that are wanted.
    """
    small = _cut_config(config, read_folder_config(config.language_model), words)
    raw = json.loads(small.to_json_string(use_diff=False))
    # Where it lay is of no matter, and nobody's business.
    return DecoderConfig(
        {k: v for k, v in raw.items() if not k.endswith("name_or_path")}, words.eos
    )


def start_decoder(config: RunConfig, words: Vocabulary, *, query_width: int) -> TextDecoder:
    """Return a text decoder with the weights of a run's language model.

    Parameters
    ----------
    config
        The run; its seed decides how what joins the language model to the cells starts.
    words
        Of :func:`read_vocabulary`.
    query_width
        Width of the query states it is told.

    Raises
    ------
    FileNotFoundError
        If the folder of the language model lacks its config or weights.
    ImportError
        If it is to be held in few bits, and bitsandbytes is not there.
    ValueError
        If its weights are damaged or not whole, or it cannot be cut as is wanted.
    """
    whole = read_folder_config(config.language_model)
    small = _cut_config(config, whole, words)
    model = read_language_model(config.language_model, bits=config.language_model_bits)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if _cuts(config):
            model = _cut(model, small, layers=_layers(config, whole), kept=words.kept)
        return TextDecoder(
            decoder_config(config, words), query_width=query_width, language_model=model
        )


def keep_layers(config: PretrainedConfig, layers: Sequence[int]) -> PretrainedConfig:
    """Cut the config of a language model to some of its layers, in place, and return it."""
    if len(layers) < (n := config.num_hidden_layers):
        config.num_hidden_layers = len(layers)
        # Some families say of each layer what kind it is.
        for name, value in list(vars(config).items()):
            if name.startswith(_EACH_LAYER) and isinstance(value, list) and len(value) == n:
                setattr(config, name, [value[i] for i in layers])
    return config


def _cuts(config: RunConfig) -> dict[str, Any]:
    cuts = config.architecture.get("decoder", {})
    if unknown := set(cuts) - set(_CUTS):
        msg = (
            f"`architecture.decoder` has unknown keys {sorted(unknown)!r}; it may say "
            f"{' and '.join(_CUTS)}, and sizes are those of `{KEY}`."
        )
        raise ValueError(msg)
    if not isinstance(trims := cuts.get("trim_vocabulary", False), bool):
        msg = f"`architecture.decoder.trim_vocabulary` must be true or false, found {trims!r}."
        raise ValueError(msg)
    return cuts


def _layers(config: RunConfig, whole: PretrainedConfig) -> list[int]:
    n: int = whole.num_hidden_layers
    layers: list[int] = _cuts(config).get("layers", list(range(n)))
    known = isinstance(layers, list) and [i for i in range(n) if i in layers]
    if not known or layers != known:
        msg = (
            f"`architecture.decoder.layers` must be some of 0 to {n - 1}, in order, which are the "
            f"layers of `{KEY}`; found {layers!r}."
        )
        raise ValueError(msg)
    return layers


def _cut_config(config: RunConfig, whole: PretrainedConfig, words: Vocabulary) -> PretrainedConfig:
    small = keep_layers(deepcopy(whole), _layers(config, whole))
    if words.kept is not None:
        small.vocab_size = len(words.kept)
        small.bos_token_id = small.pad_token_id = None
        small.eos_token_id = words.eos
    return small


def _cut(
    model: PreTrainedModel,
    config: PretrainedConfig,
    *,
    layers: Sequence[int],
    kept: Sequence[int] | None,
) -> PreTrainedModel:
    """Return a model of the config with some layers of another, and some rows of its vocabulary."""
    place = {layer: i for i, layer in enumerate(layers)}
    stack = _name_of_layers(model)
    tables = {id(table) for table in _tables(model)}
    state = {}
    for key, value in model.state_dict(keep_vars=True).items():
        name = key
        if key.startswith(stack):
            number, _, rest = key.removeprefix(stack).partition(".")
            if int(number) not in place:
                continue
            name = f"{stack}{place[int(number)]}.{rest}"
        rows = kept if kept is not None and id(value) in tables else slice(None)
        state[name] = value.detach()[rows]
    small = from_config(config)
    load_strict(small, state, source=f"`{KEY}`")
    return small


def _name_of_layers(model: PreTrainedModel) -> str:
    n = model.config.num_hidden_layers
    lists = ((k, m) for k, m in model.named_modules() if isinstance(m, nn.ModuleList))
    names = [name for name, module in lists if len(module) == n]
    if len(names) != 1:
        msg = (
            f"`architecture.decoder`: a {model.config.model_type!r} cannot be cut, as its layers are "
            f"not in one place. Leave {' and '.join(_CUTS)} out."
        )
        raise ValueError(msg)
    return f"{names[0]}."


def _tables(model: PreTrainedModel) -> list[nn.Parameter]:
    """Parameters with a row for each word."""
    out = model.get_output_embeddings()
    found = [model.get_input_embeddings().weight, out.weight, getattr(out, "bias", None)]
    return [table for table in found if table is not None]
