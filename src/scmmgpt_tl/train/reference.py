"""Reference profiles: mean expression of cell types, over the genes of one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import scipy.sparse as sp
from anndata.io import read_elem

from .mapping import current_terms, gene_map, not_learned

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable


@dataclass(frozen=True)
class Profiles:
    """Mean expression of cell types: the distributions that training cells are drawn from.

    Parameters
    ----------
    shares
        Share of each gene in the expression of a profile, (profiles, genes), rows sum to 1.
    panel
        Row of `panels` that says which genes were measured, (profiles,).
    panels
        True where a gene was measured, (panels, genes).
    terms
        Cell Ontology id of each profile.
    tissues
        Tissue of each profile, in the words of its source.
    studies
        Study (file and matrix) of each profile.
    """

    shares: NDArray[np.float32]
    panel: NDArray[np.int64]
    panels: NDArray[np.bool_]
    terms: tuple[str, ...]
    tissues: tuple[str, ...]
    studies: tuple[str, ...]


def read_profiles(
    paths: Sequence[Path],
    genes: GeneTable,
    *,
    exclude: Collection[str] = (),
    only: Collection[str] | None = None,
    without_types: Collection[str] = (),
) -> Profiles:
    """Read reference profiles of all files.

    Parameters
    ----------
    paths
        `.h5ad` files with `obs["cell_type_id"]`, `obs["tissue"]`, `obs["unit"]`.
    genes
        Gene table of the model.
    exclude
        Studies (`"file|matrix"` or their beginnings) to leave out.
    only
        Studies to read; by default all.
    without_types
        Cell Ontology ids to leave out, with all kinds of them.

    Raises
    ------
    ValueError
        If no gene of a file is in the table, or a type is not in the ontology.
    """
    wanted = None if only is None else tuple(only)
    skipped = not_learned(without_types)
    parts = [_read_profile_file(path, genes, tuple(exclude), wanted, skipped) for path in paths]
    offsets = np.cumsum([0, *(len(part.panels) for part in parts[:-1])])
    return Profiles(
        shares=np.concatenate([part.shares for part in parts]),
        panel=np.concatenate([p.panel + o for p, o in zip(parts, offsets, strict=True)]),
        panels=np.concatenate([part.panels for part in parts]),
        terms=tuple(term for part in parts for term in part.terms),
        tissues=tuple(tissue for part in parts for tissue in part.tissues),
        studies=tuple(study for part in parts for study in part.studies),
    )


def cited_studies(path: Path) -> list[tuple[str, str, str]]:
    """Return each study of a file of profiles, the file, and what it cites (`obs["citation"]`)."""
    with h5py.File(path) as file:
        obs = read_elem(file["obs"])
    cited = obs["citation"].astype(str) if "citation" in obs else [""] * len(obs)
    pairs = dict.fromkeys(zip(_matrices(obs), cited, strict=True))
    return [(f"{path.stem}|{name}", path.name, text) for name, text in pairs]


def _read_profile_file(
    path: Path,
    genes: GeneTable,
    exclude: tuple[str, ...],
    only: tuple[str, ...] | None,
    skipped: frozenset[str],
) -> Profiles:
    adata = ad.read_h5ad(path)
    studies = [f"{path.stem}|{name}" for name in _matrices(adata.obs)]
    terms = current_terms(adata.obs["cell_type_id"])
    to_model = gene_map(adata.var_names, genes)
    mapped = np.asarray(_linear(adata) @ to_model, dtype=np.float32)
    panel, panels = _panels(adata, to_model)
    wanted = [_is_wanted(study, exclude, only) for study in studies]
    typed = [term not in skipped for term in terms]
    chosen = np.flatnonzero(np.array(wanted) & np.array(typed) & (mapped.sum(1) > 0))
    return Profiles(
        shares=mapped[chosen] / mapped[chosen].sum(1, keepdims=True),
        panel=panel[chosen],
        panels=panels,
        terms=tuple(terms[i] for i in chosen),
        tissues=tuple(str(adata.obs["tissue"].iloc[i]) for i in chosen),
        studies=tuple(studies[i] for i in chosen),
    )


def _matrices(obs: pd.DataFrame) -> list[str]:
    """Name of the study, or sample, of each profile."""
    for column in ("matrix", "sample"):
        if column in obs:
            return [str(name) for name in obs[column]]
    return [""] * len(obs)


def _is_wanted(study: str, exclude: tuple[str, ...], only: tuple[str, ...] | None) -> bool:
    return not study.startswith(exclude) and (only is None or study.startswith(only))


def _linear(adata: ad.AnnData) -> NDArray[np.float32]:
    """Expression in linear units; profiles in a unit that cannot be linearised become empty."""
    values = adata.X.toarray() if sp.issparse(adata.X) else np.asarray(adata.X)
    values = values.astype(np.float32)
    unit = adata.obs["unit"].astype(str).to_numpy()
    logged = unit == "log1p mean"
    values[logged] = np.expm1(values[logged])
    # Array intensities and log2 of unstated offset have no zero to draw counts from.
    values[np.char.startswith(unit.astype(str), "log2")] = 0
    return np.maximum(values, 0)


def _panels(
    adata: ad.AnnData, to_model: sp.csr_matrix
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if "measured" not in adata.varm:
        everything = np.asarray(to_model.sum(0)).ravel() > 0
        return np.zeros(adata.n_obs, dtype=np.int64), everything[None]
    measured = adata.varm["measured"]
    measured = measured.toarray() if sp.issparse(measured) else np.asarray(measured)
    names = _measured_names(str(adata.uns["measured_matrices"]))
    place = {name: i for i, name in enumerate(names)}
    panel = np.array([place[str(name)] for name in adata.obs["matrix"]])
    return panel, (measured.T.astype(np.float32) @ to_model) > 0


def _measured_names(text: str) -> list[str]:
    # Written as the repr of an array of strings.
    return [part for i, part in enumerate(text.split("'")) if i % 2]
