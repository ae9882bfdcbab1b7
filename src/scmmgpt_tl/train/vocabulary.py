"""A smaller vocabulary for the text decoder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a text decoder.

    Parameters
    ----------
    tokenizer
        Cuts texts into them.
    eos
        Id of the token that ends a text.
    kept
        Old ids in the order of the new ones; `None` where all words were kept.
    """

    tokenizer: Tokenizer
    eos: int
    kept: list[int] | None


def trim_tokenizer(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[Tokenizer, list[int]]:
    """Keep the tokens of a byte-level BPE that `texts` need, and everything they are merged from.

    Single bytes and special tokens always stay, so any text can still be written.

    Returns
    -------
    The smaller tokenizer, and the old ids in the order of the new ones.

    Raises
    ------
    ValueError
        If the tokenizer is of another kind.
    """
    raw = json.loads(tokenizer.to_str())
    if raw["model"]["type"] != "BPE" or "ByteLevel" not in json.dumps(raw["decoder"]):
        msg = (
            f"`trim_vocabulary`: tokenizer.json is a {raw['model']['type']}, and only byte-level BPEs "
            "can be trimmed. Leave it out to keep all words."
        )
        raise ValueError(msg)
    vocabulary: dict[str, int] = raw["model"]["vocab"]
    merges = [
        tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in raw["model"]["merges"]
    ]
    added = {token["content"]: token["id"] for token in raw["added_tokens"]}
    special = added.keys() & vocabulary.keys()
    alphabet = {token for token in vocabulary if len(token) == 1}
    by_id = {i: token for token, i in vocabulary.items()}
    used = {i for text in texts for i in tokenizer.encode(text).ids}
    needed = _with_parts({by_id[i] for i in used if i in by_id}, merges) | special | alphabet
    kept = sorted(vocabulary[token] for token in needed)
    raw["model"]["vocab"] = {by_id[old]: new for new, old in enumerate(kept)}
    # Special tokens that are no words of the BPE are numbered behind them.
    kept += sorted(i for token, i in added.items() if token not in vocabulary)
    place = {old: new for new, old in enumerate(kept)}
    raw["model"]["merges"] = [[a, b] for a, b in merges if {a, b, a + b} <= needed]
    raw["added_tokens"] = [
        {**token, "id": place[token["id"]]}
        for token in sorted(raw["added_tokens"], key=lambda token: place[token["id"]])
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
