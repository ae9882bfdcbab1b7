"""A smaller vocabulary for the text decoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def trim_tokenizer(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[Tokenizer, list[int]]:
    """Keep the tokens of a byte-level BPE that `texts` need, and everything they are merged from.

    Single bytes and special tokens always stay, so any text can still be written.

    Returns
    -------
    The smaller tokenizer, and the old ids in the order of the new ones.
    """
    raw = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = raw["model"]["vocab"]
    merges = [
        tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in raw["model"]["merges"]
    ]
    special = {token["content"] for token in raw["added_tokens"]} & set(vocabulary)
    alphabet = {token for token in vocabulary if len(token) == 1}
    by_id = {i: token for token, i in vocabulary.items()}
    used = {i for text in texts for i in tokenizer.encode(text).ids}
    needed = _with_parts({by_id[i] for i in used if i in by_id}, merges) | special | alphabet
    kept = sorted(vocabulary[token] for token in needed)
    place = {by_id[old]: new for new, old in enumerate(kept)}
    raw["model"]["vocab"] = place
    raw["model"]["merges"] = [[a, b] for a, b in merges if {a, b, a + b} <= needed]
    raw["added_tokens"] = [
        {**token, "id": place[token["content"]]}
        for token in raw["added_tokens"]
        if token["content"] in place
    ]
    return Tokenizer.from_str(json.dumps(raw)), kept


def _with_parts(tokens: Iterable[str], merges: Sequence[tuple[str, ...]]) -> set[str]:
    """Tokens and, through all their merges, everything they are made of."""
    made_from = {left + right: (left, right) for left, right in reversed(merges)}
    found: set[str] = set()
    waiting = list(tokens)
    while waiting:
        token = waiting.pop()
        if token not in found:
            found.add(token)
            waiting.extend(made_from.get(token, ()))
    return found
