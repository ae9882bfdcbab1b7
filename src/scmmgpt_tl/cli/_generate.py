"""Making cells of texts, and writing them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args

from scmmgpt_tl import _files, tl
from scmmgpt_tl._keys import GenerationKeys
from scmmgpt_tl._matrix import modality
from scmmgpt_tl.tl._session import load

from ._commands import read_labels
from ._say import say, table

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from anndata import AnnData


def generate(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.generate` and write the cells."""
    _files.check_target(args.output, overwrite=args.overwrite)
    _files.file_format(args.output)
    genes = None if args.genes is None else read_genes(args.genes)
    model = load(args.model)
    start = time.perf_counter()
    adata = tl.generate(
        args.prompts,
        args.n_cells,
        genes=genes,
        library_size=args.library_size,
        dispersion=args.dispersion,
        steps=args.steps,
        rng=args.seed,
        model=model,
        key_added=args.key_added,
    )
    seconds = time.perf_counter() - start
    _files.check_format(adata, args.output)
    _files.write(adata, args.output, overwrite=args.overwrite)
    if not args.quiet:
        say(f"{adata.n_obs:,} cells x {adata.n_vars:,} genes generated in {seconds:.1f} s")
        say(_summary(adata, args.key_added))
        say(f"wrote {args.output}")
    return 0


def read_genes(path: Path) -> list[str]:
    """Read names of genes, one a line, or those of a file of cells.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If there is no name in it.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in get_args(_files.FileFormat):
        return list(modality(_files.read(path, backed=suffix == "h5ad"), None).var_names)
    return list(read_labels(path))


def _summary(adata: AnnData, key: str) -> str:
    """Tell of the cells of each text how many there are, how deep, and how many genes they show."""
    from numpy import asarray, median

    rows = [("text", "cells", "median counts", "median genes")]
    groups = adata.obs.groupby(GenerationKeys(key).prompt, observed=True, sort=False).indices
    for name, places in groups.items():
        counts = adata.X[places]
        total, seen = asarray(counts.sum(1)).ravel(), counts.getnnz(axis=1)
        rows.append(
            (str(name), f"{len(places):,}", f"{median(total):,.0f}", f"{median(seen):,.0f}")
        )
    return table(rows, right=[1, 2, 3])
