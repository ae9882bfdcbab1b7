"""Tell what is in a file and whether it fits a model, or tell about a model."""

from __future__ import annotations

import shlex
import warnings
from typing import TYPE_CHECKING, Any

from scmmgpt_tl import _files, pp
from scmmgpt_tl._matrix import modality

from ._options import add_model, new_for_cells
from ._say import paragraph, say, table

if TYPE_CHECKING:
    import argparse

    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl.model import EncoderModel, Model

    from ._options import Commands

FITS, DOES_NOT_FIT = 0, 1
# Files of weights; none is one of cells.
_WEIGHTS = {".ckpt", ".pt", ".pth", ".bin", ".safetensors"}


def add(commands: Commands) -> None:
    """Add `scmm info`."""
    parser = new_for_cells(
        commands,
        "info",
        info,
        text="tell what is in a file and whether it fits the model (exit code 1 if not); "
        "without a file, or given the folder or checkpoint of a model, tell about a model",
        file_needed=False,
    )
    add_model(parser, default_model=None)


def info(args: argparse.Namespace) -> int:
    """Tell about a file, or about a model where no file is given."""
    if args.input is None:
        return _tell_model(args.model or "default")
    suffix = args.input.suffix.lower()
    if suffix in _WEIGHTS or (args.input.is_dir() and suffix != ".zarr"):
        return _tell_model(str(args.input))
    backed = _files.file_format(args.input) == "h5ad"
    data = _files.read(args.input, backed=backed)
    say(f"{args.input}: {_heading(data)}")
    adata = modality(data, args.mod)
    say(table(_slots(adata)))
    problems = [_tell_genes(adata, args), _tell_counts(adata, args)]
    if any(problems):
        say("does not fit the model")
        cure = _cure(adata, args)
        if cure and not problems[0]:
            say(f"  it would with: {cure}")
        return DOES_NOT_FIT
    say("fits the model")
    say(f"  to go on: {_suggestion(args)}")
    return FITS


def _heading(data: AnnData | MuData) -> str:
    if not _files.is_mudata(data):
        return f"{data.n_obs:,} cells x {data.n_vars:,} genes"
    parts = [f"{name} ({part.n_obs:,} x {part.n_vars:,})" for name, part in data.mod.items()]
    return f"{data.n_obs:,} cells, modalities {', '.join(parts)}"


def _slots(adata: AnnData) -> list[tuple[str, str]]:
    rows = [("X", _storage(adata.X))]
    rows += [(f"layers[{name!r}]", _storage(values)) for name, values in adata.layers.items()]
    if adata.raw is not None:
        rows.append(
            ("raw", f"{adata.raw.n_vars:,} genes, {_storage(adata.raw.X)}; never used unasked")
        )
    for slot in ("obs", "var", "obsm", "uns"):
        names = [str(name) for name in getattr(adata, slot)]
        if names:
            rows.append((slot, _shortened(names)))
    return rows


def _storage(matrix: Any) -> str:
    if matrix is None:
        return "nothing"
    kind = getattr(matrix, "format", None) or ("dask" if hasattr(matrix, "dask") else "dense")
    return f"{matrix.dtype} {kind}"


