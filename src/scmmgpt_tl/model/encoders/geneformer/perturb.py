"""Genes taken out of cells, or put first: Geneformer's experiments without cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.model.tokens import GeneTokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model.encoder_model import EncoderModel
    from scmmgpt_tl.model.rank_tokenizer import RankTokenizer


def perturb(
    model: EncoderModel,
    tokens: GeneTokens,
    *,
    deleted: Sequence[str] = (),
    overexpressed: Sequence[str] = (),
) -> GeneTokens:
    """Change the tokens of cells as if genes were knocked out, or expressed above all others.

    Parameters
    ----------
    model
        A Geneformer.
    tokens
        Cells, from `model.tokenizer`.
    deleted
        Symbols or Ensembl ids of genes whose tokens are taken out.
    overexpressed
        Symbols or Ensembl ids of genes that come first in every cell, in this order, whether the
        cell expresses them or not. Genes at the end give way where there are too many.

    Returns
    -------
    Tokens to hand to `model.encode_tokens`, and to compare with those of the unchanged cells.

    Raises
    ------
    ValueError
        If the model does not know a gene, or one is named twice.
    """
    tokenizer: RankTokenizer = model.tokenizer  # type: ignore[assignment]
    out, first = (_tokens_of(model, names) for names in (deleted, overexpressed))
    named = np.concatenate([out, first])
    if len(set(named.tolist())) < len(named):
        msg = "Each gene may be named once, as deleted or as overexpressed."
        raise ValueError(msg)
    before = [] if tokenizer.cls is None else [tokenizer.cls]
    after = [] if tokenizer.eos is None else [tokenizer.eos]
    ids, offsets = tokens.gene_ids.numpy(), tokens.offsets.numpy()
    room = tokenizer.max_length - len(before) - len(after)
    cells = []
    for start, stop in zip(offsets[:-1] + len(before), offsets[1:] - len(after), strict=True):
        own = ids[start:stop]
        genes = np.concatenate([first, own[~np.isin(own, named)]])[:room]
        cells.append(np.concatenate([before, genes, after]).astype(np.int64))
    lengths = [len(cell) for cell in cells]
    changed = np.concatenate([*cells, np.empty(0, np.int64)])
    # Of the order alone the network reads; the values of unchanged cells would mean nothing here.
    values = np.zeros(len(changed), dtype=np.float32)
    return GeneTokens.from_numpy(changed, values, np.cumsum([0, *lengths], dtype=np.int64))


def _tokens_of(model: EncoderModel, names: Sequence[str]) -> NDArray[np.int64]:
    genes, tokenizer = model.genes, model.tokenizer
    found = []
    for name in names:
        place = genes.by_symbol.get(name, genes.by_ensembl.get(name, genes.by_alias.get(name)))
        if place is None:
            msg = f"{model.name} does not know the gene {name!r}."
            raise ValueError(msg)
        found.append(tokenizer.token_ids[place])  # type: ignore[attr-defined]
    return np.array(found, dtype=np.int64)
