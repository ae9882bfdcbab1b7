"""Where two groups of cells differ: shares of types, genes, sets of genes, texts."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse, stats

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.tl._answers.vote import group_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .two_groups import Units

__all__ = ["differing_genes", "differing_sets", "differing_shares", "differing_texts"]

LEVEL = 0.95
# A gene that hardly any cell of either group expresses is not asked about.
LEAST_EXPRESSED = 0.1
FEWEST_GENES = 3


def differing_shares(
    labels: NDArray[np.object_], code: NDArray[np.intp], units: Units
) -> pd.DataFrame:
    """Compare how many cells of each group have each label.

    Parameters
    ----------
    labels
        Label of each cell, `(n_cells,)`.
    code
        Group of each cell, `(n_cells,)`.
    units
        What counts as one observation.

    Returns
    -------
    One row a label: `label`, `share_a`, `share_b` (over batches, their means), `difference`, its
    interval `low` and `high`, and `q`, by Fisher's exact test over cells or by t-tests over batches.
    """
    names, of_cell = np.unique(labels.astype(str), return_inverse=True)
    is_label = np.eye(len(names))[of_cell]
    shares = [_observations(is_label, code == group, units).mean(axis=0) for group in (0, 1)]
    if units.kind == "cells":
        n = [int((code == group).sum()) for group in (0, 1)]
        hits = [np.rint(share * size).astype(int) for share, size in zip(shares, n, strict=True)]
        rows = [_compare_counts(one, n) for one in zip(*hits, strict=True)]
        found = pd.DataFrame(rows, columns=["difference", "low", "high", "p"])
    else:
        found = _compare_means(is_label, code, units)
    found.insert(0, "label", names)
    found.insert(1, "share_a", shares[0])
    found.insert(2, "share_b", shares[1])
    return _corrected(found)


def differing_genes(
    counts: sparse.csr_matrix, symbols: Sequence[str], code: NDArray[np.intp], *, units: Units
) -> pd.DataFrame:
    r"""Compare the expression of genes, by Wilcoxon tests over cells or t-tests over batches.

    Over batches, the counts of the cells of a batch and group are added up first (pseudobulk), and
    :math:`\log_2` counts per million plus one are compared.

    Parameters
    ----------
    counts
        Of the cells, `(n_cells, n_genes)`.
    symbols
        Names of the genes.
    code
        Group of each cell, `(n_cells,)`.
    units
        What counts as one observation.

    Returns
    -------
    One row for each gene that at least a tenth of the cells of either group express: `gene`,
    `log2_fold` of the first group over the second, `expressed_a` and `expressed_b`, shares of cells,
    and `q`. Over cells, the fold is that of the mean counts per ten thousand, each plus 0.1; over
    batches, of what is compared.
    """
    seen = [np.asarray((counts[code == group] > 0).mean(axis=0)).ravel() for group in (0, 1)]
    genes = np.flatnonzero(np.maximum(*seen) >= LEAST_EXPRESSED)
    test = _over_cells if units.kind == "cells" else _over_batches
    fold, p = test(counts, genes, code, units=units)
    found = pd.DataFrame(
        {
            "gene": np.array(symbols, dtype=object)[genes],
            "log2_fold": fold,
            "expressed_a": seen[0][genes],
            "expressed_b": seen[1][genes],
            "p": p,
        }
    )
    return _corrected(found).sort_values(["q", "gene"], ignore_index=True)


def differing_sets(
    genes: pd.DataFrame, sets: Mapping[str, Sequence[str]], *, higher: Sequence[str]
) -> pd.DataFrame:
    """Find sets that hold more of some genes than chance would have it: hypergeometric tests.

    Parameters
    ----------
    genes
        Genes that were compared.
    sets
        Names of the genes of each set.
    higher
        Genes that are higher in one group.

    Returns
    -------
    One row for each set of which three genes were compared, the most certain first: `set`, `n_set`,
    `n_higher`, `expected`, `genes` and `q`.
    """
    universe, up = set(genes["gene"]), set(higher)
    rows = []
    for name, given in sets.items():
        held = universe & set(given)
        if len(held) < FEWEST_GENES:
            continue
        hits = held & up
        p = stats.hypergeom.sf(len(hits) - 1, len(universe), len(held), len(up))
        expected = len(held) * len(up) / len(universe)
        rows.append((name, len(held), len(hits), expected, ", ".join(sorted(hits)), p))
    columns = ["set", "n_set", "n_higher", "expected", "genes", "p"]
    found = _corrected(pd.DataFrame(rows, columns=columns))
    return found.sort_values(["q", "set"], ignore_index=True)


def differing_texts(
    cosine: NDArray[np.floating], names: Sequence[str], code: NDArray[np.intp], *, units: Units
) -> pd.DataFrame:
    """Compare how well texts fit cells.

    Parameters
    ----------
    cosine
        Similarity of cells and texts, `(n_cells, n_texts)`.
    names
        The texts.
    code
        Group of each cell, `(n_cells,)`.
    units
        What counts as one observation.

    Returns
    -------
    One row a text: `text`, `mean_a`, `mean_b`, `difference`, `low`, `high`, `effect` (the
    difference over the standard deviation inside the groups) and `q`, by t-tests.
    """
    values = cosine.astype(np.float64)
    inside = [values[code == group].var(axis=0) for group in (0, 1)]
    spread = np.sqrt(np.maximum(np.mean(inside, axis=0), np.finfo(np.float32).tiny))
    found = _compare_means(values, code, units)
    means = [_observations(values, code == group, units).mean(axis=0) for group in (0, 1)]
    found.insert(0, "text", list(names))
    found.insert(1, "mean_a", means[0])
    found.insert(2, "mean_b", means[1])
    found["effect"] = found["difference"] / spread
    return _corrected(found).sort_values(["q", "text"], ignore_index=True)


def _compare_counts(hits: Sequence[int], n: Sequence[int]) -> tuple[float, float, float, float]:
    """Difference of two shares with Newcombe's interval, and Fisher's exact test."""
    shares = [one / size for one, size in zip(hits, n, strict=True)]
    ends = [
        stats.binomtest(int(one), size).proportion_ci(LEVEL, method="wilson")
        for one, size in zip(hits, n, strict=True)
    ]
    difference = shares[0] - shares[1]
    low = difference - np.hypot(shares[0] - ends[0].low, ends[1].high - shares[1])
    high = difference + np.hypot(ends[0].high - shares[0], shares[1] - ends[1].low)
    table = [[hits[0], n[0] - hits[0]], [hits[1], n[1] - hits[1]]]
    return difference, float(low), float(high), float(stats.fisher_exact(table).pvalue)


def _compare_means(
    values: NDArray[np.float64], code: NDArray[np.intp], units: Units
) -> pd.DataFrame:
    """Compare the means of observations by t-tests, of pairs where there are pairs."""
    observed = [_observations(values, code == group, units) for group in (0, 1)]
    test = _t_test(observed[0], observed[1], units)
    ends = test.confidence_interval(LEVEL)
    return pd.DataFrame(
        {
            "difference": observed[0].mean(axis=0) - observed[1].mean(axis=0),
            "low": ends.low,
            "high": ends.high,
            "p": test.pvalue,
        }
    )


def _t_test(first: NDArray[np.float64], second: NDArray[np.float64], units: Units) -> Any:
    with warnings.catch_warnings():
        # Where all observations are equal there is no p, and none is told.
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        if units.kind == "pairs":
            return stats.ttest_rel(first, second)
        return stats.ttest_ind(first, second, equal_var=False)


def _observations(
    values: NDArray[np.float64], rows: NDArray[np.bool_], units: Units
) -> NDArray[np.float64]:
    if units.kind == "cells":
        return values[rows]
    chosen = rows & (units.unit >= 0)
    _, unit = np.unique(units.unit[chosen], return_inverse=True)
    return group_mean(values[chosen], unit, unit.max() + 1)


def _over_cells(
    counts: sparse.csr_matrix, genes: NDArray[np.intp], code: NDArray[np.intp], *, units: Units
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Folds of the mean expression, and Wilcoxon tests."""
    import scanpy as sc
    from anndata import AnnData

    logs = log_expression(counts)[:, genes]
    linear = logs.expm1()
    means = [np.asarray(linear[code == group].mean(axis=0)).ravel() for group in (0, 1)]
    cells = AnnData(logs.astype(np.float32))
    cells.obs["group"] = pd.Categorical(np.array(["a", "b"])[code])
    sc.tl.rank_genes_groups(
        cells, "group", groups=["a"], reference="b", method="wilcoxon", tie_correct=True
    )
    found = sc.get.rank_genes_groups_df(cells, "a").set_index("names")["pvals"]
    return np.log2((means[0] + 0.1) / (means[1] + 0.1)), found.loc[cells.var_names].to_numpy()


