"""The table of published encoders: a row each, and how a folder finds its row."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from pathlib import Path

    from scmmgpt_tl.model.encoder_model import EncoderParts

READERS: Final = {
    "scgpt": "scmmgpt_tl.model.encoders.scgpt.reader",
    "geneformer": "scmmgpt_tl.model.encoders.geneformer.reader",
    "langcell": "scmmgpt_tl.model.encoders.langcell.reader",
    # Made of an encoder and a bridge, so that it lies above the encoders.
    "scmmgpt": "scmmgpt_tl.model.official.reader",
    "scfoundation": "scmmgpt_tl.model.encoders.scfoundation.reader",
    "scbert": "scmmgpt_tl.model.encoders.scbert.reader",
}
"""Module that reads the published folder of an encoder, by the encoder's kind."""


class Reader(Protocol):
    """What a module of the table offers."""

    LAYOUT: str
    """What a folder holds, in words."""

    def signs(self, folder: Path) -> list[str]:
        """Name the files of a folder, whole or not, that speak for this encoder."""

    def read(self, folder: Path) -> EncoderParts:
        """Read a folder; what is missing or wrong is an error that says so."""


def reader_of(folder: Path) -> Reader | None:
    """Return the reader that most files of a folder speak for, if any does."""
    readers = [cast("Reader", import_module(name)) for name in READERS.values()]
    found = [(len(reader.signs(folder)), reader) for reader in readers]
    most, best = max(found, key=lambda pair: pair[0])
    return best if most else None


def layouts() -> str:
    """Say what the folders of all encoders hold."""
    return "; ".join(cast("Reader", import_module(name)).LAYOUT for name in READERS.values())
