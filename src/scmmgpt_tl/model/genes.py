"""The genes a model knows, with their other names."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HEADER = ["symbol", "ensembl_id", "aliases"]


@dataclass(frozen=True)
class GeneTable:
    """Genes in the order of the model's columns.

    Parameters
    ----------
    symbols
        Approved symbols, each once.
    ensembl_ids
        Ensembl gene ids without version, `""` where a gene has none.
    aliases
        Previous and alias symbols of each gene.

    Raises
    ------
    ValueError
        If the columns differ in length, or a symbol or id occurs twice.

    Examples
    --------
    >>> genes = GeneTable(("JCHAIN",), ("ENSG00000132465",), (("IGJ",),))
    >>> genes.by_alias["IGJ"]
    0
    """

    symbols: tuple[str, ...]
    ensembl_ids: tuple[str, ...] = field(repr=False)
    aliases: tuple[tuple[str, ...], ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not len(self.symbols) == len(self.ensembl_ids) == len(self.aliases):
            lengths = len(self.symbols), len(self.ensembl_ids), len(self.aliases)
            msg = f"Symbols, Ensembl ids and aliases must be equally many, not {lengths}."
            raise ValueError(msg)
        _refuse_repeats("symbol", self.symbols)
        _refuse_repeats("Ensembl id", filter(None, self.ensembl_ids))

    def __len__(self) -> int:
        return len(self.symbols)

    def __repr__(self) -> str:
        return f"GeneTable({len(self)} genes: {', '.join(self.symbols[:3])}, ...)"

    @cached_property
    def by_symbol(self) -> Mapping[str, int]:
        """Index of each symbol."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @cached_property
    def by_ensembl(self) -> Mapping[str, int]:
        """Index of each Ensembl id."""
        return {ensembl: i for i, ensembl in enumerate(self.ensembl_ids) if ensembl}

    @cached_property
    def by_alias(self) -> Mapping[str, int]:
        """Index of each alias that means one gene only and is no gene's symbol."""
        pairs = ((alias, i) for i, aliases in enumerate(self.aliases) for alias in aliases)
        return _unambiguous(pairs, taken=self.by_symbol)

    @cached_property
    def by_upper(self) -> Mapping[str, int]:
        """Index of each symbol, then alias, in capitals, where that means one gene only."""
        symbols = _unambiguous(((symbol.upper(), i) for symbol, i in self.by_symbol.items()))
        aliases = ((alias.upper(), i) for alias, i in self.by_alias.items())
        return {**_unambiguous(aliases, taken=symbols), **symbols}

    def places_in(self, other: GeneTable) -> list[int]:
        """Return the place of each gene in another table, -1 for those that are not there.

        Ensembl ids decide, then symbols, then aliases that mean one gene only.

        Parameters
        ----------
        other
            Any table.

        Examples
        --------
        >>> ours = GeneTable(("JCHAIN", "MS4A1"), ("ENSG00000132465", ""), (("IGJ",), ()))
        >>> ours.places_in(GeneTable(("CD3D", "IGJ"), ("", ""), ((), ())))
        [1, -1]
        """
        places = []
        for symbol, ensembl, aliases in zip(
            self.symbols, self.ensembl_ids, self.aliases, strict=True
        ):
            names = (symbol, *(name for name in aliases if name in self.by_alias))
            found = [other.by_ensembl.get(ensembl)]
            found += [table.get(n) for table in (other.by_symbol, other.by_alias) for n in names]
            places.append(next((place for place in found if place is not None), -1))
        return places

    @classmethod
    def read(cls, path: str | Path) -> GeneTable:
        """Read a table written by :meth:`write`.

        Parameters
        ----------
        path
            Tab-separated file with the header `symbol`, `ensembl_id`, `aliases`.

        Raises
        ------
        ValueError
            If the header or a row is not as it should be.
        """
        with Path(path).open(encoding="utf-8", newline="") as file:
            try:
                rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
            except csv.Error as error:
                msg = f"{path} is no table of genes: {error}."
                raise ValueError(msg) from error
        if not rows or rows[0] != _HEADER:
            msg = f"{path} must begin with the header {_HEADER}, not {rows[0] if rows else []}."
            raise ValueError(msg)
        for number, row in enumerate(rows[1:], start=2):
            if len(row) != len(_HEADER):
                msg = f"Line {number} of {path} must have {len(_HEADER)} fields, not {len(row)}."
                raise ValueError(msg)
        symbols, ensembl_ids, aliases = zip(*rows[1:], strict=True) if rows[1:] else ((), (), ())
        split = tuple(tuple(filter(None, entry.split("|"))) for entry in aliases)
        return cls(tuple(symbols), tuple(ensembl_ids), split)

    def write(self, path: str | Path) -> None:
        """Write the table as tab-separated text.

        Parameters
        ----------
        path
            File to write.
        """
        columns = self.symbols, self.ensembl_ids, ("|".join(names) for names in self.aliases)
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(
                file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None
            )
            writer.writerow(_HEADER)
            writer.writerows(zip(*columns, strict=True))


def _refuse_repeats(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    repeated = {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
    if repeated:
        msg = f"Each {what} may occur once; repeated: {', '.join(sorted(repeated)[:5])}."
        raise ValueError(msg)


def _unambiguous(
    pairs: Iterable[tuple[str, int]], *, taken: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Index of each name that is not taken and belongs to one gene."""
    found: dict[str, int] = {}
    ambiguous: set[str] = set()
    for name, index in pairs:
        if found.setdefault(name, index) != index:
            ambiguous.add(name)
    return {
        name: index
        for name, index in found.items()
        if name not in ambiguous and name not in (taken or {})
    }