def _shortened(names: list[str], most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _tell_genes(adata: AnnData, args: argparse.Namespace) -> str | None:
    genes = None if args.model in {None, "default"} else _load(args.model).genes
    say("genes")
    try:
        report = pp.match_genes(
            adata, genes=genes, gene_symbols=args.gene_symbols, species=args.species
        )
    except ValueError as error:
        return _problem(error)
    for line in str(report).splitlines():
        say(paragraph(line))
    return None


def _tell_counts(adata: AnnData, args: argparse.Namespace) -> str | None:
    say("values")
    try:
        report = pp.check_counts(adata, layer=args.layer, counts=args.counts)
    except ValueError as error:
        return _problem(error)
    say(paragraph(str(report)))
    return None


def _problem(error: ValueError) -> str:
    say(paragraph(str(error)))
    return str(error)


def _cure(adata: AnnData, args: argparse.Namespace) -> str | None:
    """Find the options under which the values would do."""
    for layer in (None, "X", *adata.layers):
        for counts in ("auto", "lognorm"):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    pp.check_counts(adata, layer=layer, counts=counts)
            except ValueError:
                continue
            return _suggestion(args, layer=layer, counts=counts)
    return None


def _suggestion(
    args: argparse.Namespace, *, layer: str | None = None, counts: str | None = None
) -> str:
    """Write the command that annotates this file, or embeds it where the model has no text side."""
    source = args.input
    verb, done = ("annotate", "annotated") if _has_text(args.model) else ("embed", "embedded")
    words = ["scmm", verb, str(source), "-o", f"{source.stem}.{done}{source.suffix}"]
    options = {
        "--model": args.model,
        "--mod": args.mod,
        "--gene-symbols": args.gene_symbols,
        "--species": args.species,
        "--layer": layer or (args.layer if counts is None else None),
        "--counts": counts or args.counts,
    }
    for name, value in options.items():
        if value is not None and value != "auto":
            words += [name, value]
    return shlex.join(words)


def _has_text(name: str | None) -> bool:
    return name in {None, "default"} or hasattr(_load(str(name)), "labels")


def _tell_model(name: str) -> int:
    model = _load(name)
    if not hasattr(model, "labels"):
        return _tell_encoder(model)
    calibration = model.calibration
    n_ids = sum(bool(cl_id) for cl_id in model.labels.cl_ids)
    tissues = sorted({tissue for row in model.labels.tissues for tissue in row})
    say(f"{model.name} {model.revision} ({model.licence})")
    rows = [
        ("sha256", model.sha256),
        ("device", f"{model.device}, {str(model.dtype).removeprefix('torch.')}"),
        ("genes", f"{len(model.genes):,}"),
        *_encoder_rows(model),
        ("labels", f"{len(model.labels):,}, {n_ids:,} with a Cell Ontology id"),
        ("tissues", ", ".join(tissues) or "not told"),
        ("threshold", f"{calibration.threshold:g}; cells with a lower score are unknown"),
        (
            "fewest genes",
            f"{calibration.min_genes}, or a quarter of a smaller panel; cells with fewer are unknown",
        ),
        ("calibrated on", ", ".join(calibration.fitted_on)),
    ]
    say(table(rows))
    return FITS


def _encoder_rows(model: Model) -> list[tuple[str, str]]:
    # One of two dataclasses; importing them to tell which would bring torch along.
    encoder: Any = model.config.encoder
    if not hasattr(encoder, "title"):
        return [("cell encoder", f"{encoder.kind}, our own")]
    weights = "trained on" if encoder.tuned else "as published"
    rows = [
        ("cell encoder", f"{encoder.title} (kind {encoder.kind}), weights {weights}"),
        ("it knows", f"{encoder.n_known:,} of the genes"),
    ]
    return rows + ([("mind", encoder.restriction)] if encoder.restriction else [])


def _tell_encoder(model: EncoderModel) -> int:
    n_weights = sum(part.numel() for part in model.network.parameters())
    what = "model of cells and texts" if _compares(model) else "cell encoder"
    say(f"{model.name}, a published {what} (kind {model.kind})")
    say(paragraph(f"licence: {model.licence}"))
    rows = [
        ("sha256", model.sha256),
        ("device", f"{model.device}, {str(model.dtype).removeprefix('torch.')}"),
        ("genes", f"{len(model.genes):,}, {_with_ids(model):,} with an Ensembl id"),
        ("parameters", f"{n_weights:,}"),
        *model.facts.items(),
        ("can do", "; ".join(model.abilities)),
        ("commands", _commands(model)),
        ("cannot do", _limits(model)),
        ("embeddings", f"obsm[{model.key!r}]"),
    ]
    say(table(rows))
    return FITS


def _compares(model: EncoderModel) -> bool:
    # By a word of its own: importing the class would bring torch along.
    return hasattr(model, "zero_shot")


def _commands(model: Any) -> str:
    if not _compares(model):
        return "embed"
    if (words := model.text.words).tokenizer is None:
        return (
            f"embed; annotate once the vocabulary of its words, vocab.txt, lies in {words.folder}"
        )
    return "embed; annotate with --labels of your own, in shares that are not calibrated"


def _limits(model: EncoderModel) -> str:
    if _compares(model):
        return (
            "describe, search, rank terms, generate: it compares cells with texts and writes none; "
            "tell doublets and empty droplets"
        )
    return "annotate, describe, search, rank terms, generate: it has no text side"


def _with_ids(model: EncoderModel) -> int:
    return sum(map(bool, model.genes.ensembl_ids))


def _load(name: str) -> Any:
    import scmmgpt_tl as scmm

    return scmm.load_model(name)
