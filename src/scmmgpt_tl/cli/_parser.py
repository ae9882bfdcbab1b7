"""All commands of `scmm`."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from . import _annotate, _describe, _embed, _generate, _info, _integrate, _refine, _search, _train

# In the order of `scmm --help`.
ADD = (
    _annotate.add,
    _refine.add,
    _embed.add,
    _integrate.add,
    _describe.add,
    _search.add,
    _generate.add,
    _info.add,
    _train.add_pretrain,
    _train.add_publish,
)


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
    for add in ADD:
        add(commands)
    return parser
