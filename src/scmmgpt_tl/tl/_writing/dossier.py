"""What is known of each group before a word is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._answers.decide import Level, Rule, decide
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._answers.vote import group_mean
from scmmgpt_tl.tl._kernels import GroupSums, probabilities
from scmmgpt_tl.tl._labels import UNKNOWN

from .describe_text import ROOT, Evidence
from .evidence import group_levels, top_genes, top_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.tl._answers.decide import Decision
    from scmmgpt_tl.tl._groups import Groups
    from scmmgpt_tl.tl._labels import LabelSet
    from scmmgpt_tl.tl._session import Session

    from .write_up import Text

__all__ = ["Dossier", "Reading", "lay_out", "open_dossiers", "read_groups_of"]


class Reading(NamedTuple):
    """What the model says of groups.

    Parameters
    ----------
    p
        Mean probability of each label, `(n_groups, n_labels)`.
    queries
        Mean query states, `(n_groups, n_queries, width)`.
    codes
        Group of each cell, -1 where it has none or is too poor to count; `(n_cells,)`.
    coverage
        Mean share of the expression of its cells that the model could read, `(n_groups,)`.
    """

    p: NDArray[np.float64]
    queries: NDArray[np.float32]
    codes: NDArray[np.intp]
    coverage: NDArray[np.float64]

    @property
    def read(self) -> NDArray[np.bool_]:
        """Whether any cell of a group could be read, `(n_groups,)`."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.p)) > 0


class Dossier(NamedTuple):
    """One group: its label (`"unknown"` for want of one), id, score, terms, evidence, coverage.

    There is no evidence on a group of which no cell could be read.
    """

    label: str
    cl_id: str
    score: float
    terms: str
    evidence: Evidence | None
    coverage: float

    @property
    def lineage(self) -> str:
        """Path from the root of the ontology to the label."""
        known = self.evidence is not None and self.label != UNKNOWN
        return " > ".join(self.evidence.lineage) if known and self.evidence else ""


def read_groups_of(
    session: Session, asked: LabelSet, groups: Groups, *, batch_size: int | None
) -> Reading:
    """Send the cells through the model and average by group.

    Parameters
    ----------
    session
        The call.
    asked
        Labels that the cells are compared with.
    groups
        The groups.
    batch_size
        Cells per pass.

    Returns
    -------
    The averages.
    """
    model, n_groups = session.model, len(groups.names)
    min_genes = session.min_genes()
    how = scoring(asked, model, ontology=ontology.load(), measured=session.measured)
    compare = probabilities(model, how, measured=session.measured)
    p, queries = (GroupSums(groups.codes, n_groups, min_genes=min_genes) for _ in range(2))

    def kernel(states: Any, rows: Any) -> dict[str, Any]:
        said, own = compare(states, rows), states.queries.float().cpu().numpy()
        p.add(said["p"], rows)
        queries.add(own, rows)
        return {"n_genes": said["n_genes"]}

    found = session.run(kernel, batch_size=batch_size, desc="read")
    codes = np.where(found["n_genes"] >= min_genes, groups.codes, -1)
    covered = group_mean(found["coverage"][:, None], groups.codes, n_groups)[:, 0]
    return Reading(p.means(), queries.means().astype(np.float32), codes, covered)


def open_dossiers(
    session: Session, asked: LabelSet, reading: Reading, *, threshold: float, tissue: str
) -> list[Dossier]:
    """Gather label, lineage, terms and genes of each group.

    Parameters
    ----------
    session
        The call.
    asked
        Labels that the cells were compared with.
    reading
        What the model says.
    threshold
        Lowest score of a label.
    tissue
        Where the cells are from, `""` where nobody said.

    Returns
    -------
    One dossier per group.
    """
    decision = _label(reading.p, asked, session, threshold=threshold)
    levels = group_levels(session.blocks(), reading.codes, len(reading.p))
    genes = top_genes(*levels, session.model.genes.symbols)
    terms = top_terms(reading.p, asked.names)
    described = dict(zip(asked.names, asked.descriptions, strict=True))
    tissues = tuple(sorted({name for some in session.model.labels.tissues for name in some}))
    cl = ontology.load()
    dossiers = []
    for group, read in enumerate(reading.read):
        label, cl_id = (decision.labels[group], decision.cl_ids[group]) if read else (UNKNOWN, "")
        term = ROOT if label == UNKNOWN else cl_id
        evidence = Evidence(
            label=cl.name(term) if term else label,
            cl_id=term,
            genes=genes[group],
            tissue=tissue,
            description=described.get(label, ""),
            ontology=cl,
            tissues=tissues,
        )
        dossiers.append(
            Dossier(
                label,
                cl_id,
                decision.scores[group],
                terms[group] if read else "",
                evidence if read else None,
                float(reading.coverage[group]),
            )
        )
    return dossiers


def lay_out(groups: Groups, dossiers: Sequence[Dossier], texts: Sequence[Text]) -> pd.DataFrame:
    """Lay descriptions and evidence out as a frame.

    Parameters
    ----------
    groups
        The groups.
    dossiers
        What is known of them.
    texts
        What was written of them.

    Returns
    -------
    One row per group, in their order.
    """
    genes = [known.evidence.genes if known.evidence else () for known in dossiers]
    return pd.DataFrame(
        {
            "group": list(groups.names),
            "n_cells": groups.sizes,
            "label": [known.label for known in dossiers],
            "cl_id": [known.cl_id for known in dossiers],
            "score": np.array([known.score for known in dossiers], dtype=np.float32),
            "top_genes": [", ".join(symbols) for symbols in genes],
            "top_terms": [known.terms for known in dossiers],
            "lineage": [known.lineage for known in dossiers],
            "description": [text.text for text in texts],
            "written_by": [text.written_by for text in texts],
            "coverage": np.array([known.coverage for known in dossiers], dtype=np.float32),
        }
    )


def _label(
    p: NDArray[np.float64], asked: LabelSet, session: Session, *, threshold: float
) -> Decision:
    """Label each group as far down as the evidence goes: what is written must be true of its cells.

    What speaks for a label includes what speaks for terms above it; the term on its line that is sure
    enough without that is the more careful answer.
    """
    cl, calibration = ontology.load(), session.model.calibration
    decision = decide(p, asked, Rule(Level("label"), threshold, calibration, cl))
    if not any(asked.cl_ids):
        return decision
    rolled = decide(p, asked, Rule(Level("deepest"), threshold, calibration, cl))
    above = [
        careful in cl.ancestors(label) if label else False
        for careful, label in zip(rolled.cl_ids, decision.cl_ids, strict=True)
    ]
    better = (rolled.labels != UNKNOWN) & (np.array(above) | (decision.labels == UNKNOWN))
    for field, other in zip(decision, rolled, strict=True):
        field[better] = other[better]
    return decision
