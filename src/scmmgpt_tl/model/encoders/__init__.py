"""Cell encoders: one file or folder each, holding its tokenizer and its network.

The protocol is two calls: ``tokenizer(rows) -> GeneTokens`` (numpy only) and
``encoder(tokens) -> states, mask`` with ``states`` of shape (cells, states, width). Our own encoder
is also told which genes were measured, ``encoder(tokens, measured)``; published ones take a gene
that was not for a silent one. These have a third call, ``encoder.pool(states, mask, tokens) ->
cells``, a reader of the folder they were published as, and a row in :mod:`.published`. Where the
first state is all that ``pool`` looks at, ``pools_first`` says so, and ``encoder(tokens,
n_places=1)`` spares the rest.

The cell encoder of a model is our own, or a published one in an
:class:`~scmmgpt_tl.model.adopted_encoder.AdoptedEncoder`. Both are called ``encoder(tokens,
measured)``, carry their ``tokenizer`` of counts over the model's genes, and have vectors of these
genes, ``genes.weight``, that the expression decoder asks with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from scmmgpt_tl.model.config import OWN, AdoptedConfig

if TYPE_CHECKING:
    from scmmgpt_tl.model.adopted_encoder import AdoptedEncoder
    from scmmgpt_tl.model.config import EncoderConfig
    from scmmgpt_tl.model.matched_tokenizer import MatchedTokenizer

    from .geneset import GeneSetEncoder

    CellEncoder: TypeAlias = GeneSetEncoder | AdoptedEncoder

__all__ = ["build_encoder"]


def build_encoder(
    config: EncoderConfig | AdoptedConfig, tokenizer: MatchedTokenizer | None = None
) -> CellEncoder:
    """Return the untrained cell encoder of a model.

    Parameters
    ----------
    config
        Which one, and its sizes.
    tokenizer
        Of a published one; our own needs none.

    Raises
    ------
    ValueError
        If the kind is unknown, or a published encoder comes without tokenizer.
    """
    from .geneset import GeneSetEncoder

    if not isinstance(config, AdoptedConfig):
        if config.kind != OWN:
            msg = f"`encoder.kind` is {config.kind!r}; this version of scmmgpt-tl knows {OWN!r}."
            raise ValueError(msg)
        return GeneSetEncoder(config)
    from scmmgpt_tl.model.adopted_encoder import AdoptedEncoder

    if tokenizer is None or tokenizer.kind != config.kind:
        found = "none" if tokenizer is None else f"that of {tokenizer.kind!r}"
        msg = f"The cell encoder is of kind {config.kind!r} and needs its tokenizer; found {found}."
        raise ValueError(msg)
    if len(tokenizer.columns) != config.n_genes:
        msg = (
            f"The tokenizer of the cell encoder reads {len(tokenizer.columns)} genes where the "
            f"model has {config.n_genes}."
        )
        raise ValueError(msg)
    return AdoptedEncoder(config, tokenizer)
