"""Texts of different length as one rectangle of token ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer


def pad_texts(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    pad: int = 0,
    left: bool = False,
    limit: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokenise texts and pad them to the longest one.

    Parameters
    ----------
    tokenizer
        Cuts a text into tokens; its own padding and truncation must be off.
    texts
        Any number of texts.
    pad
        Id that fills the free places.
    left
        Whether the free places stand before the text rather than after it.
    limit
        Longest text in tokens; a longer one keeps its beginning and its very last token.

    Returns
    -------
    ids, mask
        Token ids and 1 where a token stands, 0 elsewhere; both (texts, tokens) int64.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"?": 0, "T": 1, "cell": 2}, unk_token="?"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> ids, mask = pad_texts(tokenizer, ["T cell", "cell"])
    >>> ids.tolist(), mask.tolist()
    ([[1, 2], [2, 0]], [[1, 1], [1, 0]])
    """
    rows = [_cut(tokenizer.encode(text).ids, limit) for text in texts]
    return pad_ids(rows, pad=pad, left=left)


def pad_ids(
    rows: Sequence[Sequence[int]], *, pad: int = 0, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what :func:`pad_texts` does with texts that are token ids already.

    Examples
    --------
    >>> ids, mask = pad_ids([[5, 6], [7]], pad=9, left=True)
    >>> ids.tolist(), mask.tolist()
    ([[5, 6], [9, 7]], [[1, 1], [0, 1]])
    """
    width = max(map(len, rows), default=0)
    ids = torch.full((len(rows), width), pad, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, place] = torch.tensor(row, dtype=torch.int64)
        mask[i, place] = 1
    return ids, mask


def _cut(ids: list[int], limit: int | None) -> list[int]:
    # The last token of a BERT text closes it ([SEP]) and must survive the cut.
    return ids if limit is None or len(ids) <= limit else [*ids[: limit - 1], ids[-1]]


def masked_mean(vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the vectors whose mask is not 0: (rows, n, width) and (rows, n) to (rows, width)."""
    weight = mask.unsqueeze(-1).to(vectors.dtype)
    return (vectors * weight).sum(1) / weight.sum(1).clamp_min(1)
