"""Predict what perturbations change, learned from the cells of a file or before."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmmgpt_tl import _files, get, tl

from ._options import add_labels, add_model, new_for_cells
from ._say import say, table
from ._tool_run import input_options, labels, load

if TYPE_CHECKING:
    import argparse

    from anndata import AnnData
    from mudata import MuData

    from ._options import Commands

MOST_ROWS, MOST_GENES = 20, 5


def add(commands: Commands) -> None:
    """Add `scmm perturb`."""
    parser = new_for_cells(
        commands, "perturb", perturb, text="predict what perturbations change in groups of cells"
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help='a gene, words such as "interferon beta", or several at once as "A+B" '
        "(default: all that was learned)",
    )
    parser.add_argument("--groupby", metavar="COLUMN", help="column of .obs with groups of cells")
    group = parser.add_argument_group("what is learned")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--perturbation-key",
        metavar="COLUMN",
        help="learn from IN, whose .obs says here what was done to each cell",
    )
    source.add_argument(
        "--learned", type=Path, metavar="FOLDER", help="what was learned and saved before"
    )
    group.add_argument("--control", metavar="VALUE", help="what COLUMN says of control cells")
    group.add_argument(
        "--min-cells", type=int, default=10, help="fewest behind a shift (default: %(default)s)"
    )
    group.add_argument("--save", type=Path, metavar="FOLDER", help="keep what is learned")
    group = parser.add_argument_group("without anything learned: genes changed in the counts")
    group.add_argument(
        "--direction",
        choices=("knock-out", "over-expression"),
        default="knock-out",
        help="(default: %(default)s)",
    )
    add_labels(group)
    add_model(parser)
    group = parser.add_argument_group("run")
    group.add_argument(
        "--backed", action="store_true", help="leave the matrix of an .h5ad file on disk"
    )
    group.add_argument("--batch-size", type=int, help="cells per pass")
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        required=True,
        help="predictions alone, one row a perturbation and group; the format is the suffix's",
    )
    group.add_argument(
        "--csv", type=Path, metavar="FILE", help="write control, predicted and shift as a table too"
    )
    group.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    group.add_argument(
        "--key-added", default="scmm_perturb", help="name of the results (default: %(default)s)"
    )


def perturb(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.perturb` on a file, after learning from it if told to."""
    _check(args)
    # Never the cells themselves, whatever may be replaced: the output holds none.
    cells = args.input.resolve()
    for path in filter(None, (args.output, args.csv)):
        _files.check_target(path, overwrite=args.overwrite and path.resolve() != cells)
    _files.file_format(args.output)
    data = _files.read(args.input, backed=args.backed)
    start = time.perf_counter()
    model = _open(args, data)
    asked = args.what or model.perturbations
    found = tl.perturb(
        data,
        {name: name for name in asked},
        args.groupby,
        model=model,
        direction=args.direction,
        labels=labels(args),
        **input_options(args),
    )
    seconds = time.perf_counter() - start
    _files.check_format(found, args.output)
    _files.write(found, args.output, overwrite=args.overwrite)
    if args.csv is not None:
        frame = get.perturbation_df(found, key=args.key_added)
        _files.write_csv(frame, args.csv, overwrite=args.overwrite)
    if not args.quiet:
        say(f"{found.n_obs:,} rows x {found.n_vars:,} predicted in {seconds:.1f} s")
        say(_summary(found, args.key_added))
        for path in filter(None, (args.save, args.output, args.csv)):
            say(f"wrote {path}")
    return 0


def _check(args: argparse.Namespace) -> None:
    if (args.perturbation_key is None) != (args.control is None):
        msg = "Pass `--perturbation-key` and `--control` together: both say what to learn from."
        raise ValueError(msg)
    if args.save is not None and args.perturbation_key is None:
        msg = "`--save` keeps what is learned here. Say from what by `--perturbation-key`."
        raise ValueError(msg)
    if not args.what and args.perturbation_key is None and args.learned is None:
        msg = "Say what is done to the cells, such as a gene."
        raise ValueError(msg)


def _open(args: argparse.Namespace, data: AnnData | MuData) -> Any:
    """Model to predict with."""
    base = load(args.model)
    if args.learned is not None:
        from scmmgpt_tl.model.perturbation import PerturbationModel

        return PerturbationModel.load(args.learned, base)
    if args.perturbation_key is None:
        return base
    from scmmgpt_tl.train import perturbation

    options = input_options(args)
    del options["key_added"]
    learned = perturbation(
        data,
        args.perturbation_key,
        args.control,
        groupby=args.groupby,
        min_cells=args.min_cells,
        model=base,
        **options,
    )
    if args.save is not None:
        learned.save(args.save)
    return learned


def _summary(adata: AnnData, key: str) -> str:
    """Tell of each row where it comes from, how well that went before, and what changes most."""
    rows = [("perturbation", "group", "basis", "r", "r, mean shift", "most changed")]
    for row in adata.obs.head(MOST_ROWS).itertuples():
        top = get.perturbation_df(adata, row.perturbation, row.group, key=key).head(MOST_GENES)
        genes = ", ".join(
            f"{name} {shift:+.2g}" for name, shift in zip(top["name"], top["shift"], strict=True)
        )
        known = [_number(value) for value in (row.expected_r, row.expected_r_mean_shift)]
        rows.append((row.perturbation, row.group, row.basis, *known, genes))
    text = table(rows, right=[3, 4])
    more = adata.n_obs - MOST_ROWS
    return f"{text}\nand {more:,} more" if more > 0 else text


def _number(value: float) -> str:
    return "" if value != value else f"{value:.2f}"  # noqa: PLR0124 - a NaN differs from itself
