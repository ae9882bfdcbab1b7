"""A labelled data set that labels are taken from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._given_labels import given_codes
from scmmgpt_tl.tl._kernels import probabilities
from scmmgpt_tl.tl._labels import resolve_labels
from scmmgpt_tl.tl._session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model.scmmgpt import CellStates
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.tl._labels import LabelSet
    from scmmgpt_tl.tl._session import Session

__all__ = ["Labelled", "Reference", "open_reference", "places"]

FEWEST_SHARED = 25


class Labelled(NamedTuple):
    """Labelled cells as the model sees them.

    Parameters
    ----------
    place
        Unit vectors, `(n_labelled, width)`.
    own
        Probabilities of the model's own labels, `(n_labelled, n_own)`.
    told
        Shares of the reference's labels by what their names say, `(n_labelled, n_labels)`.
    code
        Label of each cell, `(n_labelled,)`.
    """

    place: NDArray[np.float32]
    own: NDArray[np.float32]
    told: NDArray[np.float32]
    code: NDArray[np.intp]


class Reference(NamedTuple):
    """A labelled data set, checked and not yet read.

    Parameters
    ----------
    session
        Its cells.
    labels
        Its labels.
    code
        Label of each cell, -1 for none, `(n_labelled,)`.
    """

    session: Session
    labels: LabelSet
    code: NDArray[np.intp]

    def read(self, *, batch_size: int | None) -> Labelled:
        """Send the cells that have a label, and enough genes, through the model.

        Parameters
        ----------
        batch_size
            Cells per pass.

        Raises
        ------
        ValueError
            A label has no cell that can be read.
        """
        found = self.session.run(
            places(self.session, self.labels), batch_size=batch_size, desc="read the reference"
        )
        least = self.session.min_genes()
        rows = np.flatnonzero((self.code >= 0) & (found["n_genes"] >= least))
        missing = np.setdiff1d(np.arange(len(self.labels)), self.code[rows])
        if len(missing):
            msg = (
                f"No cell of {self.labels.names[missing[0]]!r} in `reference` expresses "
                f"{least} genes that the query measured too. Leave this label out, or check that "
                "both hold counts of the same kind of genes."
            )
            raise ValueError(msg)
        place, own, told = (found[name][rows] for name in ("cell", "p", "told"))
        return Labelled(place, own, told, self.code[rows])


def open_reference(
    reference: AnnData | MuData,
    labels_key: str,
    *,
    query: Session,
    layer: str | None,
    counts: Counts,
    gene_symbols: str | None,
    mod: str | None,
) -> Reference:
    """Check a reference, before anything is computed.

    It is read as if it had been measured with the query's genes: the model sees a cell in another
    place where genes are missing.

    Parameters
    ----------
    reference
        The labelled cells; only read.
    labels_key
        Column of its `.obs`.
    query
        The call that labels are transferred in.
    layer, counts, gene_symbols, mod
        As the tools document them.

    Raises
    ------
    ValueError
        Its values, genes or labels cannot be used.
    """
    session = open_session(
        reference,
        model=query.model,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species="auto",
        # A modality of the query's is none of a reference that is a plain AnnData.
        mod=mod if hasattr(reference, "mod") else None,
        copy=False,
    )
    names, code = given_codes(session.adata, labels_key, slot="reference.obs")
    labels = resolve_labels(names, own=None, tissue=None, ontology=ontology.load())
    return Reference(_narrowed(session, query.measured), labels, code)


def places(session: Session, labels: LabelSet) -> Callable[..., dict[str, Any]]:
    """Keep where cells lie in the shared space, and what the model makes of two sets of labels.

    Parameters
    ----------
    session
        Whose cells they are.
    labels
        Of the reference.

    Returns
    -------
    A kernel that keeps `cell`, unit vectors, `(n_cells, width)`, `told`, the shares of the labels by
    what their names say, and what :func:`~scmmgpt_tl.tl._kernels.probabilities` keeps for the
    model's own labels.
    """
    model, cl = session.model, ontology.load()
    mine = resolve_labels(None, own=model.labels, tissue=None, ontology=cl)
    how = scoring(mine, model, ontology=cl, measured=session.measured)
    see = probabilities(model, how, measured=session.measured)
    asked = scoring(labels, model, ontology=cl, measured=session.measured)
    compare = probabilities(model, asked, measured=session.measured)

    def kernel(states: CellStates, rows: csr_matrix) -> dict[str, Any]:
        told = compare(states, rows)["p"]
        return {"cell": states.cell, "told": told, **see(states, rows)}

    return kernel


def _narrowed(session: Session, measured: NDArray[np.bool_]) -> Session:
    """Leave the genes of a data set out that another one did not measure."""
    report = session.prepared.gene_report
    kept = (report.index >= 0) & measured[report.index]
    index = np.where(kept, report.index, -1)
    shared = len(np.unique(index[kept]))
    if shared < FEWEST_SHARED:
        msg = (
            f"`reference` and the query share {shared} genes that the model knows; "
            f"{FEWEST_SHARED} are needed. Check `gene_symbols` and `reference_gene_symbols`."
        )
        raise ValueError(msg)
    narrowed = replace(report, index=index, n_covered=shared, n_matched=int(kept.sum()))
    return replace(session, prepared=replace(session.prepared, gene_report=narrowed))
