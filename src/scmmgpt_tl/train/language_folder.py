"""A language model on disk: a Hugging Face folder, or a GGUF file that becomes one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from scmmgpt_tl.model.language_model import read_config

from .pretrained import read_pretrained, read_raw_config

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PretrainedConfig, PreTrainedModel

KEY = "language_model"


def read_language_model(folder: Path, *, bits: int = 32) -> PreTrainedModel:
    """Read a language model.

    Parameters
    ----------
    folder
        Hugging Face folder.
    bits
        Of each weight of a linear map: 32, or 8 or 4, which bitsandbytes then computes with.

    Raises
    ------
    FileNotFoundError
        If the folder lacks its config or weights.
    ImportError
        If bitsandbytes is needed, and not there.
    ValueError
        If the weights are damaged or not whole, or the platform cannot hold them in few bits.
    """
    options: dict[str, Any] = {} if bits == 32 else {"quantization_config": _few_bits(bits)}
    config = read_folder_config(folder)
    return read_pretrained(AutoModelForCausalLM, folder, key=KEY, config=config, **options)


def read_folder_config(folder: Path) -> PretrainedConfig:
    """Read the config of a language model.

    Raises
    ------
    FileNotFoundError
        If the folder has none.
    ValueError
        If it is not one of a language model, or brings code along.
    """
    raw = read_raw_config(folder, key=KEY)
    config = read_config(raw, source=f"`{KEY}`: config.json in {folder}")
    if not (hasattr(config, "num_hidden_layers") and hasattr(config, "vocab_size")):
        msg = (
            f"`{KEY}`: {folder} holds a {config.model_type!r}, which is more than a language model. "
            "Give its text part as a folder of its own."
        )
        raise ValueError(msg)
    return config


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read the words of a language model, without what its tokenizer puts around a text.

    Raises
    ------
    FileNotFoundError
        If the folder has no `tokenizer.json`.
    ValueError
        If it is damaged.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        msg = (
            f"`{KEY}`: {folder} lacks tokenizer.json. `AutoTokenizer` of transformers writes it: "
            "`from_pretrained(...).save_pretrained(...)`."
        )
        raise FileNotFoundError(msg)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises bare exceptions.
        msg = f"`{KEY}`: {path} is no tokenizer ({error}). Get the file again."
        raise ValueError(msg) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # A text begins with the cell, not with a token that some families put before every piece.
    tokenizer.post_processor = None
    return tokenizer


def convert_gguf(folder: Path, gguf: str, target: Path) -> None:
    """Turn a GGUF file of a language model into a Hugging Face folder (bfloat16).

    Parameters
    ----------
    folder, gguf
        Where the file lies, and its name.
    target
        Folder to write `config.json`, `model.safetensors` and `tokenizer.json` to.

    Notes
    -----
    A model that transformers read from GGUF cannot save itself; its state dict can.
    """
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf, dtype=torch.bfloat16)
    target.mkdir(parents=True, exist_ok=True)
    save_file(own_weights(model), target / "model.safetensors", metadata={"format": "pt"})
    # The model's own says how the file was quantised, which these weights no longer are.
    AutoConfig.from_pretrained(folder, gguf_file=gguf).to_json_file(target / "config.json")
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf)
    tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))


def own_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Return the weights of a language model, without the table that it shares with its words."""
    shared = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    return {k: v.contiguous() for k, v in model.state_dict().items() if k not in shared}


def _few_bits(bits: int) -> BitsAndBytesConfig:
    if find_spec("bitsandbytes") is None:
        msg = (
            f"`language_model_bits: {bits}` needs bitsandbytes, which is made for GPUs: "
            "`pip install bitsandbytes`. Without it, set `language_model_bits` to 32."
        )
        raise ImportError(msg)
    return BitsAndBytesConfig(load_in_8bit=bits == 8, load_in_4bit=bits == 4)
