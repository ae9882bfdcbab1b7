"""From a name, a folder or a hub id to a model that is ready to run."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError

from scmmgpt_tl._warnings import warn

from . import _hub
from .adopted_encoder import PUBLISHED
from .bundle import read_bundle, read_config
from .checkpoint import UNFORESEEN
from .config import AdoptedConfig, ModelConfig
from .load_encoder import is_bundle, load_encoder
from .model import Model
from .quantize import quantize
from .scmmgpt import ScMMGPT
from .state import distinct_state, load_strict
from .words import read_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from .bundle import BundleFiles
    from .encoder_model import EncoderModel

DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_DECODER_PREFIX = "text_decoder."
_ENCODER_PREFIX = f"cell_encoder.{PUBLISHED}."
_EMBEDDINGS = "label_embeddings"
_STEMS = ("network", "decoder", "labels")
_ENCODER_STEM = "encoder"
# Two threads that ask for one model get one model.
_LOCK = Lock()


def load_model(
    name: str | PathLike[str] = "default",
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    cache_dir: str | PathLike[str] | None = None,
    offline: bool = False,
) -> Model | EncoderModel:
    """Load a model; a second call for the same one returns the first one's result.

    Parameters
    ----------
    name
        ``"default"`` (ships with the package), the path of a bundle or of an encoder as it was
        published (of the authors' scMMGPT also that of its ``.ckpt``), or ``"owner/name"`` on the
        Hugging Face hub. A path that exists is always read as such, without any network.
    revision
        Branch, tag or commit on the hub. Elsewhere the revision that the bundle must have.
    device
        For example ``"cpu"`` or ``"cuda:1"``; by default the first of CUDA, MPS and CPU there is.
    dtype
        ``"float32"``, ``"bfloat16"`` or ``"float16"``, in which cells are encoded; by default
        bfloat16 on CUDA cards that have it, and float32 elsewhere.
    cache_dir
        Where downloads are kept.
    offline
        Whether to use downloaded models only.

    Raises
    ------
    FileNotFoundError
        If there is no such model, here or on the hub, or a file of it is missing.
    ValueError
        If the bundle is damaged or does not fit, or ``device`` or ``dtype`` is not to be had.
    """
    chosen_device = pick_device(device)
    chosen_dtype = pick_dtype(dtype, chosen_device)
    folder, link_root = _locate(name, revision, cache_dir=cache_dir, offline=offline)
    if not is_bundle(folder):
        with _LOCK:
            return load_encoder(folder, chosen_device, chosen_dtype)
    sha256 = read_config(folder, link_root=link_root)["sha256"]
    with _LOCK:
        return _load(folder, link_root, sha256, chosen_device, chosen_dtype)


def bundle_tensors(
    network: ScMMGPT, label_embeddings: NDArray[np.float32], *, min_size: int = 65_536
) -> dict[str, dict[str, torch.Tensor]]:
    """Return the ``tensors`` of :func:`~scmmgpt_tl.model.bundle.write_bundle`, quantised.

    A published cell encoder stays in full precision: what was not trained is as it was published.

    Parameters
    ----------
    network
        Trained network.
    label_embeddings
        Unit vectors of the labels, (labels, projection); they stay float32.
    min_size
        Smallest matrix that becomes int8.
    """
    state = distinct_state(network)
    published = {key: state.pop(key) for key in list(state) if key.startswith(_ENCODER_PREFIX)}
    parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "decoder": {}}
    for key, tensor in quantize(state, min_size=min_size).items():
        parts["decoder" if key.startswith(_DECODER_PREFIX) else "network"][key] = tensor
    if published:
        parts[_ENCODER_STEM] = published
    return parts | {"labels": {_EMBEDDINGS: torch.tensor(label_embeddings, dtype=torch.float32)}}


def pick_device(name: str | None) -> torch.device:
    """Return the device of a name, or the best one there is.

    Raises
    ------
    ValueError
        If torch does not know the name, or cannot reach the device.
    """
    if name is None or name == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        msg = f"`device` {name!r} cannot be used: {error}. Choose another, such as 'cpu'."
        raise ValueError(msg) from error
    return device


def pick_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """Return the precision of a name, or the one that suits the device.

    Raises
    ------
    ValueError
        If the name is none of the three.
    """
    if name is None or name == "auto":
        brain = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if brain else torch.float32
    if name not in DTYPES:
        msg = f"`dtype` must be one of {', '.join(DTYPES)}, found {name!r}."
        raise ValueError(msg)
    return DTYPES[name]


def _locate(
    name: str | PathLike[str],
    revision: str | None,
    *,
    cache_dir: str | PathLike[str] | None,
    offline: bool,
) -> tuple[Path, Path | None]:
    if name == "default":
        folder = Path(str(files("scmmgpt_tl").joinpath("models", "default")))
        return _pinned(folder, revision), None
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _pinned(folder.resolve(), revision), None
    if folder.exists():
        # Of a link, what goes with the file lies beside the link.
        return _pinned(folder.parent.resolve() / folder.name, revision), None
    if isinstance(name, str) and _hub.is_hub_id(name):
        return _hub.fetch(name, revision=revision, cache_dir=cache_dir, offline=offline)
    msg = (
        f"There is no model {os.fspath(name)!r}. Give 'default', the path of a bundle (a folder with "
        "config.json), or a hub id such as 'owner/name'."
    )
    raise FileNotFoundError(msg)


def _pinned(folder: Path, revision: str | None) -> Path:
    if revision is None:
        return folder
    if not is_bundle(folder):
        msg = f"{folder} is an encoder as published, which bears no revision. Leave `revision` out."
        raise ValueError(msg)
    if (found := read_config(folder)["revision"]) != revision:
        msg = f"{folder} holds revision {found!r} where `revision` asks for {revision!r}."
        raise ValueError(msg)
    return folder


@lru_cache(maxsize=4)
def _load(
    folder: Path, link_root: Path | None, sha256: str, device: torch.device, dtype: torch.dtype
) -> Model:
    # `sha256` is part of the key: a bundle that was replaced on disk is read anew.
    bundle = read_bundle(folder, link_root=link_root)
    config = ModelConfig.from_dict(bundle.config)
    _check_parts(bundle, config)
    if isinstance(config.encoder, AdoptedConfig) and config.encoder.restriction:
        warn(f"{bundle.name} holds {config.encoder.title}: {config.encoder.restriction}")
    return Model(
        name=bundle.name,
        revision=bundle.revision,
        sha256=bundle.sha256,
        licence=bundle.licence,
        config=config,
        network=_build(bundle, config).to(device),
        genes=bundle.genes,
        labels=bundle.labels,
        label_embeddings=bundle.tensors["labels"][_EMBEDDINGS].numpy(),
        calibration=bundle.calibration,
        markers=bundle.markers,
        sampling=bundle.sampling,
        text_tokenizer=read_tokenizer(bundle.text_tokenizer),
        decoder_tokenizer=read_tokenizer(bundle.decoder_tokenizer),
        device=device,
        dtype=dtype,
    )


def _build(bundle: BundleFiles, config: ModelConfig) -> ScMMGPT:
    tensors = {
        key: tensor
        for stem, state in bundle.tensors.items()
        if stem != "labels"
        for key, tensor in state.items()
    }
    _check_depth(bundle.config, len(tensors), source=str(bundle.folder))
    try:
        # Building draws weights that are overwritten at once; the user's random state stays.
        with torch.random.fork_rng(devices=[]):
            network = ScMMGPT(config, bundle.cell_tokenizer)
    except (StrictDataclassError, *UNFORESEEN) as error:
        msg = f"`architecture` in {bundle.folder / 'config.json'} is of no network: {error!r}."
        raise ValueError(msg) from error
    load_strict(network, tensors, source=str(bundle.folder))
    return network.eval().requires_grad_(requires_grad=False)


def _check_depth(architecture: Mapping[str, Any], n_tensors: int, *, source: str) -> None:
    """Refuse a network that would take for ever to build: each layer has a tensor at least."""
    for name, n_layers in _depths(architecture):
        if n_layers > n_tensors:
            msg = (
                f"`{name}` in config.json of {source} is {n_layers:,}, and its files have "
                f"{n_tensors:,} tensors. Get the bundle again."
            )
            raise ValueError(msg)


def _depths(part: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in part.items():
        if isinstance(value, dict):
            yield from _depths(value)
        elif isinstance(value, int) and ("layer" in name or "block" in name):
            yield name, value


def _check_parts(bundle: BundleFiles, config: ModelConfig) -> None:
    found = {stem: sorted(state) for stem, state in bundle.tensors.items()}
    adopted = isinstance(config.encoder, AdoptedConfig)
    stems = ((_ENCODER_STEM,) if adopted else ()) + _STEMS
    if sorted(found) != sorted(stems) or found["labels"] != [_EMBEDDINGS]:
        msg = (
            f"{bundle.folder} must hold {', '.join(f'{stem}.safetensors' for stem in stems)}, the "
            f"last with {_EMBEDDINGS!r} alone; found {sorted(found)}, {found.get('labels')}."
        )
        raise ValueError(msg)
    if isinstance(config.encoder, AdoptedConfig) and bundle.cell_tokenizer is None:
        msg = (
            f"{bundle.folder} lacks cell_tokenizer.json, which goes with the cell encoder "
            f"{config.encoder.title}. Get the bundle again."
        )
        raise ValueError(msg)
    sizes = {
        _EMBEDDINGS: (
            tuple(bundle.tensors["labels"][_EMBEDDINGS].shape),
            (len(bundle.labels), config.bridge.projection),
        ),
        "genes.tsv": (len(bundle.genes), config.encoder.n_genes),
    }
    for part, (actual, expected) in sizes.items():
        if actual != expected:
            msg = f"{part} of {bundle.folder} has size {actual} where {expected} is expected."
            raise ValueError(msg)
