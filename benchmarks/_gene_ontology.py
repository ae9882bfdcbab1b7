"""Terms of the Gene Ontology with their genes, from Bioconductor's tables."""

from __future__ import annotations

import re
import sqlite3
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

FEWEST, MOST = 10, 200
# Words that say nothing of what a term is about.
EMPTY_WORDS = frozenset({"activity", "cell", "cellular", "from", "into", "involved", "negative"})
EMPTY_WORDS |= {"positive", "process", "regulation", "response", "with"}
MISSING = (
    "{} holds no {}. Unpack the Debian packages r-bioc-go.db and r-bioc-org.hs.eg.db there: "
    "`apt-get download NAME`, `dpkg-deb -x NAME.deb FOLDER`."
)


class Terms(NamedTuple):
    """Terms and the genes that they are said of.

    Parameters
    ----------
    names
        Of the terms.
    genes
        Which genes have each, or a term below it, by any evidence; (terms, genes of the model).
    """

    names: tuple[str, ...]
    genes: NDArray[np.bool_]


def read_terms(folder: Path, genes: GeneTable, *, n_terms: int, seed: int) -> Terms:
    """Draw biological processes that neither a few genes have nor very many.

    Parameters
    ----------
    folder
        Where `GO.sqlite` and `org.Hs.eg.sqlite` lie, at any depth.
    genes
        Of the model.
    n_terms
        How many to draw.
    seed
        Decides which.
    """
    query = "select distinct go_id, symbol from go_bp_all join gene_info using (_id)"
    members: dict[str, set[int]] = {}
    with sqlite3.connect(_find(folder, "org.Hs.eg.sqlite")) as table:
        for term, symbol in table.execute(query):
            if (place := genes.by_symbol.get(symbol)) is not None:
                members.setdefault(term, set()).add(place)
    with sqlite3.connect(_find(folder, "GO.sqlite")) as table:
        names: dict[str, str] = dict(table.execute("select go_id, term from go_term"))
    fit = sorted(t for t, own in members.items() if FEWEST <= len(own) <= MOST and t in names)
    drawn = np.random.default_rng(seed).permutation(fit)[:n_terms]
    found = np.zeros((len(drawn), len(genes)), dtype=bool)
    for row, term in enumerate(drawn):
        found[row, list(members[term])] = True
    return Terms(tuple(names[term] for term in drawn), found)


def written(terms: Terms, texts: Mapping[int, str]) -> NDArray[np.bool_]:
    """Say where a gene's description has a telling word of the term's name, (terms, genes).

    Parameters
    ----------
    terms
        The terms.
    texts
        Descriptions by gene.
    """
    found = np.zeros_like(terms.genes)
    words = {gene: telling_words(text) for gene, text in texts.items()}
    for row, name in enumerate(terms.names):
        own = telling_words(name)
        for gene in np.flatnonzero(terms.genes[row]):
            found[row, gene] = bool(own & words.get(gene, frozenset()))
    return found


def telling_words(text: str) -> frozenset[str]:
    """Return the words of four letters or more that say what a text is about."""
    return frozenset(re.findall(r"[a-z0-9]{4,}", text.lower())) - EMPTY_WORDS


def halves(members: Sequence[int], rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Part the genes of a term at random: those that are given, and those to be found."""
    mixed = rng.permutation(members).tolist()
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def _find(folder: Path, name: str) -> Path:
    found = next(folder.rglob(name), None)
    if found is None:
        sys.exit(MISSING.format(folder, name))
    return found
