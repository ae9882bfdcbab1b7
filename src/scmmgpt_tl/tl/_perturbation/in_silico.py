"""Genes changed in the counts of cells, and what the model then says of the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl._results import column_names
from scmmgpt_tl._warnings import warn
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._answers.vote import group_mean
from scmmgpt_tl.tl._kernels import probabilities
from scmmgpt_tl.tl._labels import resolve_labels

from .changes import Changes, describe_rows
from .perturbations import find_genes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.tl._groups import Groups
    from scmmgpt_tl.tl._session import Session

__all__ = ["change_counts", "change_genes"]

KNOCK_OUT = "knock-out"
BASIS = "in silico"


def change_genes(
    session: Session,
    asked: Mapping[str, tuple[str, ...]],
    groups: Groups,
    *,
    direction: str,
    labels: Sequence[str] | Mapping[str, str] | None,
    batch_size: int | None,
) -> Changes:
    """Change genes in the counts, and score labels before and after.

    Parameters
    ----------
    session
        The call.
    asked
        Genes of each perturbation.
    groups
        Groups of the cells.
    direction
        `"knock-out"` or `"over-expression"`.
    labels
        What to score.
    batch_size
        Cells per pass.

    Raises
    ------
    ValueError
        What is asked for is no gene, or was not measured.
    """
    genes = {name: _find(parts, session) for name, parts in asked.items()}
    warn(
        "This changes genes in the counts and asks the model again. It says what their own "
        "transcripts mean to the model; of what else real cells change it was no better than chance "
        "(docs: benchmarks, Perturbations). Learn from an experiment by `scmm.train.perturbation`."
    )
    model, measured = session.model, session.measured
    cl = ontology.load()
    wanted = resolve_labels(labels, own=model.labels, tissue=None, ontology=cl)
    score = probabilities(
        model, scoring(wanted, model, ontology=cl, measured=measured), measured=measured
    )

    def kernel(states: Any, rows: csr_matrix) -> dict[str, Any]:
        before = score(states, rows)
        kept = {"n_genes": before["n_genes"], "before": before["p"]}
        for i, places in enumerate(genes.values()):
            changed = change_counts(rows, places, direction=direction)
            kept[f"after {i}"] = score(model.encode_cells(changed, measured), changed)["p"]
        return kept

    found = session.run(kernel, batch_size=batch_size, desc="perturb")
    codes = np.where(found["n_genes"] > 0, groups.codes, -1)
    n_groups = len(groups.names)
    before = group_mean(found["before"], codes, n_groups)
    after = [group_mean(found[f"after {i}"], codes, n_groups) for i in range(len(asked))]
    control = np.tile(before, (len(asked), 1))
    n_rows = len(control)
    rows = describe_rows(
        list(asked),
        groups.names,
        n_cells=np.bincount(codes[codes >= 0], minlength=n_groups),
        basis=[BASIS] * n_rows,
        expected=[(np.nan, np.nan)] * n_rows,
    )
    return Changes(column_names(wanted.names), rows, control, np.concatenate(after) - control)


def change_counts(rows: csr_matrix, genes: NDArray[np.intp], *, direction: str) -> csr_matrix:
    """Take the counts of genes away, or raise them to the highest count of each cell.

    Parameters
    ----------
    rows
        Counts, (cells, genes of the model).
    genes
        Which to change.
    direction
        `"knock-out"` or `"over-expression"`.

    Examples
    --------
    >>> cells = sparse.csr_matrix([[4.0, 1.0, 0.0]])
    >>> change_counts(cells, np.array([0]), direction="knock-out").toarray()
    array([[0., 1., 0.]])
    >>> change_counts(cells, np.array([2]), direction="over-expression").toarray()
    array([[4., 1., 4.]])
    """
    others = np.ones(rows.shape[1], dtype=rows.dtype)
    others[genes] = 0
    changed = (rows @ sparse.diags(others)).tocsr()
    if direction != KNOCK_OUT:
        highest = sparse.csr_matrix(rows.max(axis=1))
        raised = sparse.csr_matrix((1 - others)[None])
        changed = (changed + highest @ raised).tocsr()
    changed.eliminate_zeros()
    changed.sort_indices()
    return changed.astype(rows.dtype)


def _find(parts: Sequence[str], session: Session) -> NDArray[np.intp]:
    genes = session.model.genes
    places = find_genes(parts, genes)
    if places is None:
        msg = (
            f"{' and '.join(parts)} cannot be changed in the counts: each must be a gene that "
            f"{session.model.name} knows, such as {genes.symbols[0]}. What words do to cells has to "
            "be learned from an experiment: fit `scmm.train.perturbation` and pass it as `model`."
        )
        raise ValueError(msg)
    if silent := [part for part, i in zip(parts, places, strict=True) if not session.measured[i]]:
        msg = f"`adata` did not measure {', '.join(silent)}: there is nothing to change."
        raise ValueError(msg)
    return places
