"""The model that the user asked for: loaded, able to do what is asked, and on record."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, cast

if TYPE_CHECKING:
    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.model.cell_text_model import CellTextModel

__all__ = [
    "is_published",
    "load",
    "load_any",
    "load_judging",
    "model_described",
    "model_params",
    "with_text",
]


def load(model: Model | EncoderModel | str | Path | None) -> Model:
    """Load the model that the user asked for, for tools that read or write text.

    Parameters
    ----------
    model
        Name or path of a model, a model, or `None` for the default one.

    Raises
    ------
    ValueError
        If it is an encoder without text side.
    """
    return with_text(load_any(model))


def load_any(model: Model | EncoderModel | str | Path | None) -> Model | EncoderModel:
    """Load the model or encoder that the user asked for.

    Parameters
    ----------
    model
        Name or path of a model, a model, or `None` for the default one.
    """
    from scmmgpt_tl import load_model

    match model:
        case None:
            return load_model()
        case str() | Path():
            return load_model(model)
        case _:
            return model


def load_judging(
    model: Model | EncoderModel | str | Path | None,
) -> Model | EncoderModel:
    """Load the model that the user asked for, for a tool that scores labels.

    Parameters
    ----------
    model
        Name or path of a model, a model, or `None` for the default one.

    Raises
    ------
    ValueError
        If it is an encoder without text side.
    """
    loaded = load_any(model)
    return loaded if is_published(loaded) else with_text(loaded)


def is_published(model: Model | EncoderModel) -> TypeGuard[CellTextModel]:
    """Tell whether a model compares cells with texts by a published rule of its own."""
    # By a word of its own: importing the class would bring torch along.
    return hasattr(model, "zero_shot")


def with_text(model: Model | EncoderModel) -> Model:
    """Refuse what has no text side, or too little of it.

    Parameters
    ----------
    model
        A model that was loaded.

    Raises
    ------
    ValueError
        If it is an encoder without text side, or one that only compares cells with labels.
    """
    if is_published(model):
        msg = (
            f"{model.name} compares cells with texts: it embeds cells (`scmm.tl.embed`) and scores "
            "labels (`scmm.tl.annotate`), and does nothing else. Leave `model` out, or name one "
            "that can, such as 'default'."
        )
        raise ValueError(msg)
    if not hasattr(model, "embed_text"):
        msg = (
            f"{model.name} has no text side: it is a published cell encoder, which embeds cells "
            "(`scmm.tl.embed`) and can neither read nor write text. Leave `model` out, or name one "
            "that can, such as 'default'."
        )
        raise ValueError(msg)
    return cast("Model", model)


def model_params(model: Model | EncoderModel) -> dict[str, str | None]:
    """Record which model a result comes from, and which version of the package.

    Parameters
    ----------
    model
        The model.
    """
    return {
        "model": model.name,
        "revision": model.revision,
        "sha256": model.sha256,
        "version": version("scmmgpt-tl"),
    }


def model_described(model: Model | EncoderModel) -> dict[str, str | None]:
    """Tell what must be the same wherever cells of one run are read: the model and its precision.

    Parameters
    ----------
    model
        The model.
    """
    return {**model_params(model), "dtype": str(model.dtype)}
