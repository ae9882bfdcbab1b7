"""Making cells of texts, and writing them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from scmmgpt_tl import _files, tl
from scmmgpt_tl._keys import GenerationKeys
from scmmgpt_tl._matrix import modality
from scmmgpt_tl.tl._chosen_model import load

from ._options import add_which_model, new
from ._read_labels import read_labels
from ._say import say, table

if TYPE_CHECKING:
    import argparse

    from anndata import AnnData

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm generate`."""
    parser = new(
        commands,
        "generate",
        generate,
        text="make counts of the cells that texts describe",
    )
    parser.add_argument(
        "prompts", nargs="+", metavar="TEXT", help='such as "plasma cell in bone marrow"'
    )
    parser.add_argument(
        "-n", "--n-cells", type=int, default=100, help="cells of each text (default: %(default)s)"
    )
    parser.add_argument(
        "--genes",
        type=Path,
        metavar="FILE",
        help="genes to generate: one name a line, or a file of cells whose genes to take "
        "(default: the model's)",
    )
    parser.add_argument(
        "--library-size",
        type=float,
        help="expected counts of a cell (default: drawn as in the cells that were trained with)",
    )
    parser.add_argument(
        "--dispersion", type=float, help="variation beyond chance; 0 for none (default: measured)"
    )
    parser.add_argument(
        "--steps", type=int, help="stops on the way between two texts, both included"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other cells")
    add_which_model(parser, default_model="default")
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--output", type=Path, metavar="OUT", required=True, help="the format is the suffix's"
    )
    group.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    group.add_argument(
        "--key-added", default="scmm_prompt", help="name of the results (default: %(default)s)"
    )


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
