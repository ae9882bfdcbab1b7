"""The table of published encoders: a row each, and how a folder finds its row."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from pathlib import Path

    from scmmgpt_tl.model.cell_part import CellPart
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
    """What a module of the table offers.

    One whose encoder can become that of a model of ours offers a `CellPart` too, under `CELLS`.
    """

    LAYOUT: str
    """What a folder holds, in words."""

    def signs(self, folder: Path) -> list[str]:
        """Name the files of a folder, whole or not, that speak for this encoder.

        A single file may be given, too: that of an encoder whose weights can stand for its folder.
        """

    def read(self, folder: Path) -> EncoderParts:
        """Read what `signs` knew; what is missing or wrong is an error that says so."""


def cell_part(kind: str) -> CellPart:
    """Return what a kind of encoder needs to become the cell encoder of a model of ours.

    Raises
    ------
    ValueError
        If there is no such kind, or it cannot.
    """
    if kind not in adoptable():
        msg = (
            f"There is no cell encoder of the kind {kind!r}. This version of scmmgpt-tl knows "
            f"'geneset', its own, and the published {', '.join(map(repr, adoptable()))}."
        )
        raise ValueError(msg)
    found: CellPart = import_module(READERS[kind]).CELLS
    return found


@cache
def adoptable() -> tuple[str, ...]:
    """Return the kinds that can become the cell encoder of a model of ours."""
    return tuple(kind for kind, name in READERS.items() if hasattr(import_module(name), "CELLS"))


def reader(kind: str) -> Reader:
    """Return the reader of a kind."""
    return cast("Reader", import_module(READERS[kind]))


def reader_of(folder: Path) -> Reader | None:
    """Return the reader that most files of a folder speak for, if any does."""
    found = [(len(one.signs(folder)), one) for one in map(reader, READERS)]
    most, best = max(found, key=lambda pair: pair[0])
    return best if most else None


def layouts() -> str:
    """Say what the folders of all encoders hold."""
    return "; ".join(reader(kind).LAYOUT for kind in READERS)
