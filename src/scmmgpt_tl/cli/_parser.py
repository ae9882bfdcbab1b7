"""The arguments of every command."""

from __future__ import annotations

import argparse
import csv
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from . import _commands, _generate, _info, _train

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of `scmm`; the chosen command is left in `command`."""
    parser = argparse.ArgumentParser(
        prog="scmm",
        description="Ask single cells what they are: a cell and text model for AnnData.",
    )
    parser.add_argument(
        "--version", action="version", version=f"scmmgpt-tl {version('scmmgpt-tl')}"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_annotate(commands)
    _add_refine(commands)
    _add_embed(commands)
    _add_describe(commands)
    _add_search(commands)
    _add_generate(commands)
    _add_info(commands)
    _add_pretrain(commands)
    _add_publish(commands)
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


def _add_annotate(commands: Commands) -> None:
    parser = _add(commands, "annotate", _commands.annotate, text="name the type of every cell")
    _add_choice(parser)
    parser.add_argument("--tissue", type=names, metavar="A,B", help="only labels of these tissues")
    parser.add_argument("--groupby", metavar="COLUMN", help="one label for each group of cells")
    _add_level(parser)
    _add_model(parser)
    _add_output(parser, key="scmm_cell_type", table="labels and scores")


def _add_refine(commands: Commands) -> None:
    parser = _add(
        commands,
        "refine",
        _commands.refine,
        text="let the cells of an annotated file decide together",
    )
    parser.add_argument(
        "--key", default="scmm_cell_type", help="name of the annotation (default: %(default)s)"
    )
    parser.add_argument(
        "--labels-key", metavar="COLUMN", help="column of .obs with labels that you know"
    )
    parser.add_argument(
        "--use-rep",
        metavar="KEY",
        help="key of .obsm that says which cells are alike (default: principal components)",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="of learning (default: %(default)s)"
    )
    _add_level(parser)
    _add_threshold(parser)
    _add_model(parser)
    _add_output(parser, key="scmm_refined", table="labels and scores", in_batches=False)


def _add_embed(commands: Commands) -> None:
    parser = _add(commands, "embed", _commands.embed, text="give every cell its place in the model")
    _add_model(parser)
    _add_output(parser, key=None, table="the vectors")


def _add_describe(commands: Commands) -> None:
    parser = _add(commands, "describe", _commands.describe, text="write about each group of cells")
    parser.add_argument(
        "--groupby", metavar="COLUMN", help="column of groups (default: every cell by itself)"
    )
    _add_choice(parser)
    parser.add_argument("--tissue", help="where the cells are from; only labels of this tissue")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another wording")
    _add_model(parser)
    _add_output(parser, key="scmm_description", table="the descriptions")


def _add_search(commands: Commands) -> None:
    parser = _add(commands, "search", _commands.search, text="find the cells that a text describes")
    parser.add_argument("query", help='what to look for, such as "exhausted CD8 T cell"')
    _add_model(parser)
    _add_output(parser, key="scmm_search", table="the scores")


def _add_generate(commands: Commands) -> None:
    parser = _new(
        commands,
        "generate",
        _generate.generate,
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
    _add_which_model(parser, default_model="default")
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--output", type=Path, metavar="OUT", required=True, help="the format is the suffix's"
    )
    group.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    group.add_argument(
        "--key-added", default="scmm_prompt", help="name of the results (default: %(default)s)"
    )


def _add_info(commands: Commands) -> None:
    parser = _add(
        commands,
        "info",
        _info.info,
        text="tell what is in a file and whether it fits the model (exit code 1 if not); "
        "without a file, or given the folder or checkpoint of a model, tell about a model",
        file_needed=False,
    )
    _add_model(parser, default_model=None)


def _add_pretrain(commands: Commands) -> None:
    parser = _new(commands, "pretrain", _train.pretrain, text="train a model of your own")
    parser.add_argument(
        "config", type=Path, metavar="CONFIG.yaml", help="what to learn from, and how"
    )
    parser.add_argument(
        "run",
        type=Path,
        metavar="RUN",
        help="folder for weights and loss curves; a run that was stopped there goes on",
    )
    group = parser.add_argument_group("hardware")
    group.add_argument(
        "--accelerator", default="auto", help='such as "cpu" or "gpu" (default: the best there is)'
    )
    group.add_argument("--devices", default="auto", help="how many (default: all)")
    group.add_argument(
        "--strategy",
        choices=("auto", "ddp", "fsdp"),
        default="auto",
        help="how several devices share the work (default: %(default)s)",
    )
    _add_loudness(parser)


def _add_publish(commands: Commands) -> None:
    parser = _new(
        commands, "publish", _train.publish, text="calibrate a trained model and write its bundle"
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder to write")
    parser.add_argument("--name", default="scmmgpt-compact", help="(default: %(default)s)")
    parser.add_argument("--revision", default="1", help="(default: %(default)s)")
    _add_loudness(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
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
    _add_threshold(parser)


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        type=float,
        help="cells with a lower score are unknown (default: the model's)",
    )


def _add_level(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--level",
        type=names,
        metavar="LEVEL",
        help='"deepest" for the deepest Cell Ontology term the evidence supports, or the names of '
        "the terms to roll up to",
    )


def _add(
    commands: Commands,
    name: str,
    command: Callable[[argparse.Namespace], int],
    *,
    text: str,
    file_needed: bool = True,
) -> argparse.ArgumentParser:
    parser = _new(commands, name, command, text=text)
    parser.add_argument(
        "input",
        type=Path,
        metavar="IN",
        nargs=None if file_needed else "?",
        help="an .h5ad or .h5mu file, or a .zarr folder"
        + ("" if file_needed else "; or the folder or checkpoint of a model"),
    )
    return parser


def _new(
    commands: Commands, name: str, command: Callable[[argparse.Namespace], int], *, text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    parser.set_defaults(command=command, device=None)
    return parser


def _add_output(
    parser: argparse.ArgumentParser, *, key: str | None, table: str, in_batches: bool = True
) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--backed", action="store_true", help="leave the matrix of an .h5ad file on disk"
    )
    if in_batches:
        group.add_argument("--batch-size", type=int, help="cells per pass")
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--output", type=Path, metavar="OUT", required=True, help="the format is the suffix's"
    )
    group.add_argument("--csv", type=Path, metavar="FILE", help=f"write {table} as a table too")
    group.add_argument(
        "--overwrite", action="store_true", help="replace OUT where it exists; it may be IN"
    )
    default = "X_scmm, or X_ and the kind of a published encoder" if key is None else key
    group.add_argument("--key-added", default=key, help=f"name of the results (default: {default})")


def _add_model(parser: argparse.ArgumentParser, *, default_model: str | None = "default") -> None:
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
    group.add_argument("--mod", help='modality of an .h5mu file (default: "rna")')
    _add_which_model(parser, default_model=default_model)


def _add_which_model(parser: argparse.ArgumentParser, *, default_model: str | None) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default=default_model,
        help="name or folder of a model or published encoder (default: the shipped one)",
    )
    group.add_argument("--device", help='such as "cpu" or "cuda" (default: the best there is)')
    _add_loudness(parser)


def _add_loudness(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("messages")
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="tell every step")
    loudness.add_argument("-q", "--quiet", action="store_true", help="no progress bars, no summary")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
