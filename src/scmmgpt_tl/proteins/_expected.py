"""What is expected of the proteins of a cell type, and how well a cell meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.ontology import CellOntology

    from ._table import Protein

__all__ = ["expectations", "log_likelihood"]

# How often a cell is not as its type should be, or an antibody wrong.
ERROR = 0.05


def expectations(
    proteins: Sequence[Protein | None], cl_ids: Sequence[str], *, ontology: CellOntology
) -> NDArray[np.int8]:
    """Look up what cells of each label should show.

    Parameters
    ----------
    proteins
        What each antibody is against, `None` where nobody knows.
    cl_ids
        Cell Ontology ids of the labels, `""` for labels outside the ontology.
    ontology
        Which label is which kind of cell.

    Returns
    -------
    1 where the label's cells have the protein, -1 where they lack it, 0 where nothing is expected;
    `(n_labels, n_antibodies)`.
    """
    rows = [
        [_expected(protein, term, ontology) if protein and term else 0 for protein in proteins]
        for term in cl_ids
    ]
    return np.array(rows, dtype=np.int8).reshape(len(cl_ids), len(proteins))


def log_likelihood(
    positive: NDArray[np.floating], expected: NDArray[np.integer]
) -> NDArray[np.float64]:
    r"""Say how well the proteins of cells fit to labels, against a label of which nothing is known.

    With the probability :math:`q_{ij}` that cell :math:`i` has protein :math:`j`, and a label's
    cells being positive with probability :math:`e_{lj}`, `1 - ERROR`, `ERROR`, or one half where
    nothing is expected,

    .. math:: L_{il} = \sum_j \log 2 \bigl(q_{ij} e_{lj} + (1 - q_{ij}) (1 - e_{lj})\bigr) .

    Parameters
    ----------
    positive
        Probability of each protein in each cell, NaN where unknown; `(n_cells, n_proteins)`.
    expected
        Of :func:`expectations`, `(n_labels, n_proteins)`.

    Returns
    -------
    `(n_cells, n_labels)`; 0 where proteins say nothing.
    """
    q = np.where(np.isnan(positive), 0.5, positive)
    has, lacks = (np.log(2 * (ERROR + (1 - 2 * ERROR) * p)) for p in (q, 1 - q))
    return has @ (expected == 1).T + lacks @ (expected == -1).T


def _expected(protein: Protein, term: str, ontology: CellOntology) -> int:
    """Ask the nearest listed terms at or above; they, and those listed below, must be of one mind."""
    listed = protein.expected
    if term in listed:
        return listed[term]
    above = ontology.ancestors(term) & listed.keys()
    nearest = {t for t in above if not ontology.descendants(t) & above}
    below = ontology.descendants(term) & listed.keys()
    said = {listed[t] for t in nearest}
    if len(said) != 1 or said != said | {listed[t] for t in below}:
        return 0
    return said.pop()