def _over_batches(
    counts: sparse.csr_matrix, genes: NDArray[np.intp], code: NDArray[np.intp], *, units: Units
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Folds of the summed counts of batches, and t-tests."""
    observed = []
    for group in (0, 1):
        chosen = np.flatnonzero((code == group) & (units.unit >= 0))
        _, unit = np.unique(units.unit[chosen], return_inverse=True)
        shape = (unit.max() + 1, len(chosen))
        adding = sparse.csr_matrix((np.ones(len(chosen)), (unit, np.arange(len(chosen)))), shape)
        sums = (adding @ counts[chosen].astype(np.float64)).toarray()
        per_million = 1e6 * sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
        observed.append(np.log2(per_million[:, genes] + 1))
    p = np.asarray(_t_test(observed[0], observed[1], units).pvalue)
    return observed[0].mean(axis=0) - observed[1].mean(axis=0), p


def _corrected(found: pd.DataFrame) -> pd.DataFrame:
    """Replace `p` by `q`, corrected for how many were asked (Benjamini and Hochberg)."""
    # Where nothing varies there is nothing to be sure of.
    p = np.nan_to_num(found.pop("p").to_numpy(dtype=np.float64), nan=1.0)
    found["q"] = stats.false_discovery_control(p) if len(p) else p
    return found
