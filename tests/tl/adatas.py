"""Cells in every form that a file may have them, good and bad."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from hypothesis import strategies as st
from scipy import sparse

GENES = Path(__file__).parents[1] / "data" / "genes.tsv"
FORMS = ("dense", "fortran", "csr", "csc", "disordered", "repeated", "long indices", "stored zeros")
# scipy has no sparse float16.
DTYPES = ("float32", "float64", "int32", "int64", "uint16", "bool", "float16")
NAMES = ("symbol", "ensembl", "versioned", "lower case", "column", "shuffled")
BAD = {"NaN": np.nan, "infinite": np.inf, "negative": -1.0}
PLACES = ("memory", "layer", "view", "backed", "dask", "path")


@dataclass
class Cells:
    """Cells in some form, and what they stand for.

    Parameters
    ----------
    adata
        In that form, in memory.
    plain
        The same values as float32 CSR, by symbol, in the order of the model's genes.
    place
        Where a tool is to find them.
    bad
        What is wrong with a value; empty where nothing is.
    drawn
        Everything else that was drawn, to tell of a failure.
    """

    adata: AnnData = field(repr=False)
    plain: AnnData = field(repr=False)
    place: str
    bad: str
    drawn: tuple[object, ...]


@st.composite
def adatas(draw: st.DrawFn) -> Cells:
    """Draw cells: shape x format x dtype x names x bad values x place."""
    symbols, ids = _genes()
    n_cells = draw(st.integers(1, 7), label="cells")
    n_genes = draw(st.sampled_from([60, len(symbols)]), label="genes")
    dtype = draw(st.sampled_from(DTYPES), label="dtype")
    form = draw(st.sampled_from(FORMS), label="form")
    names = draw(st.sampled_from(NAMES), label="names")
    place = draw(st.sampled_from(PLACES), label="place")
    bad = draw(st.sampled_from(["", "", "", *BAD]), label="bad")
    if form not in {"dense", "fortran"} and dtype == "float16":
        dtype = "float32"
    if dtype not in {"float16", "float32", "float64"}:
        bad = ""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    counts = rng.poisson(rng.gamma(0.3, 3.0, (n_cells, n_genes)))
    counts[:, 0] += 1
    counts = counts.astype(dtype)
    plain = _anndata(sparse.csr_matrix(counts.astype(np.float32)), symbols[:n_genes])
    if bad:
        counts[rng.integers(n_cells), rng.integers(n_genes)] = BAD[bad]
    order = rng.permutation(n_genes) if names == "shuffled" else np.arange(n_genes)
    adata = _anndata(_formed(counts[:, order], form, rng), symbols[:n_genes][order])
    _rename(adata, names, ids[:n_genes])
    return Cells(adata, plain, place, bad, (n_cells, n_genes, dtype, form, names))


def placed(cells: Cells, folder: Path) -> AnnData | Path:
    """Put cells where a tool is to find them; as much as they allow to be put there."""
    adata = cells.adata
    match cells.place:
        case "layer":
            adata.layers["counts"] = adata.X
            adata.X = adata.X * 0.5
            return adata
        case "view":
            return adata[::-1].copy()[::-1]
        case "dask":
            import dask.array as da

            chunks = (2, adata.n_vars)
            adata.X = da.from_array(adata.X, chunks=chunks, asarray=False)
            return adata
        case "backed" | "path":
            path = folder / "cells.h5ad"
            adata.write_h5ad(path)
            return path if cells.place == "path" else read_h5ad(path, backed="r")
        case _:
            return adata


@cache
def _genes() -> tuple[np.ndarray, np.ndarray]:
    from scmmgpt_tl.model.genes import GeneTable

    table = GeneTable.read(GENES)
    return np.array(table.symbols, dtype=object), np.array(table.ensembl_ids, dtype=object)


def _anndata(values: object, symbols: np.ndarray) -> AnnData:
    names = [f"cell{i}" for i in range(values.shape[0])]
    var = pd.DataFrame(index=pd.Index(symbols, dtype=object))
    return AnnData(values, obs=pd.DataFrame(index=names), var=var)


def _formed(counts: np.ndarray, form: str, rng: np.random.Generator) -> object:
    match form:
        case "dense":
            return counts
        case "fortran":
            return np.asfortranarray(counts)
        case "csc":
            return sparse.csc_matrix(counts)
    rows = sparse.csr_matrix(counts)
    match form:
        case "disordered":
            for low, high in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
                order = rng.permutation(high - low) + low
                rows.data[low:high], rows.indices[low:high] = rows.data[order], rows.indices[order]
            rows.has_sorted_indices = False
        case "repeated" if counts.dtype.kind in "iuf":
            # Every entry twice: as it is, and as nothing to add to it.
            data = np.stack([rows.data, np.zeros_like(rows.data)], axis=1).ravel()
            rows = sparse.csr_matrix(
                (data, rows.indices.repeat(2), rows.indptr * 2), shape=counts.shape
            )
        case "long indices":
            rows.indices, rows.indptr = rows.indices.astype("i8"), rows.indptr.astype("i8")
        case "stored zeros" if rows.nnz:
            dense = np.ones_like(counts, dtype=bool)
            all_stored = sparse.csr_matrix(dense).astype(counts.dtype)
            all_stored.data[:] = counts.ravel()
            rows = all_stored
    return rows


def _rename(adata: AnnData, names: str, ids: np.ndarray) -> None:
    match names:
        case "ensembl":
            adata.var_names = ids
        case "versioned":
            adata.var_names = [f"{name}.{i % 9 + 1}" for i, name in enumerate(ids)]
        case "lower case":
            adata.var_names = adata.var_names.str.lower()
        case "column":
            adata.var["gene_name"] = adata.var_names.to_numpy()
            adata.var_names = [f"feature{i}" for i in range(adata.n_vars)]
