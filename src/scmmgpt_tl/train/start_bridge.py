"""Where the bridge starts: at a BERT, whose words it reads and whose layers its queries share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import CONFIG_MAPPING, AutoModel

from scmmgpt_tl.model.checkpoint import rename
from scmmgpt_tl.model.config import BridgeConfig
from scmmgpt_tl.model.words import read_words

from .pretrained import read_pretrained, read_raw_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenizers import Tokenizer
    from transformers import PretrainedConfig

    from scmmgpt_tl.model.bridge import Bridge

KEY = "bert"
# The bridge may stop before the last layer, and read shorter texts; all else is the BERT's.
_MAY_BE_LESS: Final = ("n_layers", "max_positions")


@dataclass(frozen=True)
class _Family:
    """What differs among BERTs: names of sizes and weights, and where places begin."""

    intermediate: str = "intermediate_size"
    activation: str = "hidden_act"
    eps: str = "layer_norm_eps"
    rules: tuple[tuple[str, str], ...] = ()
    after_padding: bool = False

    def first_place(self, config: PretrainedConfig) -> int:
        """Row of the position table that stands for the first place."""
        return config.pad_token_id + 1 if self.after_padding else 0


_ROBERTA = _Family(after_padding=True)
_DISTILBERT = _Family(
    intermediate="hidden_dim",
    activation="activation",
    eps="",
    rules=(
        (r"^transformer\.", "encoder."),
        (r"\.(\w)_lin\.", r".self.\1."),
        (r"\.self\.q\.", ".self.query."),
        (r"\.self\.k\.", ".self.key."),
        (r"\.self\.v\.", ".self.value."),
        (r"\.out_lin\.", ".output.dense."),
        (r"\.sa_layer_norm\.", ".attention.output.LayerNorm."),
        (r"\.ffn\.lin1\.", ".intermediate.dense."),
        (r"\.ffn\.lin2\.", ".output.dense."),
        (r"\.output_layer_norm\.", ".output.LayerNorm."),
    ),
)
FAMILIES: Final = {
    "bert": _Family(),
    "camembert": _ROBERTA,
    "distilbert": _DISTILBERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}
"""By `model_type`."""


def bridge_config(folder: Path, given: Mapping[str, Any]) -> BridgeConfig:
    """Return the sizes of a bridge that starts at a BERT.

    Parameters
    ----------
    folder
        Hugging Face folder of the BERT.
    given
        Values that differ from the BERT's or from the defaults: `architecture.bridge` of a run.

    Raises
    ------
    FileNotFoundError
        If the folder lacks its config or weights.
    ValueError
        If the network is of another family, or a value is not to be had from it.
    """
    if unknown := set(given) - {item.name for item in fields(BridgeConfig)}:
        msg = f"`architecture.bridge` has unknown keys {sorted(unknown)!r}."
        raise ValueError(msg)
    family, config = _read_config(folder)
    found = {
        "hidden": config.hidden_size,
        "n_layers": config.num_hidden_layers,
        "n_heads": config.num_attention_heads,
        "intermediate": getattr(config, family.intermediate),
        "vocabulary": config.vocab_size,
        "max_positions": config.max_position_embeddings - family.first_place(config),
        "activation": getattr(config, family.activation),
        "layer_norm_eps": getattr(config, family.eps, BridgeConfig.layer_norm_eps),
    }
    for name, value in found.items():
        wanted = given.get(name, value)
        less_is_fine = name in _MAY_BE_LESS and type(wanted) is int
        if wanted != value and not (less_is_fine and 0 < wanted < value):
            less = " or less" if name in _MAY_BE_LESS else ""
            msg = (
                f"`architecture.bridge.{name}` is {wanted!r}, but the BERT in `{KEY}` ({folder}) has "
                f"{value!r}. Leave it out or make it {value!r}{less}, or take another BERT."
            )
            raise ValueError(msg)
    return BridgeConfig(**found | dict(given))


def start_bridge(bridge: Bridge, folder: Path) -> None:
    """Copy a BERT (Hugging Face folder) into the text and query parts of a bridge.

    The query feed-forwards start as copies of the text's, as in BLIP-2; queries and
    cross-attention stay new. BERT's sentence-type vector is constant here, so it is folded into
    the position vectors. Heads of the BERT are left out.

    Raises
    ------
    FileNotFoundError
        If the folder lacks its config or weights.
    ValueError
        If the BERT does not fit the bridge, or its weights are not whole.
    """
    bridge_config(folder, asdict(bridge.config))
    family, config = _read_config(folder)
    # A sentence encoder may go without the layer that sums up a pair of sentences.
    bert = read_pretrained(AutoModel, folder, key=KEY, config=config, needless=["pooler."])
    state = rename(bert.state_dict(), family.rules, dropped=[r"pooler\."])
    first = family.first_place(config)
    positions = state["embeddings.position_embeddings.weight"][first:]
    positions = positions[: bridge.config.max_positions]
    if (kinds := state.get("embeddings.token_type_embeddings.weight")) is not None:
        positions = positions + kinds[:1]
    new = {
        "words.word_embeddings.weight": state["embeddings.word_embeddings.weight"],
        "words.position_embeddings.weight": positions,
        "qformer.layernorm.weight": state["embeddings.LayerNorm.weight"],
        "qformer.layernorm.bias": state["embeddings.LayerNorm.bias"],
    }
    for key, value in state.items():
        if not key.startswith("encoder.") or int(key.split(".")[2]) >= bridge.config.n_layers:
            continue
        target = "qformer." + key.replace("attention.self.", "attention.attention.")
        new[target] = value
        for part in ("intermediate", "output"):
            if f".{part}." in key and f"attention.{part}" not in key:
                new[target.replace(f".{part}.", f".{part}_query.")] = value
    _, unexpected = bridge.load_state_dict(new, strict=False)
    missing = [
        key
        for key in bridge.state_dict()
        if key.startswith(("qformer.", "words.")) and "crossattention" not in key and key not in new
    ]
    if unexpected or missing:
        msg = (
            f"BERT in {str(folder)!r} does not fit: missing {missing!r}, unexpected {unexpected!r}."
        )
        raise ValueError(msg)
    with torch.no_grad():
        torch.nn.init.orthogonal_(bridge.text_projection.weight)
        bridge.text_projection.bias.zero_()


def read_text_tokenizer(folder: Path) -> Tokenizer:
    """Return the BERT's tokenizer without its own padding and cutting: the model does both.

    Raises
    ------
    FileNotFoundError
        If the folder has none.
    ValueError
        If it is damaged, or has more words than the BERT.
    """
    _, config = _read_config(folder)
    tokenizer = read_words([folder], n_tokens=config.vocab_size)
    if tokenizer is None:
        msg = (
            f"`{KEY}`: {folder} has neither tokenizer.json nor vocab.txt. `AutoTokenizer` of "
            "transformers writes the former: `from_pretrained(...).save_pretrained(...)`."
        )
        raise FileNotFoundError(msg)
    return tokenizer


def _read_config(folder: Path) -> tuple[_Family, PretrainedConfig]:
    raw = read_raw_config(folder, key=KEY)
    kind, positions = raw.get("model_type"), raw.get("position_embedding_type", "absolute")
    if kind not in FAMILIES or positions != "absolute":
        found = repr(kind) if kind not in FAMILIES else f"{kind!r} with {positions} positions"
        msg = (
            f"`{KEY}`: {folder} holds a {found}; a bridge starts at one of {', '.join(FAMILIES)} "
            "with absolute positions."
        )
        raise ValueError(msg)
    try:
        return FAMILIES[kind], CONFIG_MAPPING[kind].from_dict(raw)
    except Exception as error:
        # Each family checks its values in its own way.
        msg = f"`{KEY}`: {folder} has a damaged config.json ({error}). Get the file again."
        raise ValueError(msg) from error
