"""Read names of labels, and sets of genes, from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def read_labels(path: Path) -> list[str] | dict[str, str]:
    """Read labels from a `.json` list or object, or from a text file with one name a line.

    Raises
    ------
    ValueError
        If a `.json` file holds something else, or there is no label in it.
    """
    if not path.is_file():
        msg = f"There is no file {str(path)!r}."
        raise FileNotFoundError(msg)
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() != ".json":
        found: Any = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"{str(path)!r} is no valid JSON: {error}."
            raise ValueError(msg) from error
    entries = [*found, *found.values()] if isinstance(found, dict) else found
    if not isinstance(entries, list) or not entries or not all(isinstance(x, str) for x in entries):
        msg = f"{str(path)!r} must hold a list of names, or an object {{name: description}}."
        raise ValueError(msg)
    return found


def read_gene_sets(path: Path) -> dict[str, list[str]]:
    """Read sets of genes from a `.json` object of lists, or from a `.gmt` file.

    Raises
    ------
    ValueError
        If the file holds something else, or no set.
    """
    if not path.is_file():
        msg = f"There is no file {str(path)!r}."
        raise FileNotFoundError(msg)
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() == ".json":
        try:
            found: Any = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"{str(path)!r} is no valid JSON: {error}."
            raise ValueError(msg) from error
    else:
        # A name, what it means, and the genes.
        rows = [line.split("\t") for line in text.splitlines() if line.strip()]
        found = {row[0]: [gene for gene in row[2:] if gene] for row in rows}
    sets = found if isinstance(found, dict) else {}
    if not sets or not all(isinstance(genes, list) and genes for genes in sets.values()):
        msg = (
            f"{str(path)!r} must hold sets of genes: a .json object {{name: [symbols]}}, or a .gmt."
        )
        raise ValueError(msg)
    return {name: [str(gene) for gene in genes] for name, genes in sets.items()}
