"""From the genes and cell types that a source names to those of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scmmgpt_tl import ontology
from scmmgpt_tl.pp._genes import COVERED
from scmmgpt_tl.pp._names import match_names
from scmmgpt_tl.pp._species import UNKNOWN, guess_species

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from scmmgpt_tl.model.genes import GeneTable

# A mixture (PBMC), a term that means any cell, and no term at all.
NOT_A_TYPE = frozenset({"CL:2000001", "CL:0000003", ""})


def current_terms(ids: Iterable[str]) -> list[str]:
    """Return today's Cell Ontology id for each id, `""` where the ontology has none."""
    cl = ontology.load()
    return [cl.current(term) if term in cl else "" for term in map(str, ids)]


def not_learned(types: Collection[str]) -> frozenset[str]:
    """Return what no cell is learned as: types that are none, and the given ones with all kinds.

    Raises
    ------
    ValueError
        If a type is not in the ontology.
    """
    cl = ontology.load()
    if unknown := [term for term in types if term not in cl]:
        msg = (
            f"`without_types` holds {unknown[0]!r}, which is no term of Cell Ontology {cl.release}."
        )
        raise ValueError(msg)
    chosen = frozenset(map(cl.current, types))
    return NOT_A_TYPE | chosen.union(*map(cl.descendants, chosen))


def gene_map(names: Sequence[str], genes: GeneTable) -> sp.csr_matrix:
    """Return the 0/1 matrix from a source's genes to the table's: by symbol, alias or Ensembl id.

    Mouse genes are known by their names, and stand for their human orthologs.

    Raises
    ------
    ValueError
        If no gene of the source is in the table, or its genes are those of another species.
    """
    texts = list(map(str, names))
    species = guess_species(texts, match_names(texts, genes)).species
    if species not in {*COVERED, UNKNOWN}:
        msg = (
            f"The genes {', '.join(texts[:5])} ... look like those of another species, {species}; "
            "a run can learn from human and mouse genes. Leave the source out."
        )
        raise ValueError(msg)
    pairs = _mouse_pairs(texts, genes) if species == "mouse" else _human_pairs(texts, genes)
    if not pairs:
        msg = f"None of the genes {', '.join(texts[:5])} ... is in the gene table."
        raise ValueError(msg)
    rows, columns = zip(*pairs, strict=True)
    ones = np.ones(len(pairs), dtype=np.float32)
    return sp.csr_matrix((ones, (rows, columns)), shape=(len(texts), len(genes)))


def _human_pairs(names: Sequence[str], genes: GeneTable) -> list[tuple[int, int]]:
    index = {alias: i for i, aliases in enumerate(genes.aliases) for alias in aliases}
    index |= {ensembl: i for i, ensembl in enumerate(genes.ensembl_ids)}
    index |= {symbol: i for i, symbol in enumerate(genes.symbols)}
    return [(i, index[name]) for i, name in enumerate(names) if name in index]


def _mouse_pairs(names: Sequence[str], genes: GeneTable) -> list[tuple[int, int]]:
    matches = match_names(names, genes, "mouse")
    return [(i, match.gene) for i, match in enumerate(matches) if match is not None]
