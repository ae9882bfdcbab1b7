"""Training cells of the baselines: drawn from the very source that the model was trained from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.train.draw import CellSource
    from scmmgpt_tl.train.material import Material

BATCH = 512


@dataclass(frozen=True)
class Training:
    """Labelled training cells.

    Parameters
    ----------
    expression
        Expression per ten thousand, (cells, genes).
    term
        Index into `types`, (cells,).
    types
        Cell Ontology ids.
    genes
        Gene table of the columns.
    """

    expression: sparse.csr_matrix
    term: NDArray[np.int64]
    types: tuple[str, ...]
    genes: GeneTable

    def save(self, folder: Path) -> None:
        """Write to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        sparse.save_npz(folder / "expression.npz", self.expression, compressed=False)
        np.save(folder / "term.npy", self.term)
        (folder / "types.json").write_text(json.dumps(self.types), encoding="utf-8")
        self.genes.write(folder / "genes.tsv")

    @classmethod
    def load(cls, folder: Path) -> Training:
        """Read what :meth:`save` wrote."""
        return cls(
            expression=sparse.load_npz(folder / "expression.npz").tocsr(),
            term=np.load(folder / "term.npy"),
            types=tuple(json.loads((folder / "types.json").read_text(encoding="utf-8"))),
            genes=GeneTable.read(folder / "genes.tsv"),
        )

    def over(self, genes: GeneTable) -> Training:
        """Return the same cells over the columns of another gene table."""
        if genes.symbols == self.genes.symbols:
            return self
        place = {symbol: i for i, symbol in enumerate(self.genes.symbols)}
        pairs = [(place[s], i) for i, s in enumerate(genes.symbols) if s in place]
        rows, columns = zip(*pairs, strict=True)
        ones = np.ones(len(pairs), dtype=np.float32)
        shape = (len(self.genes), len(genes))
        to_other = sparse.csr_matrix((ones, (rows, columns)), shape=shape)
        return Training((self.expression @ to_other).tocsr(), self.term, self.types, genes)


def read_material(config: Path, *, with_orthologs: bool = False) -> Material:
    """Read the sources of a training run, without curated markers.

    The types that are known by their markers alone would only be classes that baselines confuse.

    Parameters
    ----------
    config
        The run.
    with_orthologs
        Whether to read profiles of another species as well, which do human cells no good.
    """
    # Training is an extra of its own; with cells at hand a benchmark runs without it.
    from scmmgpt_tl.train.config import RunConfig
    from scmmgpt_tl.train.material import prepare

    run = replace(RunConfig.read(config), markers=None)
    return prepare(run if with_orthologs else replace(run, ortholog_profiles=()))


def training_folder(given: argparse.Namespace) -> Path:
    """Return where training cells are kept."""
    return given.out / "training_cells"


def must_draw(given: argparse.Namespace) -> bool:
    """Tell whether training cells are to be drawn: with `--reuse` only where there are none."""
    return not (given.reuse and training_folder(given).exists())


def draw_training(material: Material, given: argparse.Namespace) -> None:
    """Draw training cells from what a run reads, and keep them."""
    print(f"Drawing training cells from the sources of {given.config}", flush=True)
    n_cells = given.cells_per_type * len(material.types)
    drawn = draw(material.source, material.genes, n_cells=n_cells, seed=given.seed)
    drawn.save(training_folder(given))


def draw(source: CellSource, genes: GeneTable, *, n_cells: int, seed: int) -> Training:
    """Draw training cells in the mix of types that the model saw.

    Parameters
    ----------
    source
        Source of a training run.
    genes
        Gene table of the run.
    n_cells
        How many.
    seed
        Decides which.
    """
    rng = np.random.default_rng([seed, 7])
    batches = [
        source.draw(min(BATCH, n_cells - start), rng, at=(seed, 0, step))
        for step, start in enumerate(range(0, n_cells, BATCH))
    ]
    return Training(
        sparse.vstack([per_ten_thousand(batch.values) for batch in batches], format="csr"),
        np.concatenate([batch.term for batch in batches]),
        source.types,
        genes,
    )


def per_ten_thousand(values: NDArray[np.float32]) -> sparse.csr_matrix:
    r"""Undo the scaling to unit length of `log1p(CP10k)` rows.

    The length :math:`s` is the one for which :math:`\sum_g (e^{s v_g} - 1) = 10^4`; Newton's
    method finds it, from above and hence without overshooting, as the sum is convex.

    Parameters
    ----------
    values
        Rows of unit length, (cells, genes); an empty row stays empty.
    """
    rows = sparse.csr_matrix(values, dtype=np.float64)
    per_row = np.diff(rows.indptr)
    full = per_row > 0
    peak = np.zeros(len(per_row))
    peak[full] = np.maximum.reduceat(rows.data, rows.indptr[:-1][full])
    scale = np.divide(np.log1p(1e4), peak, out=np.zeros_like(peak), where=full)
    for _ in range(60):
        grown = np.exp(rows.data * np.repeat(scale, per_row))
        excess = _row_sums(grown - 1, rows.indptr, full) - 1e4 * full
        slope = _row_sums(grown * rows.data, rows.indptr, full)
        step = np.divide(excess, slope, out=np.zeros_like(slope), where=full)
        scale -= step
        if (np.abs(step) <= 1e-9 * scale).all():
            break
    rows.data = np.expm1(rows.data * np.repeat(scale, per_row))
    return rows.astype(np.float32)


def _row_sums(
    data: NDArray[np.float64], starts: NDArray[np.int64], full: NDArray[np.bool_]
) -> NDArray[np.float64]:
    sums = np.zeros(len(full))
    if full.any():
        sums[full] = np.add.reduceat(data, starts[:-1][full])
    return sums
