"""Starting weights: a sentence BERT for the bridge, a Llama for the text decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scmmgpt_tl.model.bridge import Bridge
    from scmmgpt_tl.model.text_decoder import TextDecoder


def start_bridge(bridge: Bridge, folder: Path) -> None:
    """Copy a BERT of the bridge's size (Hugging Face folder) into its text and query parts.

    The query feed-forwards start as copies of the text's, as in BLIP-2; queries and
    cross-attention stay new. BERT's sentence-type vector is constant here, so it is folded into
    the position vectors.

    Raises
    ------
    ValueError
        If a weight of the bridge's text part finds no counterpart.
    """
    bert = load_file(folder / "model.safetensors")
    positions = bert["embeddings.position_embeddings.weight"][: bridge.config.max_positions]
    new = {
        "words.word_embeddings.weight": bert["embeddings.word_embeddings.weight"],
        "words.position_embeddings.weight": positions
        + bert["embeddings.token_type_embeddings.weight"][:1],
        "qformer.layernorm.weight": bert["embeddings.LayerNorm.weight"],
        "qformer.layernorm.bias": bert["embeddings.LayerNorm.bias"],
    }
    for key, value in bert.items():
        if not key.startswith("encoder."):
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


def start_decoder(
    decoder: TextDecoder,
    weights: dict[str, torch.Tensor],
    *,
    layers: Sequence[int],
    kept: Sequence[int],
) -> None:
    """Copy chosen layers and vocabulary rows of a larger Llama into the decoder.

    Parameters
    ----------
    weights
        State dict of a `LlamaForCausalLM` of the same width.
    layers
        Layers to keep, in order; as many as the decoder has.
    kept
        Rows of the vocabulary to keep, in order.
    """
    place = {layer: i for i, layer in enumerate(layers)}
    new = {}
    for key, value in weights.items():
        parts = key.split(".")
        if parts[:2] == ["model", "layers"]:
            if int(parts[2]) in place:
                parts[2] = str(place[int(parts[2])])
                new[".".join(parts)] = value
        elif key == "model.embed_tokens.weight":
            # The output layer is tied to it.
            new[key] = new["lm_head.weight"] = value[list(kept)]
        else:
            new[key] = value
    decoder.llama.load_state_dict(new, strict=True)


def convert_llama(folder: Path, gguf: str, target: Path) -> None:
    """Turn a GGUF file of a Llama into `model.safetensors` (bfloat16) and `tokenizer.json`.

    Parameters
    ----------
    folder, gguf
        Where the file lies, and its name.
    target
        Folder to write the two files to.

    Notes
    -----
    A model that transformers read from GGUF cannot save itself; its state dict can.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    llama = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf, dtype=torch.bfloat16)
    state = {k: v.contiguous() for k, v in llama.state_dict().items() if k != "lm_head.weight"}
    target.mkdir(parents=True, exist_ok=True)
    save_file(state, target / "model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf)
    tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
