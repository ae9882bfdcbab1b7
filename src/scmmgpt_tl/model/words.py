"""Texts to the word pieces that a published text encoder was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenizers import BertWordPieceTokenizer, Tokenizer

from .folder import read_json
from .padding import pad_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

BIOMED = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext"
"""Published text encoder that LangCell and scMMGPT began from; its vocabulary is theirs."""

_FILES = ("tokenizer.json", "vocab.txt")


@dataclass(frozen=True, eq=False)
class Words:
    """Cuts texts as a published model was trained to read them.

    Parameters
    ----------
    tokenizer
        Cuts a text into word pieces; `None` where no vocabulary was found.
    folder
        Where one was looked for.
    limit
        Most word pieces of a text; a longer one loses its end.
    framed
        Whether `[CLS]` and `[SEP]` stand around a text.
    """

    tokenizer: Tokenizer | None
    folder: Path
    limit: int = 512
    framed: bool = True

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokenise texts and pad them to the longest one.

        Returns
        -------
        Ids and mask, (texts, words) each; the mask is True where there is a word piece.

        Raises
        ------
        FileNotFoundError
            If no vocabulary was found.
        ValueError
            If nothing of a text is left to read.
        """
        if self.tokenizer is None:
            msg = (
                f"{self.folder} has no vocabulary of words, which was published apart from it. Put "
                f"{' or '.join(_FILES)} of {BIOMED} there to compare cells with texts."
            )
            raise FileNotFoundError(msg)
        rows = [self._cut(self.tokenizer, text) for text in texts]
        if not all(rows):
            msg = f"Nothing can be read in the text {texts[[bool(row) for row in rows].index(False)]!r}."
            raise ValueError(msg)
        ids, mask = pad_ids(rows)
        return ids, mask.bool()

    def _cut(self, tokenizer: Tokenizer, text: str) -> list[int]:
        ids = tokenizer.encode(text, add_special_tokens=self.framed).ids
        # What closes a text survives the cut.
        end = ids[-1:] if self.framed else []
        return ids if len(ids) <= self.limit else [*ids[: self.limit - len(end)], *end]


def read_words(folders: Sequence[Path], *, n_tokens: int) -> Tokenizer | None:
    """Read the vocabulary of a text encoder.

    Parameters
    ----------
    folders
        Where it may lie: the first file that is there is read.
    n_tokens
        Words that the network knows.

    Returns
    -------
    The tokenizer, or `None` if there is no file.

    Raises
    ------
    ValueError
        If the file is damaged, or has more words than the network.
    """
    paths = [folder / name for folder in folders for name in _FILES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    try:
        if path.suffix == ".json":
            tokenizer = Tokenizer.from_file(str(path))
        else:
            tokenizer = BertWordPieceTokenizer(str(path), lowercase=_lowers(path))._tokenizer
    except Exception as error:
        # The library raises bare exceptions.
        msg = f"{path} is not the vocabulary of a BERT ({error}). Get the file again."
        raise ValueError(msg) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if (size := tokenizer.get_vocab_size()) > n_tokens:
        msg = f"{path} has {size:,} words where the network knows {n_tokens:,}."
        raise ValueError(msg)
    return tokenizer


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer that the library itself has written.

    Raises
    ------
    ValueError
        If the file holds anything else.
    """
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises bare exceptions.
        msg = f"{path} is no tokenizer ({error}). Get the bundle again."
        raise ValueError(msg) from error


def _lowers(vocabulary: Path) -> bool:
    """Whether words are read in small letters, which BERT does unless a file beside it denies it."""
    path = vocabulary.with_name("tokenizer_config.json")
    return not path.is_file() or read_json(path).get("do_lower_case", True) is not False
