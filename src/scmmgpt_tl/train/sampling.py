"""How deep real cells are sequenced, and how their counts scatter: what generated counts take."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
from scipy import sparse

from scmmgpt_tl.model.sampling import Sampling

from .mapping import gene_map

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

# Below such a mean, chance leaves nothing of the scatter to be seen.
LEAST_MEAN = 0.2
FEWEST_CELLS, FEWEST_GENES = 50, 20


class Counted(NamedTuple):
    """Cells of one file."""

    name: str
    counts: sparse.csr_matrix  # (cells, genes of the model)
    measured: NDArray[np.bool_]  # (genes,)
    terms: NDArray[np.str_]  # (cells,) "" where a cell has no type


def measure_sampling(
    paths: Sequence[Path], genes: GeneTable, average: NDArray[np.floating]
) -> Sampling:
    r"""Measure depth and over-dispersion on cells whose molecules were counted.

    The depth of a panel is divided by the share that its genes have of the average cell, so that
    panels of different width say the same thing; every file counts alike, whatever its size.

    The dispersion is that of the median gene of the median type. In a type with expected counts
    :math:`\mu_{ig} = s_i p_g`, for the totals :math:`s_i` of its cells and the shares :math:`p_g` of
    the type, that of a gene is

    .. math:: \phi_g = \frac{\sum_i (x_{ig} - \mu_{ig})^2 - \mu_{ig} (1 - p_g)}{\sum_i \mu_{ig}^2}

    Parameters
    ----------
    paths
        `.h5ad` files of counts; types of cells are read from `obs["cell_type_id"]`, where it is.
    genes
        Gene table of the model.
    average
        Share of each gene in the average cell, (genes,).

    Raises
    ------
    ValueError
        If the cells of no file have types with enough cells and genes to see a scatter.
    """
    files = [_read(path, genes) for path in paths]
    depths = [_log_depths(file, average) for file in files]
    centres = np.array([depth.mean() for depth in depths])
    within = np.array([depth.var() for depth in depths])
    found = [phi for file in files for phi in _dispersions(file)]
    if not found:
        msg = (
            f"No type of {', '.join(path.name for path in paths) or 'no file'} has {FEWEST_CELLS} "
            f"cells and {FEWEST_GENES} genes with a mean count of {LEAST_MEAN}: there is no "
            "dispersion to measure. Name other files as `sampling`."
        )
        raise ValueError(msg)
    return Sampling(
        depth=float(np.exp(centres.mean())),
        depth_spread=float(np.sqrt(within.mean() + centres.var())),
        dispersion=float(np.median(found)),
        fitted_on=tuple(file.name for file in files),
    )


def _read(path: Path, genes: GeneTable) -> Counted:
    adata = ad.read_h5ad(path)
    to_model = gene_map(adata.var_names, genes)
    none = np.full(adata.n_obs, "")
    typed = "cell_type_id" in adata.obs
    terms = adata.obs["cell_type_id"].astype(str).to_numpy() if typed else none
    return Counted(
        path.stem,
        sparse.csr_matrix(adata.X @ to_model, dtype=np.float32),
        np.asarray(to_model.sum(0)).ravel() > 0,
        np.where(np.isin(terms, ["", "nan"]), "", terms).astype(str),
    )


def _log_depths(file: Counted, average: NDArray[np.floating]) -> NDArray[np.float64]:
    total = np.asarray(file.counts.sum(1), dtype=np.float64).ravel()
    share = average[file.measured].sum() / average.sum()
    return np.log(total[total > 0] / share)


def _dispersions(file: Counted) -> list[float]:
    """Dispersion of the median gene of each type."""
    found = []
    for term in sorted(set(file.terms) - {""}):
        counts = file.counts[np.flatnonzero(file.terms == term)][:, file.measured]
        phi = gene_dispersions(counts)
        if counts.shape[0] >= FEWEST_CELLS and len(phi) >= FEWEST_GENES:
            found.append(float(np.median(phi)))
    return found


def gene_dispersions(counts: sparse.csr_matrix) -> NDArray[np.float64]:
    """Dispersion of each gene that is expressed enough, in cells of one type, (cells, genes)."""
    total = np.asarray(counts.sum(1), dtype=np.float64).ravel()
    kept = counts[total > 0].astype(np.float64)
    total = total[total > 0]
    enough = np.asarray(kept.mean(0)).ravel() >= LEAST_MEAN
    share = np.asarray(kept.sum(0)).ravel()[enough] / total.sum()
    values = kept[:, np.flatnonzero(enough)].toarray()
    expected = np.outer(total, share)
    excess = (values - expected) ** 2 - expected * (1 - share)
    phi: NDArray[np.float64] = excess.sum(0) / (expected**2).sum(0)
    return phi.clip(min=0)
