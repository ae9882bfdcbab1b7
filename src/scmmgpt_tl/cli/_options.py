"""Arguments that commands share."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from scmmgpt_tl._stream.share import Share

from ._clusters import add_cluster, add_workers

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def new(
    commands: Commands, name: str, command: Callable[[argparse.Namespace], int], *, text: str
) -> argparse.ArgumentParser:
    """Add a command; what it runs is left in `command`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    parser.set_defaults(command=command, device=None)
    return parser


def new_for_cells(
    commands: Commands,
    name: str,
    command: Callable[[argparse.Namespace], int],
    *,
    text: str,
    file_needed: bool = True,
) -> argparse.ArgumentParser:
    """Add a command that reads cells."""
    parser = new(commands, name, command, text=text)
    parser.add_argument(
        "input",
        type=Path,
        metavar="IN",
        nargs=None if file_needed else "?",
        help="an .h5ad or .h5mu file, or a .zarr folder"
        + ("" if file_needed else "; or the folder or checkpoint of a model"),
    )
    return parser


def names(text: str) -> list[str]:
    """Split names at commas; double quotes keep a name with commas whole.

    Examples
    --------
    >>> names('B cell, "CD4-positive, alpha-beta T cell"')
    ['B cell', 'CD4-positive, alpha-beta T cell']
    """
    row = next(csv.reader([text], skipinitialspace=True), [])
    found = [name.strip() for name in row if name.strip()]
    if not found:
        msg = "needs at least one name"
        raise argparse.ArgumentTypeError(msg)
    return found


def share(text: str) -> Share:
    """Read which share of the work to do.

    Examples
    --------
    >>> share("2/4")
    Share(number=2, of=4)
    """
    try:
        return Share.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add labels to choose from and the score that an answer must have."""
    add_labels(parser)
    add_threshold(parser)


def add_labels(parser: argparse._ActionsContainer) -> None:
    """Add labels to choose from."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--labels",
        type=names,
        metavar="A,B",
        help='names or Cell Ontology ids to choose from; "double quotes" keep a name with commas '
        "whole (default: the model's own labels)",
    )
    choice.add_argument(
        "--labels-file",
        type=Path,
        metavar="FILE",
        help="the same from a .json list, a .json object {name: description}, or one name a line",
    )


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Add the score that an answer must have."""
    parser.add_argument(
        "--threshold",
        type=float,
        help="cells with a lower score are unknown (default: the model's)",
    )


def add_level(parser: argparse.ArgumentParser) -> None:
    """Add the level of the ontology to answer at."""
    parser.add_argument(
        "--level",
        type=names,
        metavar="LEVEL",
        help='"deepest" for the deepest Cell Ontology term the evidence supports, or the names of '
        "the terms to roll up to",
    )


def add_model(parser: argparse.ArgumentParser, *, default_model: str | None = "default") -> None:
    """Add how cells are read, and by which model."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "--layer", help='layer with the counts; "X" for X (default: "counts", else X)'
    )
    group.add_argument(
        "--counts",
        choices=("auto", "raw", "lognorm"),
        default="auto",
        help="what the values are; lognorm undoes log1p (default: %(default)s)",
    )
    group.add_argument("--gene-symbols", metavar="COLUMN", help="column of .var with gene names")
    group.add_argument(
        "--species",
        choices=("auto", "human", "mouse"),
        default="auto",
        help="whose genes these are; auto goes by their names (default: %(default)s)",
    )
    group.add_argument("--mod", help='modality of an .h5mu file (default: "rna")')
    add_which_model(parser, default_model=default_model)


def add_which_model(parser: argparse.ArgumentParser, *, default_model: str | None) -> None:
    """Add the model, its device, and what is told."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default=default_model,
        help="name or folder of a model or published encoder (default: the shipped one)",
    )
    group.add_argument("--device", help='such as "cpu" or "cuda" (default: the best there is)')
    add_loudness(parser)


def add_output(
    parser: argparse.ArgumentParser,
    *,
    key: str | None,
    table: str,
    in_batches: bool = True,
    in_shards: bool = False,
    otherwise: str = "",
) -> None:
    """Add where results go.

    Parameters
    ----------
    parser
        Of the command.
    key
        Default of the key; `None` is for one that follows from what `otherwise` says.
    table
        What goes to a table.
    in_batches
        Whether cells are sent through the model.
    in_shards
        Whether the work may be shared out.
    otherwise
        What the key is where it has no default.
    """
    group = parser.add_argument_group("run")
    group.add_argument(
        "--backed", action="store_true", help="leave the matrix of an .h5ad file on disk"
    )
    if in_batches:
        group.add_argument("--batch-size", type=int, help="cells per pass")
    if in_shards:
        shared = group.add_mutually_exclusive_group()
        shared.add_argument(
            "--shard",
            type=share,
            metavar="I/N",
            help="do the I-th of N shares of the work only; `scmm merge IN` puts all together",
        )
        add_cluster(shared)
        add_workers(group)
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help=(
            "a copy of IN with the results; the format is the suffix's (default: the results alone, "
            "beside IN, as IN.scmm.h5ad)"
        ),
    )
    group.add_argument("--csv", type=Path, metavar="FILE", help=f"write {table} as a table too")
    group.add_argument(
        "--overwrite", action="store_true", help="replace OUT where it exists; it may be IN"
    )
    default = f"name of the results (default: {otherwise if key is None else key})"
    group.add_argument("--key-added", default=key, help=default)


def add_loudness(parser: argparse.ArgumentParser) -> None:
    """Add how much is told."""
    group = parser.add_argument_group("messages")
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="tell every step")
    loudness.add_argument("-q", "--quiet", action="store_true", help="no progress bars, no summary")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
