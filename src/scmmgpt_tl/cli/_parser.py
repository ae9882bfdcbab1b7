"""All commands of `scmm`."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from . import (
    _annotate,
    _compare,
    _deconvolve,
    _describe,
    _embed,
    _explain,
    _explain_search,
    _export,
    _gene_network,
    _generate,
    _info,
    _integrate,
    _label_transfer,
    _merge,
    _perturb,
    _proteins,
    _rank_terms,
    _refine,
    _score_gene_sets,
    _search,
    _train,
)

# In the order of `scmm --help`.
ADD = (
    _annotate.add,
    _refine.add,
    _label_transfer.add,
    _explain.add,
    _gene_network.add,
    _proteins.add,
    _embed.add,
    _integrate.add,
    _describe.add,
    _compare.add,
    _search.add,
    _explain_search.add,
    _rank_terms.add,
    _score_gene_sets.add,
    _deconvolve.add,
    _merge.add,
    _generate.add,
    _perturb.add,
    _info.add,
    _train.add_pretrain,
    _train.add_publish,
    _export.add,
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
