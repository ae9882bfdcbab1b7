"""Which published encoder a run takes for its cell encoder, as its config names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scmmgpt_tl.model.config import OWN
from scmmgpt_tl.model.encoders.published import adoptable

if TYPE_CHECKING:
    from pathlib import Path

_EXAMPLE = "geneformer@path/to/folder"


@dataclass(frozen=True)
class EncoderEntry:
    """A published encoder.

    Parameters
    ----------
    kind
        Which encoder.
    folder
        As it was published.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """

    kind: str
    folder: Path

    def __post_init__(self) -> None:
        if self.kind not in adoptable():
            msg = (
                f"`encoder` names the kind {self.kind!r}; {OWN!r} alone, or one of "
                f"{', '.join(adoptable())} with a folder, such as {_EXAMPLE!r}, is known."
            )
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str, *, here: Path) -> EncoderEntry | None:
        """Read `kind@folder`, relative to `here`; `None` for our own encoder.

        Raises
        ------
        ValueError
            If the text is anything else.
        """
        if text == OWN:
            return None
        kind, at, folder = text.partition("@")
        if not (at and folder):
            msg = (
                f"`encoder` must be {OWN!r}, or the kind and the folder of a published encoder such "
                f"as {_EXAMPLE!r}; found {text!r}."
            )
            raise ValueError(msg)
        return cls(kind, here / folder)
