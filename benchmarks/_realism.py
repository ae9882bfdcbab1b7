"""How close generated cells are to real ones of the same type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from scmmgpt_tl._expression import log_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Cells = Mapping[str, NDArray[np.float64]]

NEIGHBOURS = (3, 5, 10, 25)
TOP = 50
COMPONENTS = 50


def score_realism(real: Cells, made: Cells, *, seed: int) -> dict[str, float]:
    """Compare generated with real cells, type by type.

    Parameters
    ----------
    real, made
        Counts of the cells of each term, (cells, genes); the same terms in both.
    seed
        Of the principal components.

    Returns
    -------
    `knn_3`, `knn_5`, `knn_10`, `knn_25`, `mmd`, `mean`, `change` and `overlap`; the last four are
    means over terms.
    """
    logged = [
        {term: log_expression(csr_matrix(part)).toarray() for term, part in cells.items()}
        for cells in (real, made)
    ]
    scores = {f"knn_{k}": share for k, share in nearest(*logged, seed=seed).items()}
    scores["mmd"] = discrepancy(*logged, seed=seed)
    levels = [
        {term: np.log1p(np.expm1(part).mean(0)) for term, part in cells.items()} for cells in logged
    ]
    scores["mean"] = float(np.mean([_pearson(levels[0][t], levels[1][t]) for t in real]))
    changes = [{t: of[t] - _rest(of, t) for t in of} for of in levels]
    scores["change"] = float(np.mean([_pearson(changes[0][t], changes[1][t]) for t in real]))
    tops = [{t: _top(cells, t) for t in cells} for cells in logged]
    scores["overlap"] = float(np.mean([len(tops[0][t] & tops[1][t]) / TOP for t in real]))
    return scores


def nearest(real: Cells, made: Cells, *, seed: int) -> dict[int, float]:
    """Share of real cells whose nearest generated cells are mostly of their type."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier

    learned, asked = (np.concatenate([cells[t] for t in real]) for cells in (made, real))
    label, truth = (np.repeat(list(real), [len(c[t]) for t in real]) for c in (made, real))
    n = min(COMPONENTS, *learned.shape)
    pca = PCA(n, random_state=seed).fit(learned)
    place, query = pca.transform(learned), pca.transform(asked)
    found = {}
    for k in NEIGHBOURS:
        guess = KNeighborsClassifier(min(k, len(place))).fit(place, label).predict(query)
        found[k] = float((guess == truth).mean())
    return found


def discrepancy(real: Cells, made: Cells, *, seed: int) -> float:
    r"""Squared maximum mean discrepancy between real and generated cells, mean over types.

    The unbiased estimate with a Gaussian kernel on the principal components of the real cells, whose
    width is the median distance between real cells. An estimate may be below 0.
    """
    from scipy.spatial.distance import cdist, pdist
    from sklearn.decomposition import PCA

    whole = np.concatenate(list(real.values()))
    pca = PCA(min(COMPONENTS, *whole.shape), random_state=seed).fit(whole)
    width = float(np.median(pdist(pca.transform(whole)[:: max(len(whole) // 1000, 1)])))
    found = []
    for term in real:
        x, y = pca.transform(real[term]), pca.transform(made[term])
        xx, yy, xy = (
            np.exp(-cdist(a, b, "sqeuclidean") / (2 * width**2))
            for a, b in ((x, x), (y, y), (x, y))
        )
        inner = sum((k.sum() - len(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy))
        found.append(inner - 2 * xy.mean())
    return float(np.mean(found))


def _rest(levels: Mapping[str, NDArray[np.float64]], term: str) -> NDArray[np.float64]:
    others = [np.expm1(level) for name, level in levels.items() if name != term]
    mean: NDArray[np.float64] = np.log1p(np.mean(others, axis=0))
    return mean


def _top(logged: Cells, term: str) -> frozenset[int]:
    """Genes that are most clearly higher in a type than in the others, by Welch's t."""
    own = logged[term]
    rest = np.concatenate([part for name, part in logged.items() if name != term])
    error = own.var(0, ddof=1) / len(own) + rest.var(0, ddof=1) / len(rest)
    # Genes without any count have neither difference nor error.
    t = (own.mean(0) - rest.mean(0)) / np.sqrt(error + 1e-9)
    return frozenset(np.argsort(-t, kind="stable")[:TOP].tolist())


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
