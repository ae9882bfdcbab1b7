"""Data sets whose batches differ: studies joined over their common genes, and types held back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from _data import read_study

from scmmgpt_tl import ontology

if TYPE_CHECKING:
    from pathlib import Path

    from _data import Study
    from numpy.typing import NDArray

# Files, and the terms that their cells are called by: the first at or above a cell's own.
JOINED = {
    "blood of three studies": (
        ("pbmc3k_labelled", "pbmc_seqwell_liger", "zheng_sorted_scminer3500"),
        ("CL:0000236", "CL:0000625", "CL:0000624", "CL:0000576", "CL:0000623", "CL:0000451"),
    ),
    "brain of two studies": (
        ("darmanis_2015", "brain_sacc_lieber500"),
        ("CL:0000127", "CL:0002453", "CL:0000128", "CL:0000129", "CL:0000540"),
    ),
}
# Share of the cells that a batch keeps of the types that are held back.
KEPT = 0.1


def join(folder: Path, out: Path, name: str, *, max_cells: int, seed: int) -> Study:
    """Join studies, each a batch, with labels on one level.

    Parameters
    ----------
    folder
        Of their files.
    out
        Where the joined file is written.
    name
        One of :data:`JOINED`.
    max_cells
        Most cells to keep, as many of each study where it has so many.
    seed
        Decides which.
    """
    stems, terms = JOINED[name]
    cl = ontology.load()
    parts = []
    for stem in stems:
        part = read_study(
            folder / f"{stem}.h5ad", max_cells=max_cells // len(stems), seed=seed
        ).adata
        ids = [_first(key, terms, cl) for key in part.obs["cell_type_id"].astype(str)]
        found = np.flatnonzero(ids)
        part = ad.AnnData(part.X, obs=part.obs[[]], var=part.var[[]])[found].copy()
        part.obs["cell_type_id"] = [ids[row] for row in found]
        part.obs["cell_type"] = [cl.name(ids[row]) for row in found]
        part.obs["batch"] = stem
        parts.append(part)
    path = out / f"{name.replace(' ', '_')}.h5ad"
    ad.concat(parts, join="inner", index_unique="-").write_h5ad(path)
    return replace(read_study(path, max_cells=max_cells, seed=seed), name=name)


def hold_back(
    study: Study, batch: NDArray[np.str_], *, seed: int
) -> tuple[Study, NDArray[np.str_]]:
    """Leave each batch a tenth of the cells of every second type, of others in every second batch.

    Parameters
    ----------
    study, batch
        Cells, and the batch of each.
    seed
        Decides which cells stay.

    Returns
    -------
    The cells that stay, and the batch of each.
    """
    codes = np.unique(batch, return_inverse=True)[1]
    chance = np.random.default_rng([seed, 3]).random(len(codes))
    rows = np.flatnonzero(((study.truth + codes) % 2 == 0) | (chance < KEPT))
    return replace(study.of(rows), name=f"{study.name}, uneven"), batch[rows]


def _first(key: str, terms: tuple[str, ...], cl: ontology.CellOntology) -> str:
    above = {key, *cl.ancestors(key)} if key in cl else set()
    return next((term for term in terms if term in above), "")
