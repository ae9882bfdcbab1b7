"""Language models of any family that transformers knows, built from their `config.json` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoModelForCausalLM,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from transformers import PretrainedConfig, PreTrainedModel

    from .config import DecoderConfig

# Keys that choose among ways to compute, which may be code in a place to fetch it from.
_CHOICES = ("attn_implementation", "experts_implementation")
# Ways that transformers has by itself.
_BUILT_IN = {"eager", "sdpa", "flash_attention_2", "flash_attention_3", "flash_attention_4"}
_BUILT_IN |= {"flex_attention", "paged|eager", "batched_mm", "grouped_mm"}


def build_language_model(config: DecoderConfig) -> PreTrainedModel:
    """Build the network of a text decoder, with random weights in float32.

    Raises
    ------
    ValueError
        If the config is not one of a language model that writes, or brings code along.
    """
    return from_config(read_config(config.hf, source="`hf` of the text decoder"))


def from_config(config: PretrainedConfig) -> PreTrainedModel:
    """Build a language model of transformers, with random weights in float32."""
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)


def read_config(raw: Mapping[str, Any], *, source: str) -> PretrainedConfig:
    """Read the `config.json` of a language model.

    Parameters
    ----------
    raw
        Its content.
    source
        Where it comes from, for the message.

    Raises
    ------
    ValueError
        If transformers does not know the family, or it writes no text; if the config brings code
        along, or is of weights that are quantised already.

    Examples
    --------
    >>> read_config({"model_type": "gpt2", "n_layer": 2}, source="it").num_hidden_layers
    2
    """
    if code := sorted({key for key, value in _entries(raw) if _is_code(key, value)}):
        msg = (
            f"{source} names code to run ({', '.join(code)}), which is never done. Remove the entry "
            "if transformers knows the model without it, or take another model."
        )
        raise ValueError(msg)
    if raw.get("quantization_config"):
        msg = f"{source} is of weights that are quantised already. Take the model as it was before."
        raise ValueError(msg)
    kind = str(raw.get("model_type"))
    if not _writes(kind):
        msg = (
            f"{source} says model_type {kind!r}, which is no language model that transformers can "
            "continue a text with. Take a causal one, such as a Llama, Qwen, GPT-2 or OPT."
        )
        raise ValueError(msg)
    try:
        # Without the choices: what is not installed here would be fetched, or fail.
        return CONFIG_MAPPING[kind].from_dict(_without_choices(raw))
    except Exception as error:
        # Each family checks its values in its own way.
        msg = f"{source} is not the config of a {kind!r} ({error}). Get the file again."
        raise ValueError(msg) from error


def _writes(kind: str) -> bool:
    if kind not in CONFIG_MAPPING:
        return False
    known = CONFIG_MAPPING[kind]
    # Families that fill gaps read in both directions, or are told what to write by an encoder.
    return known in MODEL_FOR_CAUSAL_LM_MAPPING and known not in MODEL_FOR_MASKED_LM_MAPPING


def _entries(raw: Any) -> Iterator[tuple[str, Any]]:
    match raw:
        case dict():
            for key, value in raw.items():
                yield str(key), value
                yield from _entries(value)
        case list():
            for value in raw:
                yield from _entries(value)


def _is_choice(key: str) -> bool:
    return key.strip("_").startswith(_CHOICES)


def _is_code(key: str, value: Any) -> bool:
    if key.strip("_").startswith("auto_map"):
        return True
    # A choice may be one for each part of the model.
    texts = value.values() if isinstance(value, dict) else [value]
    return _is_choice(key) and any(isinstance(x, str) and x not in _BUILT_IN for x in texts)


def _without_choices(raw: Any) -> Any:
    match raw:
        case dict():
            return {k: _without_choices(v) for k, v in raw.items() if not _is_choice(str(k))}
        case list():
            return [_without_choices(value) for value in raw]
    return raw
