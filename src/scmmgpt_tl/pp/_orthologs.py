"""Human genes of mouse genes, one to one."""

from __future__ import annotations

import csv
import gzip
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from scmmgpt_tl.model.genes import GeneTable

COLUMNS = ("mouse_symbol", "mouse_id", "mouse_aliases", "human_symbol", "human_id")
TABLE = Path(__file__).parent / "data" / "mouse_orthologs.csv.gz"


class Orthologs(NamedTuple):
    """Pairs of genes: those in the same place are orthologs of each other."""

    mouse: GeneTable
    human: GeneTable


@cache
def read_orthologs() -> Orthologs:
    """Read the table that ships with the package; `_build.py` says what it is made from."""
    from scmmgpt_tl.model.genes import GeneTable

    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = {name: tuple(row[name] for row in rows) for name in COLUMNS}
    aliases = tuple(tuple(filter(None, names.split("|"))) for names in column["mouse_aliases"])
    none: tuple[tuple[str, ...], ...] = ((),) * len(rows)
    return Orthologs(
        mouse=GeneTable(column["mouse_symbol"], column["mouse_id"], aliases),
        human=GeneTable(column["human_symbol"], column["human_id"], none),
    )


@lru_cache(maxsize=8)
def human_places(genes: GeneTable) -> tuple[int, ...]:
    """Return where in a table of human genes each pair of :func:`read_orthologs` is, -1 for nowhere.

    Parameters
    ----------
    genes
        Of a model.
    """
    return tuple(read_orthologs().human.places_in(genes))
