"""Build the gene table of a model from GENCODE and gene descriptions."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING

from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

# Biotypes that single-cell assays measure well whatever the protocol.
CODING = frozenset({"protein_coding", "IG_C_gene", "TR_C_gene"})


def build_gene_table(
    gencode: Path, gene_text: Path, *, extra: Collection[str] = ()
) -> GeneTable:
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
    rows: dict[str, str] = {}
    with gzip.open(gencode, "rt") as handle:
        for ensembl, symbol, _, _, biotype in csv.reader(handle):
            if (biotype in CODING or symbol in extra) and not symbol.startswith("ENSG"):
                rows.setdefault(symbol, ensembl)
    symbols = tuple(sorted(rows))
    aliases = _unambiguous(read_gene_text(gene_text), rows)
    return GeneTable(
        symbols,
        tuple(rows[symbol] for symbol in symbols),
        tuple(tuple(aliases.get(symbol, ())) for symbol in symbols),
    )


def read_gene_text(path: Path) -> list[dict[str, object]]:
    """Read gene descriptions, one dictionary a gene."""
    with gzip.open(path, "rt") as handle:
        return [json.loads(line) for line in handle]


def _unambiguous(described: Iterable[dict[str, object]], rows: dict[str, str]) -> dict[str, list[str]]:
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
