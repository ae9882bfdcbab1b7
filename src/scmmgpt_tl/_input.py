"""From an AnnData to row blocks over the model's genes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scanpy import logging as logg
from scipy import sparse

from scmmgpt_tl._matrix import get_matrix, row_blocks, take_rows
from scmmgpt_tl.pp import check_counts, match_genes
from scmmgpt_tl.pp._readable import refuse_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl._stream.cells import StoredCells
    from scmmgpt_tl._stream.part import Part
    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.pp import CountReport, GeneReport
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked


class Counted(NamedTuple):
    """Counts of some cells.

    Parameters
    ----------
    rows
        Cells x the model's genes: linear, not normalised, canonical float32 CSR.
    known
        Share of all counts of genes in the cell that these are, 0 without any; `(n_cells,)`.
    """

    rows: sparse.csr_matrix
    known: NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """Checked input, read when :meth:`blocks` is called.

    Parameters
    ----------
    adata
        Where it comes from; only read.
    count_report, gene_report
        What the checks found.
    block_size
        Most cells in a block.
    rows
        Which cells are read: a range, or ascending row numbers.
    first
        Number that the first row of `adata` has for the user.
    """

    adata: AnnData | StoredCells = field(repr=False)
    count_report: CountReport
    gene_report: GeneReport
    block_size: int
    rows: range | NDArray[np.intp]
    first: int = 0

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.rows)

    @property
    def n_vars(self) -> int:
        """Number of the model's genes: the width of a block."""
        return self.gene_report.n_model

    def read(self) -> Iterator[Counted]:
        """Read the cells in order.

        Yields
        ------
        Counts over the model's genes, and how much of all counts of each cell these are.

        Raises
        ------
        ValueError
            At the first negative, missing or infinite value, naming its cell and gene.
        """
        columns = self._columns()
        matrix = get_matrix(self.adata, self.count_report.layer)
        if isinstance(self.rows, range):
            for start, stop, block in row_blocks(matrix, self.block_size, self.rows):
                yield self._read(block, np.arange(start, stop), columns)
        elif len(self.rows):
            # Neighbours are read together: one by one, each would unpack a chunk of the file.
            around = range(self.rows[0], self.rows[-1] + 1)
            for start, stop, block in row_blocks(matrix, self.block_size, around):
                low, high = np.searchsorted(self.rows, [start, stop])
                some = self.rows[low:high]
                yield self._read(block[some - start], some, columns)

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Read the counts of the cells alone, as :meth:`read` does."""
        return (counted.rows for counted in self.read())

    def take(self, rows: NDArray[np.intp]) -> sparse.csr_matrix:
        """Read some cells only, as :meth:`blocks` does.

        Parameters
        ----------
        rows
            Ascending row numbers.
        """
        matrix = get_matrix(self.adata, self.count_report.layer)
        return self._read(take_rows(matrix, rows), rows, self._columns()).rows

    def _columns(self) -> sparse.csr_matrix:
        """Model genes x file genes: one where they are the same, so a product adds up repeats."""
        columns = np.flatnonzero(self.gene_report.index >= 0)
        ones = np.ones(columns.size, dtype=np.float32)
        shape = (self.gene_report.n_model, self.gene_report.n_file)
        return sparse.csr_matrix((ones, (self.gene_report.index[columns], columns)), shape=shape)

    def _read(
        self, block: sparse.csr_matrix, rows: NDArray[np.intp], columns: sparse.csr_matrix
    ) -> Counted:
        slot = self.count_report.slot
        refuse_unreadable(block, rows, adata=self.adata, slot=slot, first=self.first)
        if (base := self.count_report.log_base) is not None:
            block.data = np.expm1(block.data * np.float32(math.log(base)))
        known, of_genes = self.gene_report.index >= 0, self.gene_report.is_gene
        n_known, n_all = (block @ kept.astype(np.float64) for kept in (known, of_genes))
        share = np.divide(n_known, n_all, out=np.zeros(len(rows)), where=n_all > 0)
        return Counted(_reorder(block, columns), share)


def prepare(
    adata: AnnData | StoredCells,
    *,
    genes: GeneTable,
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    block_size: int = 2048,
) -> Prepared:
    """Check the values and the genes of an AnnData.

    Parameters
    ----------
    adata
        Cells x genes.
    genes
        The model's genes.
    layer, counts
        As in :func:`scmmgpt_tl.pp.check_counts`.
    gene_symbols, species
        As in :func:`scmmgpt_tl.pp.match_genes`.
    block_size
        Most cells to hold at a time.

    Raises
    ------
    ValueError
        If values or genes are not what the model can read.
    """
    gene_report = match_genes(adata, genes=genes, gene_symbols=gene_symbols, species=species)
    if gene_report.species == "mouse":
        logg.warning(
            f"mouse genes are read as their human orthologs, {gene_report.n_covered} of the model's "
            f"{gene_report.n_model}; scores, where there are any, were calibrated on human cells"
        )
    return Prepared(
        adata=adata,
        gene_report=gene_report,
        count_report=check_counts(adata, layer=layer, counts=counts),
        block_size=block_size,
        rows=range(adata.n_obs),
    )


def prepare_part(
    part: Part,
    *,
    genes: GeneTable,
    layer: str | None,
    counts: Counts,
    gene_symbols: str | None,
    species: Asked,
) -> Prepared:
    """Check a file as a whole, once, and give some of its cells.

    Parameters
    ----------
    part
        Some cells of a file.
    genes, layer, counts, gene_symbols, species
        As for :func:`prepare`.
    """
    cells, asked = part.cells, (layer, counts, gene_symbols, species)
    if asked not in cells.checked:
        cells.checked[asked] = prepare(
            cells,
            genes=genes,
            layer=layer,
            counts=counts,
            gene_symbols=gene_symbols,
            species=species,
        )
    return replace(cells.checked[asked], rows=part.rows)


def n_genes(block: sparse.csr_matrix) -> NDArray[np.int64]:
    """Count the genes seen in each cell.

    Parameters
    ----------
    block
        Cells x genes from :meth:`Prepared.blocks`.

    Examples
    --------
    >>> n_genes(sparse.csr_matrix([[0, 2, 1], [0, 0, 0]]))
    array([2, 0])
    """
    return np.diff(block.indptr).astype(np.int64)


def _reorder(block: sparse.csr_matrix, columns: sparse.csr_matrix) -> sparse.csr_matrix:
    # Gene by gene: turning the product back sorts it on the way, faster than sorting each cell.
    return (columns @ block.T.tocsr()).T.tocsr()
