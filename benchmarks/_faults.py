"""What can be wrong, or only odd, with the cells that a method is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import numpy as np
import scanpy as sc
from anndata import read_h5ad
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    # Makes of counts what a method asks for.
    Prepare = Callable[[AnnData], AnnData]

# The cell that is changed where one is.
CELL = 7
SAME, UNREADABLE, ONE_EMPTY, POORER, NOTHING = (
    "same",
    "unreadable",
    "one empty",
    "poorer",
    "nothing",
)


@dataclass(frozen=True)
class Fault:
    """A fault.

    Parameters
    ----------
    name
        What is wrong.
    change
        Makes cells with the fault of good counts and what the method does with these; the folder is
        for files.
    leaves
        `"same"` where the right answer is that for good cells, `"unreadable"` where there is none,
        `"one empty"` where that holds of :data:`CELL` alone, `"poorer"` where there is less to go by,
        `"nothing"` where no cell is left.
    says
        What an error that helps speaks of.
    """

    name: str
    change: Callable[[AnnData, Prepare, Path], AnnData]
    leaves: str = SAME
    says: str = ""


def lognorm(adata: AnnData) -> AnnData:
    """Return log1p of counts per ten thousand."""
    adata = adata.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def _other_kind(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
    """Logarithms where counts are asked for, and counts where logarithms are."""
    prepared = prepare(counts)
    return counts.copy() if "log1p" in prepared.uns else lognorm(counts)


def _scaled(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
    adata = lognorm(counts)
    sc.pp.scale(adata)
    return adata


def _put(value: float) -> Callable[[AnnData, Prepare, Path], AnnData]:
    def change(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
        adata = prepare(counts)
        rows = sparse.lil_matrix(adata.X)
        rows[CELL, 11] = value
        adata.X = rows.tocsr()
        return adata

    return change


def _empty_cell(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
    adata = counts.copy()
    rows = sparse.lil_matrix(adata.X)
    rows[CELL] = 0
    adata.X = rows.tocsr()
    return prepare(adata)


def _values(convert: Callable[[sparse.csr_matrix], object]) -> Callable[..., AnnData]:
    def change(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
        adata = prepare(counts)
        adata.X = convert(sparse.csr_matrix(adata.X))
        return adata

    return change


def _named(names: Callable[[AnnData], object]) -> Callable[..., AnnData]:
    def change(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
        adata = prepare(counts)
        adata.var_names = names(adata)
        return adata

    return change


def _chosen(
    cells: Callable[[int], object] = slice, genes: Callable[[int], object] = slice
) -> Callable[..., AnnData]:
    def change(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
        adata = prepare(counts)
        return adata[cells(adata.n_obs), genes(adata.n_vars)].copy()

    return change


def _whole_numbers(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
    adata = counts.copy()
    adata.X = adata.X.astype(np.int64)
    return prepare(adata)


def _disordered(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    for low, high in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        rows.data[low:high] = rows.data[low:high][::-1].copy()
        rows.indices[low:high] = rows.indices[low:high][::-1].copy()
    rows.has_sorted_indices = False
    return rows


def _backed(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
    # A file of its own: that of the method before may be open still.
    path = Path(mkdtemp(dir=folder)) / "backed.h5ad"
    prepare(counts).write_h5ad(path)
    return read_h5ad(path, backed="r")


def _same_names(counts: AnnData, prepare: Prepare, folder: Path) -> AnnData:
    adata = prepare(counts)
    adata.obs_names = ["cell"] * adata.n_obs
    return adata


FAULTS = (
    Fault("one NaN", _put(np.nan), UNREADABLE, "NaN"),
    Fault("one infinite value", _put(np.inf), UNREADABLE, "inf"),
    Fault("log1p and counts mixed up", _other_kind, UNREADABLE, "log|normali"),
    Fault("scaled", _scaled, UNREADABLE, "negative|scaled|log1p"),
    Fault("one cell without counts", _empty_cell, ONE_EMPTY),
    Fault(
        "no gene in common",
        _named(lambda adata: [f"thing{i}" for i in range(adata.n_vars)]),
        UNREADABLE,
        "gene|feature|var_names",
    ),
    Fault(
        "Ensembl ids with version",
        _named(lambda adata: [f"{name}.{i % 9 + 1}" for i, name in enumerate(adata.var_names)]),
        says="version",
    ),
    Fault(
        "names of genes repeated",
        _named(lambda adata: [adata.var_names[max(i, 1)] for i in range(adata.n_vars)]),
        says="unique|duplicat|repeat",
    ),
    Fault(
        "genes in another order",
        _chosen(genes=lambda n: np.random.default_rng(0).permutation(n)),
    ),
    Fault("half of the genes", _chosen(genes=lambda n: slice(0, n, 2)), POORER, "gene|feature|var"),
    Fault("view", lambda counts, prepare, folder: prepare(counts)[:]),
    Fault("CSC", _values(sparse.csc_matrix)),
    Fault("float64", _values(lambda rows: rows.astype(np.float64))),
    Fault("int64", _whole_numbers),
    Fault("unsorted indices", _values(_disordered)),
    Fault("backed", _backed, says="backed"),
    Fault("no cells", _chosen(cells=lambda n: slice(0, 0)), NOTHING, "cells|empty|obs"),
    Fault("one cell", _chosen(cells=lambda n: slice(CELL, CELL + 1))),
    Fault("names of cells repeated", _same_names, says="obs|unique|duplicat"),
)
