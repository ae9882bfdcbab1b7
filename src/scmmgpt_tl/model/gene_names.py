"""Gene tables of encoders that know their genes by one kind of name only."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from .genes import GeneTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@cache
def human_genes() -> GeneTable:
    """Return the human genes that the package knows with all their names."""
    return GeneTable.read(Path(str(files("scmmgpt_tl").joinpath("models", "default", "genes.tsv"))))


def table_of_symbols(symbols: Sequence[str], *, known: GeneTable | None = None) -> GeneTable:
    """Add Ensembl ids and aliases to symbols.

    Parameters
    ----------
    symbols
        Genes of an encoder, each once.
    known
        Where the other names come from; by default the human genes of the package.

    Examples
    --------
    >>> known = GeneTable(("JCHAIN",), ("ENSG00000132465",), (("IGJ",),))
    >>> table_of_symbols(["IGJ", "new"], known=known).ensembl_ids
    ('ENSG00000132465', '')
    """
    known = human_genes() if known is None else known
    own = set(symbols)
    ids, aliases = [], []
    taken: set[int] = set()
    # Names of today first: an old one gets a gene only where no other name of the table means it.
    places = [known.by_symbol.get(symbol) for symbol in symbols]
    taken.update(place for place in places if place is not None)
    for symbol, place in zip(symbols, places, strict=True):
        gene = place
        if gene is None and (old := known.by_alias.get(symbol)) is not None and old not in taken:
            gene = old
            taken.add(old)
        ids.append("" if gene is None else known.ensembl_ids[gene])
        names = () if gene is None else (known.symbols[gene], *known.aliases[gene])
        aliases.append(tuple(name for name in names if name not in own))
    return GeneTable(tuple(symbols), tuple(ids), tuple(aliases))


def table_of_ids(
    ensembl_ids: Sequence[str],
    *,
    symbols: Mapping[str, str] | None = None,
    merged: Mapping[str, str] | None = None,
    known: GeneTable | None = None,
) -> GeneTable:
    """Add symbols and aliases to Ensembl ids.

    Parameters
    ----------
    ensembl_ids
        Genes of an encoder, each once.
    symbols
        Ensembl id of symbols, beside those of the package; these were published with the encoder.
    merged
        Ensembl id that another one counts as.
    known
        Where the other names come from; by default the human genes of the package.

    Returns
    -------
    A table in which a gene without symbol has its id for one.

    Examples
    --------
    >>> known = GeneTable(("JCHAIN",), ("ENSG00000132465",), (("IGJ",),))
    >>> table = table_of_ids(["ENSG00000132465", "ENSG1"], merged={"ENSG2": "ENSG1"}, known=known)
    >>> table.symbols, table.by_alias["ENSG2"]
    (('JCHAIN', 'ENSG1'), 1)
    """
    known = human_genes() if known is None else known
    own = set(ensembl_ids)
    more: dict[str, list[str]] = {}
    for name, gene in [*(merged or {}).items(), *(symbols or {}).items()]:
        if gene in own and name != gene:
            more.setdefault(gene, []).append(name)
    published = {gene: name for name, gene in (symbols or {}).items()}
    names, aliases = [], []
    taken = {known.symbols[known.by_ensembl[gene]] for gene in own & known.by_ensembl.keys()}
    for gene in ensembl_ids:
        others = more.get(gene, [])
        if (place := known.by_ensembl.get(gene)) is not None:
            name = known.symbols[place]
            others = [*known.aliases[place], *others]
        else:
            name = published.get(gene, gene)
            name = gene if name in taken else name
            taken.add(name)
        names.append(name)
        aliases.append(tuple(dict.fromkeys(other for other in others if other != name)))
    return GeneTable(tuple(names), tuple(ensembl_ids), tuple(aliases))
