"""Build the gene table of a model from GENCODE and gene descriptions."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING, TypedDict

from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

# Biotypes that single-cell assays measure well whatever the protocol.
CODING = frozenset({"protein_coding", "IG_C_gene", "TR_C_gene"})


class GeneText(TypedDict):
    """What a line of the gene descriptions says."""

    symbol: str
    ensembl: str
    aliases: list[str]
    text: str


def build_gene_table(gencode: Path, gene_text: Path, *, extra: Collection[str] = ()) -> GeneTable:
    """Return coding genes and the named extra genes, with ids and unambiguous aliases.

    Parameters
    ----------
    gencode
        Gzipped CSV without header: Ensembl id, symbol, version, length, biotype.
    gene_text
        Gzipped JSON lines with `symbol`, `ensembl`, `aliases` and `text`.
    extra
        Symbols of further genes (long non-coding RNAs) to include.
    """
    rows = _read_gencode(gencode, extra)
    symbols = tuple(sorted(rows))
    aliases = _unambiguous(read_gene_text(gene_text), rows)
    return GeneTable(
        symbols,
        tuple(rows[symbol] for symbol in symbols),
        tuple(tuple(aliases.get(symbol, ())) for symbol in symbols),
    )


def read_gene_text(path: Path) -> list[GeneText]:
    """Read gene descriptions, one a gene."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def _read_gencode(path: Path, extra: Collection[str]) -> dict[str, str]:
    """Return Ensembl ids by symbol."""
    rows: dict[str, str] = {}
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        for ensembl, symbol, _, _, biotype in csv.reader(handle):
            # A gene that is named by its id has no symbol.
            if (biotype in CODING or symbol in extra) and not symbol.startswith("ENSG"):
                rows.setdefault(symbol, ensembl)
    return rows


def _unambiguous(described: Iterable[GeneText], rows: Mapping[str, str]) -> dict[str, list[str]]:
    """Aliases by today's symbol, without those that mean two genes or are a symbol themselves."""
    by_ensembl = {ensembl: symbol for symbol, ensembl in rows.items()}
    found: dict[str, list[str]] = {}
    for gene in described:
        symbol = gene["symbol"] if gene["symbol"] in rows else by_ensembl.get(gene["ensembl"])
        if symbol is not None:
            # A symbol of that older table that is not in use today is an alias too.
            names = [gene["symbol"], *gene["aliases"]]
            found[symbol] = sorted({name for name in names if name not in rows and "|" not in name})
    uses = Counter(name for names in found.values() for name in names)
    return {symbol: [n for n in names if uses[n] == 1] for symbol, names in found.items()}
