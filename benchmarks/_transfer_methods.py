"""Methods that take labels from one study to another, each from two studies to its answers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scanpy as sc
from _celltypist import open_celltypist
from _data import Study, read_query
from _panel import log_cp10k
from anndata import AnnData
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

VARIABLE_GENES, COMPONENTS, LARGEST, NEIGHBOURS = 2000, 50, 10.0, 15


class Transferred(NamedTuple):
    """What a method answers.

    Parameters
    ----------
    code
        Label of the reference for each cell, -1 for none, `(cells,)`.
    certainty
        The higher, the surer that the label is right, `(cells,)`; `None` where none is stated.
    """

    code: NDArray[np.int64]
    certainty: NDArray[np.floating] | None


class Pair(NamedTuple):
    """A reference and a query, and what the baselines read of both.

    Parameters
    ----------
    reference, query
        The studies.
    known, asked
        `log1p(CP10k)` of the genes that both measured and that vary most in the reference,
        `(cells, genes)`.
    """

    reference: Study
    query: Study
    known: NDArray[np.float32]
    asked: NDArray[np.float32]

    def without(self, label: int) -> Pair:
        """Return the pair without the cells of one label in the reference."""
        rows = np.flatnonzero(self.reference.truth != label)
        return self._replace(reference=self.reference.of(rows), known=self.known[rows])


def read_pair(reference: Study, query: Study, model: Model) -> Pair:
    """Read what the baselines need of two studies.

    Parameters
    ----------
    reference, query
        The studies.
    model
        Whose genes both are matched to, as the tool does it.
    """
    first, second = (read_query(study, model.genes) for study in (reference, query))
    both = first.measured & second.measured
    known, asked = (log_cp10k(one.counts, both) for one in (first, second))
    spread = np.asarray(known.power(2).mean(0)).ravel() - np.square(
        np.asarray(known.mean(0)).ravel()
    )
    chosen = np.argsort(-spread, kind="stable")[:VARIABLE_GENES]
    chosen = chosen[spread[chosen] > 0]
    return Pair(reference, query, known[:, chosen].toarray(), asked[:, chosen].toarray())


def by_model(text_weight: float) -> Callable[[Pair, Model], Transferred]:
    """Transfer with the tool."""

    def transfer(pair: Pair, model: Model) -> Transferred:
        reference, query = pair.reference, pair.query
        labelled = reference.adata.copy()
        labelled.obs["asked"] = [reference.asked[t] for t in reference.truth]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = scmm.tl.label_transfer(
                query.adata,
                labelled,
                "asked",
                text_weight=text_weight,
                threshold=0.0,
                model=model,
                counts=query.counts,
                reference_counts=reference.counts,
                copy=True,
            )
        # The tool sorts what it is asked; terms are asked by id, and answered by name.
        p = found.obsm["scmm_transferred_scores"].to_numpy()
        asked = sorted({reference.asked[t] for t in reference.truth})
        code = np.array([reference.asked.index(text) for text in asked])
        unread = found.obs["scmm_transferred_reason"].isin(["few genes", "no counts"])
        answers = np.where(unread, -1, code[p.argmax(1)])
        return Transferred(answers, found.obs["scmm_transferred_score"].to_numpy(dtype=float))

    return transfer


def by_genes(pair: Pair, _model: Model) -> Transferred:
    """Logistic regression on the common genes."""
    return _classify(
        LogisticRegression(C=0.01, max_iter=300), pair.reference.truth, pair.known, asked=pair.asked
    )


def by_components(pair: Pair, _model: Model) -> Transferred:
    """Logistic regression on principal components of the reference."""
    known, asked = components(pair)
    return _classify(LogisticRegression(max_iter=1000), pair.reference.truth, known, asked=asked)


def by_neighbours(pair: Pair, _model: Model) -> Transferred:
    """Take the label of near cells on principal components; far cells are uncertain."""
    known, asked = components(pair)
    n = min(NEIGHBOURS, len(known))
    nearest = KNeighborsClassifier(n, weights="distance")
    answers = _classify(nearest, pair.reference.truth, known, asked=asked)
    distance = nearest.kneighbors(asked)[0].mean(1)
    return answers._replace(certainty=-distance)


def by_ingest(pair: Pair, _model: Model) -> Transferred:
    """Run `scanpy.tl.ingest` as its tutorial does; it states no certainty."""
    known, asked = (_adata(values, name) for values, name in ((pair.known, "r"), (pair.asked, "q")))
    labels = pair.reference.truth
    known.obs["label"] = np.array(labels).astype(str)
    known.obs["label"] = known.obs["label"].astype("category")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.pca(known, n_comps=min(COMPONENTS, min(known.shape) - 1), random_state=0)
        sc.pp.neighbors(known, n_neighbors=min(NEIGHBOURS, known.n_obs - 1), random_state=0)
        sc.tl.ingest(asked, known, obs="label", embedding_method="pca")
    return Transferred(asked.obs["label"].astype(str).astype(np.int64).to_numpy(), None)


def by_celltypist(pair: Pair, _model: Model) -> Transferred:
    """Train CellTypist on the reference."""
    names = [f"gene{i}" for i in range(pair.known.shape[1])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = open_celltypist().train(
            pair.known,
            labels=pair.reference.truth.astype(str),
            genes=names,
            # The ten thousand are of all common genes, not of those chosen among them.
            check_expression=False,
        )
        asked = _adata(pair.asked, "q")
        asked.var_names = names
        found = open_celltypist().annotate(asked, model=model)
    p = found.probability_matrix
    return Transferred(
        p.columns.to_numpy().astype(np.int64)[p.to_numpy().argmax(1)], p.to_numpy().max(1)
    )


def components(pair: Pair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Principal components of the reference, and the query's cells on them, at unit spread."""
    mean, spread = pair.known.mean(0), np.maximum(pair.known.std(0), 1e-6)
    known, asked = (((x - mean) / spread).clip(-LARGEST, LARGEST) for x in (pair.known, pair.asked))
    fitted = PCA(min(COMPONENTS, len(known) - 1), random_state=0).fit(known)
    placed = fitted.transform(known)
    return placed / placed.std(), fitted.transform(asked) / placed.std()


def _classify(
    classifier: Any,
    truth: NDArray[np.int64],
    known: NDArray[np.floating],
    *,
    asked: NDArray[np.floating],
) -> Transferred:
    classifier.fit(known, truth)
    p = classifier.predict_proba(asked)
    return Transferred(classifier.classes_[p.argmax(1)].astype(np.int64), p.max(1))


def _adata(values: NDArray[np.float32], prefix: str) -> AnnData:
    adata = AnnData(values.copy())
    adata.obs_names = [f"{prefix}{i}" for i in range(len(values))]
    return adata
