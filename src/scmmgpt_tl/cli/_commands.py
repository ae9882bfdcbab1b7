"""What each tool's command does: read, run the tool, write, and tell what came out."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from scmmgpt_tl import _files, get, tl
from scmmgpt_tl._keys import EmbeddingKeys, SearchKeys
from scmmgpt_tl._matrix import modality

from . import _summary
from ._say import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData


class Run(NamedTuple):
    """A tool's run over the cells of a file."""

    adata: AnnData
    seconds: float
    device: str


def annotate(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.annotate` on a file."""
    options = {**_choice(args), "groupby": args.groupby, "level": _level(args)}
    key = args.key_added
    run = _run(args, tl.annotate, options, table=lambda adata: get.annotation_df(adata, key=key))
    _tell(args, run, verb="annotated", summary=lambda: _summary.annotation(run.adata, key))
    return 0


def refine(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.refine` on a file."""
    key = args.key_added
    names = ("key", "labels_key", "use_rep", "threshold")
    options = {name: getattr(args, name) for name in names}
    options |= {"n_rounds": args.rounds, "level": _level(args)}
    run = _run(args, tl.refine, options, table=lambda adata: get.annotation_df(adata, key=key))
    _tell(args, run, verb="refined", summary=lambda: _summary.refined(run.adata, key, args.key))
    return 0


def embed(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.embed` on a file."""

    def slot() -> str:
        key = _load(args.model).key if args.key_added is None else args.key_added
        return EmbeddingKeys(key).obsm

    def table(adata: AnnData) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(adata.obsm[slot()], index=adata.obs_names)

    run = _run(args, tl.embed, {}, table=table)

    def summary() -> str:
        return f"obsm[{slot()!r}]: {run.adata.obsm[slot()].shape[1]} numbers a cell"

    _tell(args, run, verb="embedded", summary=summary)
    return 0


def describe(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.describe` on a file."""
    key = args.key_added
    options = {**_choice(args), "groupby": args.groupby, "rng": args.seed}
    run = _run(args, tl.describe, options, table=lambda adata: get.description_df(adata, key=key))
    _tell(args, run, verb="described", summary=lambda: _summary.descriptions(run.adata, key))
    return 0


def search(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.search` on a file."""
    slot = SearchKeys(args.key_added).obs
    options = {"query": args.query}
    run = _run(args, tl.search, options, table=lambda adata: adata.obs[[slot]])
    _tell(
        args, run, verb="searched", summary=lambda: _summary.found(run.adata.obs[slot], args.query)
    )
    return 0


def read_labels(path: Path) -> list[str] | dict[str, str]:
    """Read labels from a `.json` list or object, or from a text file with one name a line.

    Raises
    ------
    ValueError
        If a `.json` file holds something else, or there is no label in it.
    """
    if not path.is_file():
        msg = f"There is no file {str(path)!r}."
        raise FileNotFoundError(msg)
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() != ".json":
        found: Any = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"{str(path)!r} is no valid JSON: {error}."
            raise ValueError(msg) from error
    entries = [*found, *found.values()] if isinstance(found, dict) else found
    if not isinstance(entries, list) or not entries or not all(isinstance(x, str) for x in entries):
        msg = f"{str(path)!r} must hold a list of names, or an object {{name: description}}."
        raise ValueError(msg)
    return found


def _run(
    args: argparse.Namespace,
    tool: Callable[..., object],
    options: dict[str, Any],
    *,
    table: Callable[[AnnData], pd.DataFrame],
) -> Run:
    """Read, run and write; refuse a bad output before anything slow is done."""
    _files.check_target(args.output, source=args.input, overwrite=args.overwrite)
    _files.file_format(args.output)
    if args.csv is not None:
        _files.check_target(args.csv, source=args.input, overwrite=args.overwrite)
    data = _files.read(args.input, backed=args.backed)
    _files.check_format(data, args.output)
    adata = modality(data, args.mod)
    model = _load(args.model)
    start = time.perf_counter()
    tool(data, **options, **_input_options(args), model=model)
    seconds = time.perf_counter() - start
    _files.write(data, args.output, overwrite=args.overwrite)
    if args.csv is not None:
        _files.write_csv(table(adata), args.csv, overwrite=args.overwrite)
    return Run(adata, seconds, str(model.device))


def _choice(args: argparse.Namespace) -> dict[str, Any]:
    labels = args.labels if args.labels_file is None else read_labels(args.labels_file)
    return {"labels": labels, "tissue": args.tissue, "threshold": args.threshold}


def _level(args: argparse.Namespace) -> str | list[str] | None:
    # One term may be called "deepest", but then it is the only one that was given.
    return "deepest" if args.level == ["deepest"] else args.level


def _load(name: str) -> Any:
    import scmmgpt_tl as scmm

    return scmm.load_model(name)


def _input_options(args: argparse.Namespace) -> dict[str, Any]:
    names = ("layer", "counts", "gene_symbols", "mod", "batch_size", "key_added")
    return {name: getattr(args, name) for name in names if name in args}


def _tell(args: argparse.Namespace, run: Run, *, verb: str, summary: Callable[[], str]) -> None:
    if args.quiet:
        return
    pace = run.adata.n_obs / max(run.seconds, 1e-9)
    say(
        f"{run.adata.n_obs:,} cells {verb} in {run.seconds:.1f} s ({pace:,.0f} cells/s, {run.device})"
    )
    say(summary())
    for path in filter(None, (args.output, args.csv)):
        say(f"wrote {path}")
