"""Starting weights of others: a Hugging Face folder, read by transformers and checked."""

from __future__ import annotations

from contextlib import contextmanager
from logging import CRITICAL
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers.utils import logging

from scmmgpt_tl.model.folder import first_file, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from transformers import AutoModel, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def read_raw_config(folder: Path, *, key: str) -> dict[str, Any]:
    """Read the `config.json` of a folder of starting weights.

    Parameters
    ----------
    folder
        Folder as it was published on the Hugging Face hub.
    key
        Of the run, for the message.

    Raises
    ------
    FileNotFoundError
        If there is none, or no weights beside it.
    ValueError
        If it is damaged, or the weights are changes to those of another folder.
    """
    if (folder / "adapter_config.json").exists():
        msg = (
            f"`{key}`: {folder} holds an adapter, which changes the weights of another folder. "
            "Merge the two (`merge_and_unload` of peft) and give the result."
        )
        raise ValueError(msg)
    try:
        first_file(folder, WEIGHTS)
        return read_json(first_file(folder, ["config.json"]))
    except FileNotFoundError as error:
        msg = (
            f"`{key}`: {error} It must be a folder as on the Hugging Face hub, with config.json, "
            "tokenizer.json and weights as safetensors."
        )
        raise FileNotFoundError(msg) from error


def read_pretrained(
    auto: type[AutoModel | AutoModelForCausalLM],
    folder: Path,
    *,
    key: str,
    config: PretrainedConfig,
    needless: Sequence[str] = (),
    **options: Any,
) -> PreTrainedModel:
    """Read a network with its weights; nothing in the folder is run.

    Parameters
    ----------
    auto
        What transformers is to make of it.
    folder
        The folder.
    key
        Of the run, for the messages.
    config
        Read from the folder before.
    needless
        Beginnings of the names of weights that may be missing.
    options
        For `from_pretrained`; weights are float32 without.

    Raises
    ------
    ValueError
        If weights are missing, of another shape or damaged, or would run code when read.
    """
    try:
        # Weights that are missing are drawn before they are found to be.
        with _quiet(), torch.random.fork_rng(devices=[]):
            model, found = cast("Any", auto).from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
                **({"dtype": torch.float32} | options),
            )
    except Exception as error:
        # Damaged files raise anything.
        reason = str(error).strip().splitlines()
        msg = (
            f"`{key}`: the weights in {folder} cannot be read ({reason[0] if reason else error!r}). "
            "Get them again, as safetensors; files that would run code are refused."
        )
        raise ValueError(msg) from error
    if missing := [name for name in found["missing_keys"] if not name.startswith(tuple(needless))]:
        msg = (
            f"`{key}`: the weights in {folder} lack {', '.join(sorted(missing)[:5])}, which its "
            "config.json speaks of. Get the folder again."
        )
        raise ValueError(msg)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Let transformers be still: what is left out and what is missing is judged here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
