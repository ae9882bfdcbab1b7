"""The network and its files. Modules here know torch, and nothing of AnnData or settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .encoder_model import EncoderModel
    from .load import load_model
    from .model import Model

__all__ = ["EncoderModel", "Model", "load_model"]


def __getattr__(name: str) -> Any:
    # Late, because the gene table lies here too and its readers do without torch.
    match name:
        case "Model":
            from .model import Model

            return Model
        case "EncoderModel":
            from .encoder_model import EncoderModel

            return EncoderModel
        case "load_model":
            from .load import load_model

            return load_model
        case _:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
