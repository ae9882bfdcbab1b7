"""What is expected of the proteins of cell types, and what proteins say for which of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.ontology import CellOntology

    from ._table import Protein

__all__ = ["contrast", "expectations", "fit", "log_odds"]

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


def log_odds(positive: NDArray[np.floating]) -> NDArray[np.float64]:
    r"""Return what each protein says for labels that have it, against labels that lack it.

    With the probability :math:`q` that a cell has the protein, and one cell in `1 / ERROR` not as
    its type should be,

    .. math:: o = \log \frac{q (1 - \epsilon) + (1 - q) \epsilon}{q \epsilon + (1 - q) (1 - \epsilon)} .

    Parameters
    ----------
    positive
        Probability of each protein in each cell, NaN where unknown; `(n_cells, n_proteins)`.

    Returns
    -------
    `(n_cells, n_proteins)`; 0 where unknown.
    """
    q = np.where(np.isnan(positive), 0.5, positive)
    present = ERROR + (1 - 2 * ERROR) * q
    return np.log(present / (1 - present))


def contrast(
    odds: NDArray[np.floating], own: NDArray[np.integer], others: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Ask the proteins on which two labels differ which of them they are for.

    A protein that only one of the two has an expectation of is not asked: else labels of which more
    is known would win over others by what all cells have in common.

    Parameters
    ----------
    odds
        Of :func:`log_odds`, `(n_cells, n_proteins)`.
    own
        What is expected of the label of each cell, `(n_cells, n_proteins)`.
    others
        What is expected of labels, `(n_labels, n_proteins)`.

    Returns
    -------
    Log-odds of the cell's own label against each label, `(n_cells, n_labels)`.
    """
    own, others = own.astype(np.float64), others.astype(np.float64)
    # Where one is 1 and the other -1, this comes to own * odds; everywhere else to 0.
    return ((own * odds) @ (others**2).T - (own**2 * odds) @ others.T) / 2


def fit(odds: NDArray[np.floating], expected: NDArray[np.integer]) -> NDArray[np.float64]:
    """Say how well proteins are as labels let expect, against a label that lets expect nothing.

    Parameters
    ----------
    odds
        Of :func:`log_odds`, `(n_cells, n_proteins)`.
    expected
        Of labels `(n_labels, n_proteins)`, or of each cell's label `(n_cells, 1, n_proteins)`.

    Returns
    -------
    Log-likelihood ratios, `(n_cells, n_labels)`.
    """
    # A protein that nothing is expected of is there or not with a chance of one half each.
    has, lacks = (np.log(2 / (1 + np.exp(-sign * odds))) for sign in (1, -1))
    if expected.ndim == 2:
        return has @ (expected == 1).T + lacks @ (expected == -1).T
    own = expected[:, 0]
    return np.where(own == 1, has, np.where(own == -1, lacks, 0)).sum(axis=1, keepdims=True)


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
