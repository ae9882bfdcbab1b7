"""Ask single cells what they are: a cell and text model for AnnData, in scanpy's grammar."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, overload

from . import datasets, get, ontology, pl, pp, tl
from ._settings import settings

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from .model import EncoderModel, Model

__all__ = ["datasets", "get", "load_model", "ontology", "pl", "pp", "settings", "tl"]


def __getattr__(name: str) -> ModuleType:
    # Training brings torch along, which those who only look at their data need not wait for.
    if name == "train":
        return import_module(f"{__name__}.train")
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


@overload
def load_model(
    name: Literal["default"] = ...,
    *,
    revision: str | None = ...,
    device: str | None = ...,
    dtype: str | None = ...,
) -> Model: ...
@overload
def load_model(
    name: str | Path,
    *,
    revision: str | None = ...,
    device: str | None = ...,
    dtype: str | None = ...,
) -> Model | EncoderModel: ...
def load_model(
    name: str | Path = "default",
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
) -> Model | EncoderModel:
    """Load a model once, to hand it to several tools.

    The tools load the default model themselves; this is for those who want another model,
    another device, or the model's own methods.
    Nothing is fetched from the network where the model ships with the package or `name` is a folder.

    Parameters
    ----------
    name
        `"default"` for the model that ships with the package, the path of a bundle folder or of a
        published encoder (scGPT, Geneformer, LangCell and others) as its authors laid it out, of
        the authors' scMMGPT also that of its `.ckpt`, or the id of a bundle on the Hugging Face hub.
    revision
        Commit, tag or branch of a hub bundle.
    device
        For example `"cpu"` or `"cuda"`; by default what :attr:`settings` says, else the best there is.
    dtype
        `"float32"`, `"bfloat16"` or `"float16"`; by default what :attr:`settings` says, else what
        suits the device.

    Returns
    -------
    The model, in evaluation mode; a published encoder is an
    :class:`~scmmgpt_tl.model.EncoderModel`, which embeds cells; one that was trained with texts
    also scores labels.

    Raises
    ------
    FileNotFoundError
        If there is no such model, or its folder lacks a file; the message says which.
    ValueError
        If the folder is altered, does not fit together, or is not one this version can read.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> model = scmm.load_model(device="cpu")
    >>> model.name
    'scmmgpt-compact'
    """
    from .model import load_model as load

    return load(
        name,
        revision=revision,
        device=device or settings.device,
        dtype=dtype or settings.dtype,
        cache_dir=settings.cache_dir,
        offline=settings.offline,
    )
