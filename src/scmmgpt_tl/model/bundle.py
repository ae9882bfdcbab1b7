"""One folder = one model: weights, tables, tokenizers, calibration and card.

``config.json`` names every other file with its size and SHA-256, and carries a SHA-256 of its own
content, which thereby stands for the whole model. Only ``.safetensors``, ``.json``, ``.tsv`` and
``.md`` are ever read, and nothing in them can run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from . import _files
from .calibration import Calibration
from .genes import GeneTable
from .labels import LabelTable
from .markers import MarkerTable
from .matched_tokenizer import MatchedTokenizer
from .sampling import MEASURED, Sampling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import torch

FORMAT_VERSION: Final = 2

_GENES, _LABELS, _CALIBRATION, _CARD = "genes.tsv", "labels.tsv", "calibration.json", "README.md"
_MARKERS, _SAMPLING = "markers.tsv", "sampling.json"
_TEXT, _DECODER = "text_tokenizer.json", "decoder_tokenizer.json"
_CELLS = "cell_tokenizer.json"
_REQUIRED = frozenset({_GENES, _LABELS, _CALIBRATION, _TEXT, _DECODER, _CARD})
_TEXT_KEYS = ("name", "revision", "licence", "sha256")
_MAX_CONFIG_BYTES = 2**20


@dataclass(frozen=True)
class BundleFiles:
    """What a bundle holds, checked.

    Parameters
    ----------
    folder
        Where it was read.
    name, revision, licence
        Of the model.
    sha256
        Hash of the content of ``config.json``, and through it of every file.
    config
        The ``architecture`` part of ``config.json``.
    tensors
        State dicts in float32, by the stem of their file (``"network"``, ``"decoder"``, ...).
    genes, labels, calibration
        The tables.
    markers
        Marker genes; a bundle without `markers.tsv` has none.
    sampling
        How counts are drawn; a bundle without `sampling.json` has what was measured for another.
    text_tokenizer, decoder_tokenizer
        Paths of the two tokenizer files.
    cell_tokenizer
        Of a published cell encoder; a bundle without `cell_tokenizer.json` has our own.
    card
        Path of the model card.
    """

    folder: Path
    name: str
    revision: str
    licence: str
    sha256: str
    config: dict[str, Any]
    tensors: dict[str, dict[str, torch.Tensor]]
    genes: GeneTable
    labels: LabelTable
    calibration: Calibration
    markers: MarkerTable
    sampling: Sampling
    text_tokenizer: Path
    decoder_tokenizer: Path
    cell_tokenizer: MatchedTokenizer | None
    card: Path


def write_bundle(
    folder: str | PathLike[str],
    *,
    config: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    genes: GeneTable,
    labels: LabelTable,
    calibration: Calibration,
    text_tokenizer_json: str,
    decoder_tokenizer_json: str,
    card: str,
    name: str,
    revision: str,
    licence: str,
    markers: MarkerTable | None = None,
    sampling: Sampling | None = None,
    cell_tokenizer: MatchedTokenizer | None = None,
) -> str:
    """Write a bundle beside ``folder``, and move it there when it is whole.

    Parameters
    ----------
    folder
        Target; a bundle that is there already is replaced.
    config
        The ``architecture`` part of ``config.json``.
    tensors
        State dicts by file stem, as they are to lie on disk: see
        :func:`~scmmgpt_tl.model.quantize.quantize` and :func:`~scmmgpt_tl.model.state.distinct_state`.
    genes, labels, calibration
        The tables.
    text_tokenizer_json, decoder_tokenizer_json
        The two tokenizers, serialised.
    card
        Model card, Markdown.
    name, revision, licence
        Of the model.
    markers
        Marker genes, if the model knows any.
    sampling
        How counts are drawn, if it was measured.
    cell_tokenizer
        Of a published cell encoder.

    Returns
    -------
    The SHA-256 of the bundle.

    Raises
    ------
    FileExistsError
        If ``folder`` exists and holds something other than a bundle.
    """
    with _files.written_whole(folder, sign=_files.CONFIG, what="a bundle") as fresh:
        genes.write(fresh / _GENES)
        labels.write(fresh / _LABELS)
        calibration.write(fresh / _CALIBRATION)
        if markers is not None:
            markers.write(fresh / _MARKERS, symbols=genes.symbols)
        if sampling is not None:
            sampling.write(fresh / _SAMPLING)
        _write_text(fresh / _TEXT, text_tokenizer_json)
        _write_text(fresh / _DECODER, decoder_tokenizer_json)
        if cell_tokenizer is not None:
            _write_text(fresh / _CELLS, cell_tokenizer.to_json())
        _write_text(fresh / _CARD, card)
        for stem, state in tensors.items():
            _files.write_tensors(fresh / f"{stem}.safetensors", state)
        content = {
            "format_version": FORMAT_VERSION,
            "name": name,
            "revision": revision,
            "licence": licence,
            "architecture": dict(config),
            "files": {path.name: _files.fingerprint(path) for path in sorted(fresh.iterdir())},
        }
        digest = _digest(content)
        sealed = json.dumps(content | {"sha256": digest}, indent=1, ensure_ascii=False)
        _write_text(fresh / _files.CONFIG, f"{sealed}\n")
    return digest


def read_bundle(
    folder: str | PathLike[str], *, link_root: str | PathLike[str] | None = None
) -> BundleFiles:
    """Read a bundle; every file is checked before any tensor is used.

    Parameters
    ----------
    folder
        Folder with ``config.json``.
    link_root
        Files may be symbolic links to places inside this folder, as in the cache of the Hugging
        Face hub. Without it, links are refused.

    Raises
    ------
    FileNotFoundError
        If the folder, or a file that ``config.json`` names, is not there.
    ValueError
        If the format is unknown, a file was changed, or the folder holds what no bundle may.
    """
    folder = Path(folder)
    root = None if link_root is None else Path(link_root).resolve()
    content = read_config(folder, link_root=root)
    _files.check_folder(folder)
    for name, expected in content["files"].items():
        _files.check_file(_files.inside(folder, name, root), expected)
    genes = GeneTable.read(folder / _GENES)
    weights = [folder / name for name in content["files"] if name.endswith(".safetensors")]
    return BundleFiles(
        folder=folder,
        name=content["name"],
        revision=content["revision"],
        licence=content["licence"],
        sha256=content["sha256"],
        config=content["architecture"],
        tensors={path.stem: _files.read_tensors(path) for path in weights},
        genes=genes,
        labels=LabelTable.read(folder / _LABELS),
        calibration=Calibration.read(folder / _CALIBRATION),
        markers=(
            MarkerTable.read(folder / _MARKERS, symbols=genes.symbols)
            if _MARKERS in content["files"]
            else MarkerTable.empty(len(genes))
        ),
        sampling=(Sampling.read(folder / _SAMPLING) if _SAMPLING in content["files"] else MEASURED),
        text_tokenizer=folder / _TEXT,
        decoder_tokenizer=folder / _DECODER,
        cell_tokenizer=(
            MatchedTokenizer.read(folder / _CELLS) if _CELLS in content["files"] else None
        ),
        card=folder / _CARD,
    )


def read_config(
    folder: str | PathLike[str], *, link_root: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """Read and check ``config.json`` alone; arguments and errors as in :func:`read_bundle`."""
    root = None if link_root is None else Path(link_root).resolve()
    path = _files.inside(Path(folder), _files.CONFIG, root)
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        msg = f"{path} is larger than {_MAX_CONFIG_BYTES:,} bytes, which no bundle's is."
        raise ValueError(msg)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON ({error}). Get the bundle again."
        raise ValueError(msg) from error
    _check_config(path, content)
    return content


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _digest(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_config(path: Path, content: Any) -> None:
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        older = isinstance(version, int) and not newer
        cure = "Upgrade with `pip install -U scmmgpt-tl`." if newer else "It is no bundle's."
        cure = "Publish its run again with this version." if older else cure
        msg = f"{path} has format_version {version!r}; this version reads {FORMAT_VERSION}. {cure}"
        raise ValueError(msg)
    well_formed = (
        all(isinstance(content.get(key), str) for key in _TEXT_KEYS)
        and all(isinstance(content.get(key), dict) for key in ("architecture", "files"))
        and all(_is_entry(entry) for entry in content["files"].values())
    )
    if not well_formed:
        msg = f"{path} lacks {', '.join(_TEXT_KEYS)}, architecture or files, or has them malformed."
        raise ValueError(msg)
    if content["sha256"] != _digest(content):
        msg = f"{path} was changed after the bundle was written. Get the bundle again."
        raise ValueError(msg)
    for name in content["files"]:
        _files.check_name(name)
    if absent := sorted(_REQUIRED - content["files"].keys()):
        msg = f"{path} does not name {', '.join(absent)}, which every bundle has."
        raise ValueError(msg)


def _is_entry(entry: Any) -> bool:
    keys = {"sha256": str, "bytes": int}
    return isinstance(entry, dict) and all(isinstance(entry.get(k), t) for k, t in keys.items())
