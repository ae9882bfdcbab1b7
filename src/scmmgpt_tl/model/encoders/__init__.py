"""Cell encoders: one file or folder each, holding its tokenizer and its network.

The protocol is two calls: ``tokenizer(rows) -> GeneTokens`` (numpy only) and
``encoder(tokens) -> states, mask`` with ``states`` of shape (cells, states, width). Our own encoder
is also told which genes were measured, ``encoder(tokens, measured)``; published ones take a gene
that was not for a silent one. These have a third call, ``encoder.pool(states, mask, tokens) ->
cells``, a reader of the folder they were published as, and a row in :mod:`.published`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scmmgpt_tl.model.config import EncoderConfig

    from .geneset import GeneSetEncoder, GeneSetTokenizer

__all__ = ["build_encoder", "build_tokenizer"]


def build_encoder(config: EncoderConfig) -> GeneSetEncoder:
    """Return the untrained network that ``config.kind`` names."""
    from .geneset import GeneSetEncoder

    _require_known(config)
    return GeneSetEncoder(config)


def build_tokenizer(config: EncoderConfig) -> GeneSetTokenizer:
    """Return the tokenizer that goes with ``config.kind``."""
    from .geneset import GeneSetTokenizer

    _require_known(config)
    return GeneSetTokenizer()


def _require_known(config: EncoderConfig) -> None:
    if config.kind != "geneset":
        msg = f"`encoder.kind` is {config.kind!r}; this version of scmmgpt-tl knows 'geneset'."
        raise ValueError(msg)
