"""Labelled cells in .h5ad and .zarr, of which no more is read than is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import scipy.sparse as sp
from anndata.abc import CSCDataset, CSRDataset
from anndata.io import read_elem, sparse_dataset

from scmmgpt_tl.train.mapping import gene_map

from .cells import Cells, Labels

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

# As this project, and as CELLxGENE, name them.
TERM, TISSUE = ("cell_type_id", "cell_type_ontology_term_id"), ("tissue",)
DONOR = ("donor", "donor_id")
# What a file may say of its origin, in `uns`.
CITED = ("reference", "citation", "doi", "accession", "title", "dataset_id")
# Rows that lie no farther apart are read in one go.
NEAR = 16
# Values looked at to tell counts from what was made of them.
LOOKED_AT = 10_000


class StoredCounts:
    """Rows of a matrix on disk, over the genes of the model.

    Parameters
    ----------
    matrix
        Of h5py or zarr, or a sparse data set of anndata.
    rows
        Rows that count, ascending.
    to_model
        0/1 matrix from the genes of the file to those of the model.
    """

    def __init__(self, matrix: Any, rows: NDArray[np.int64], to_model: sp.csr_matrix) -> None:
        self._matrix, self._rows, self._to_model = matrix, rows, to_model

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return len(self._rows), self._to_model.shape[1]

    @property
    def n_bytes(self) -> int:
        """Memory that all rows take as CSR, at most."""
        values = self._matrix.group["data"].size if self._is_sparse else self._matrix.size
        whole = max(self._matrix.shape[0], 1)
        return round(values * 8 * len(self._rows) / whole)

    @property
    def by_columns(self) -> bool:
        """Whether the matrix is stored so that its rows cannot be read one by one."""
        return isinstance(self._matrix, CSCDataset)

    def __getitem__(self, rows: NDArray[np.int64], /) -> sp.csr_matrix:
        """Read some cells, in any order."""
        if self.by_columns:
            return self.whole()[rows]
        order = np.argsort(rows, kind="stable")
        wanted = self._rows[rows[order]]
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > NEAR) + 1)
        read = sp.vstack([self._read(run) for run in runs if len(run)], format="csr")
        return read[np.argsort(order)] if (np.diff(order) < 0).any() else read

    def whole(self) -> sp.csr_matrix:
        """Read all cells at once."""
        matrix = self._matrix.to_memory() if self._is_sparse else self._matrix[:]
        return sp.csr_matrix(matrix[self._rows] @ self._to_model, dtype=np.float32)

    @property
    def _is_sparse(self) -> bool:
        return isinstance(self._matrix, CSRDataset | CSCDataset)

    def _read(self, run: NDArray[np.int64]) -> sp.csr_matrix:
        block = self._matrix[int(run[0]) : int(run[-1]) + 1]
        return sp.csr_matrix(block[run - run[0]] @ self._to_model, dtype=np.float32)


def read_cells(path: Path, genes: GeneTable) -> Cells:
    """Read the labelled cells of a file, with their counts; see :func:`open_cells`."""
    return in_memory(open_cells(path, genes))


def open_cells(path: Path, genes: GeneTable, *, without_types: Collection[str] = ()) -> Cells:
    """Read the labels of the cells of a file; counts are read when they are asked for.

    Parameters
    ----------
    path
        `.h5ad` or `.zarr` with counts in `X`, Cell Ontology ids in `obs["cell_type_id"]` or
        `obs["cell_type_ontology_term_id"]`, and `obs["tissue"]`; donors, where they are known, in
        `obs["donor"]` or `obs["donor_id"]`.
    genes
        Gene table of the model.
    without_types
        Cell Ontology ids to leave out, with all kinds of them.

    Raises
    ------
    ValueError
        If `obs` lacks a column, no gene of the file is in the table, or `X` holds no counts.
    """
    group = open_group(path)
    to_model = gene_map(read_elem(group["var"][group["var"].attrs["_index"]]), genes)
    terms = _column(group, TERM, path)
    labels = Labels(
        terms,
        _column(group, TISSUE, path),
        read_donors(group, len(terms)),
        without_types=without_types,
    )
    matrix = group["X"]
    if "encoding-type" in matrix.attrs and "matrix" in matrix.attrs["encoding-type"]:
        matrix = sparse_dataset(matrix)
    _check_counts(matrix, path)
    return Cells(
        counts=StoredCounts(matrix, labels.rows, to_model),
        measured=np.asarray(to_model.sum(0)).ravel() > 0,
        terms=labels.terms,
        tissues=labels.tissues,
        donors=labels.donors,
        study=path.stem,
        source=path.name,
        cited=read_cited(group),
    )


def in_memory(cells: Cells) -> Cells:
    """Return the same cells with their counts in memory."""
    counts = cells.counts
    return replace(cells, counts=counts.whole()) if isinstance(counts, StoredCounts) else cells


def open_group(path: Path) -> Any:
    """Open a file to read from; it stays open as long as anything read lazily needs it."""
    if path.suffix == ".zarr":
        import zarr

        return zarr.open_group(str(path), mode="r")
    return h5py.File(path)


def read_donors(group: Mapping[str, Any], n_cells: int) -> Any:
    """Read the donor of each cell of a file, `""` where there is no such column."""
    name = next((name for name in DONOR if name in group["obs"]), None)
    return np.repeat("", n_cells) if name is None else read_elem(group["obs"][name])


def read_cited(group: Mapping[str, Any]) -> str:
    """Read what a file says of its origin."""
    said = [read_elem(group["uns"][key]) for key in CITED if key in group.get("uns", ())]
    return "; ".join(text for text in said if isinstance(text, str))


def _column(group: Mapping[str, Any], names: Sequence[str], path: Path) -> Any:
    for name in names:
        if name in group["obs"]:
            return read_elem(group["obs"][name])
    wanted = " or ".join(f'`obs["{name}"]`' for name in names)
    msg = f"{path.name!r} has no {wanted}. Add it, or leave the file out."
    raise ValueError(msg)


def _check_counts(matrix: Any, path: Path) -> None:
    """Refuse a matrix whose first values are no counts."""
    if isinstance(matrix, CSRDataset | CSCDataset):
        values = np.asarray(matrix.group["data"][:LOOKED_AT])
    else:
        values = np.asarray(matrix[: max(LOOKED_AT // matrix.shape[1], 1)]).ravel()
    wrong = values[(values < 0) | (values != np.rint(values))]
    if len(wrong):
        msg = f"`X` of {path.name!r} must hold counts, found {wrong[0]!s}. Put the counts there."
        raise ValueError(msg)
