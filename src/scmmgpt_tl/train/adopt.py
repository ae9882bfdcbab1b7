"""From the folder of a published encoder to the cell encoder of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from scmmgpt_tl.model.config import AdoptedConfig
from scmmgpt_tl.model.encoders.published import cell_part, reader, reader_of
from scmmgpt_tl.model.load_encoder import load_encoder
from scmmgpt_tl.model.matched_tokenizer import MatchedTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scmmgpt_tl.model.encoder_model import EncoderModel, Tokenizer
    from scmmgpt_tl.model.genes import GeneTable

    from .config import RunConfig
    from .encoder_entry import EncoderEntry

# Sizes that a run may still choose; the others are those of the published network.
FREE = ("width", "dropout")
FEWEST_KNOWN = 0.1


@dataclass(frozen=True, eq=False)
class Adopted:
    """A published encoder that is to be that of a run.

    Parameters
    ----------
    config
        What the model has to know of it.
    tokenizer
        From counts over the genes of the run to its tokens.
    network
        With the weights as they were published; to be copied, not to be changed.
    """

    config: AdoptedConfig
    tokenizer: MatchedTokenizer
    network: nn.Module


def adopt(config: RunConfig, genes: GeneTable) -> Adopted | None:
    """Read the published encoder that a run names, `None` where it has our own.

    Parameters
    ----------
    config
        The run.
    genes
        Its gene table.

    Raises
    ------
    FileNotFoundError
        If the folder, or a file in it, is missing.
    ValueError
        If the folder holds another encoder, or one that does not fit the run.
    """
    if config.encoder is None:
        return None
    model = _read(config.encoder)
    part = cell_part(model.kind)
    network = part.take(model.network)
    _refuse_unusable(network, config.encoder)
    tokenizer = MatchedTokenizer.between(
        genes,
        kind=model.kind,
        own=_shortened(model.tokenizer, config),
        table=model.genes,
    )
    _refuse_strangers(tokenizer, genes, model)
    sizes = part.write_sizes(network)
    return Adopted(
        AdoptedConfig(
            kind=model.kind,
            title=model.name,
            licence=model.licence,
            sha256=model.sha256,
            n_genes=len(genes),
            n_known=tokenizer.n_known,
            state_width=network.config.width,
            sizes=sizes,
            tuned=config.encoder_tuned,
            restriction=model.restriction or part.terms,
            **_free(config.architecture.get("encoder", {}), model),
        ),
        tokenizer,
        network,
    )


def _read(entry: EncoderEntry) -> EncoderModel:
    folder = entry.folder
    if not folder.is_dir():
        msg = f"`encoder` names the folder {str(folder)!r}, which is not there."
        raise FileNotFoundError(msg)
    wanted, found = reader(entry.kind), reader_of(folder)
    if found is not wanted:
        there = sorted(path.name for path in folder.iterdir())
        holds = ", ".join(there[:8]) or "nothing"
        looks = f", and looks like {found.LAYOUT.partition(':')[0]}" if found else ""
        msg = (
            f"`encoder` names {entry.kind!r}, but {str(folder)!r} holds {holds}{looks}. "
            f"What was looked for is {wanted.LAYOUT}."
        )
        raise ValueError(msg)
    return load_encoder(folder, torch.device("cpu"), torch.float32)


def _shortened(tokenizer: Tokenizer, config: RunConfig) -> Tokenizer:
    if not config.encoder_tokens:
        return tokenizer
    if not hasattr(tokenizer, "max_length"):
        msg = (
            f"`encoder_tokens` is {config.encoder_tokens}, but this encoder reads all tokens of a "
            "cell. Leave `encoder_tokens` out."
        )
        raise ValueError(msg)
    if config.encoder_tokens > tokenizer.max_length:
        msg = (
            f"`encoder_tokens` is {config.encoder_tokens}; the encoder was published with at most "
            f"{tokenizer.max_length}."
        )
        raise ValueError(msg)
    try:
        return replace(tokenizer, max_length=config.encoder_tokens)  # type: ignore[type-var]
    except ValueError as error:
        msg = f"`encoder_tokens` is {config.encoder_tokens}, but needs room for a gene: {error}"
        raise ValueError(msg) from error


def _refuse_unusable(network: Any, entry: EncoderEntry) -> None:
    if getattr(network.config, "batch_norm", "") == "domain":
        msg = (
            f"`encoder` names {str(entry.folder)!r}, an encoder that normalises each batch it was "
            "trained on by itself, so that it cannot read other cells. Choose one that does not."
        )
        raise ValueError(msg)


def _refuse_strangers(tokenizer: MatchedTokenizer, genes: GeneTable, model: EncoderModel) -> None:
    if tokenizer.n_known < FEWEST_KNOWN * len(genes):
        msg = (
            f"`encoder`: {model.name} knows {tokenizer.n_known} of the {len(genes)} genes of the "
            f"run, such as {genes.symbols[0]!r}; its own are such as {model.genes.symbols[0]!r}. "
            "Check that both are human."
        )
        raise ValueError(msg)


def _free(sizes: Mapping[str, Any], model: EncoderModel) -> dict[str, Any]:
    if fixed := sorted(set(sizes) - set(FREE)):
        msg = (
            f"`architecture` gives {', '.join(fixed)} of the `encoder`, which {model.name} has of "
            f"its own. Leave all but {' and '.join(FREE)} out."
        )
        raise ValueError(msg)
    return dict(sizes)
