"""Where the proteins of a data set are: in a modality, in `obsm`, or among the genes."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl._files import is_mudata
from scmmgpt_tl._matrix import get_matrix, row_blocks
from scmmgpt_tl._stream.cells import StoredCells
from scmmgpt_tl._stream.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

__all__ = ["Measured", "read_proteins"]

MODALITIES = ("prot", "protein", "proteins", "adt", "ab", "antibody", "cite")
OBSM, NAMES = "protein_expression", "protein_names"
_TYPES, _CAPTURE = "feature_types", ("antibody capture", "protein")


class Measured(NamedTuple):
    """Antibody counts beside the cells of an annotation.

    Parameters
    ----------
    levels
        `(n_cells, n_antibodies)`; NaN in cells without proteins.
    antibodies
        Their names.
    where
        The slot they were found in.
    """

    levels: NDArray[np.float64]
    antibodies: tuple[str, ...]
    where: str

    @property
    def is_linear(self) -> bool:
        """Whether these are counts, or linear values, rather than normalised ones."""
        known = self.levels[np.isfinite(self.levels)]
        if not known.size or known.min() < 0:
            return False
        # Denoised counts are fractional, but logarithms stay below this.
        return bool((known == np.round(known)).all() or known.max() > 50)


def read_proteins(
    data: AnnData | MuData | Part,
    adata: AnnData,
    *,
    protein_mod: str | None,
    protein_key: str | None,
    layer: str | None,
) -> Measured:
    """Read proteins of the cells of `adata`.

    Parameters
    ----------
    data
        What the user passed, or all cells of the file that the user named.
    adata
        The annotated cells in it.
    protein_mod
        Modality of a MuData; by default the one that is called like one of proteins.
    protein_key
        Key of `obsm`; by default that of scvi-tools, or antibodies among the genes.
    layer
        Layer of the modality, or of `adata` where antibodies are among the genes.

    Raises
    ------
    TypeError
        A modality is named, but there is none.
    ValueError
        There are no proteins, they have no names, are no numbers, or are of other cells.
    """
    if protein_key is not None and protein_mod is not None:
        msg = "Pass `protein_mod=` or `protein_key=`, not both: proteins are read from one place."
        raise ValueError(msg)
    names = _modalities(data)
    if protein_mod is not None and not names:
        msg = f"`protein_mod={protein_mod!r}` picks a modality of a MuData, but `adata` is an AnnData."
        raise TypeError(msg)
    name = _choose(names, protein_mod) if protein_key is None else None
    if name is not None:
        with _open_modality(data, name) as proteins:
            found = _from_modality(proteins, adata, name=name, layer=layer)
    elif protein_key is not None or OBSM in adata.obsm:
        found = _from_obsm(adata, protein_key or OBSM)
    else:
        genes = data.cells if isinstance(data, Part) else adata
        found = _from_genes(genes, has_modalities=bool(names), layer=layer)
    _check(found)
    return found


def _modalities(data: AnnData | MuData | Part) -> list[str]:
    """Names of the modalities, none of an AnnData."""
    if isinstance(data, Part):
        return data.cells.modalities
    return [str(name) for name in data.mod] if is_mudata(data) else []


def _choose(names: Sequence[str], protein_mod: str | None) -> str | None:
    if protein_mod is not None:
        if protein_mod not in names:
            msg = f"There is no modality {protein_mod!r}. Pass `protein_mod=` as one of {names}."
            raise ValueError(msg)
        return protein_mod
    return next((name for name in names if name.casefold() in MODALITIES), None)


@contextmanager
def _open_modality(data: MuData | Part, name: str) -> Iterator[AnnData | StoredCells]:
    if isinstance(data, Part):
        with closing(StoredCells(data.cells.path, mod=name)) as cells:
            yield cells
    else:
        yield data.mod[name]


def _from_modality(
    proteins: AnnData | StoredCells, adata: AnnData, *, name: str, layer: str | None
) -> Measured:
    cells = pd.Index(proteins.obs_names[:], dtype=object)
    if not cells.is_unique:
        msg = f"Cells of the modality {name!r} share names. Run `.obs_names_make_unique()` on it first."
        raise ValueError(msg)
    rows = cells.get_indexer(adata.obs_names)
    if (rows < 0).all():
        msg = (
            f"No cell of the annotation is in the modality {name!r}: they are called "
            f"{list(adata.obs_names[:2])} here and {list(cells[:2])} there."
        )
        raise ValueError(msg)
    values = _dense(proteins, layer)[rows]
    values[rows < 0] = np.nan
    return Measured(values, _texts(proteins.var_names), f"mod[{name!r}]")


def _from_obsm(adata: AnnData, key: str) -> Measured:
    if key not in adata.obsm:
        msg = f"Did not find `adata.obsm[{key!r}]`. Choose `protein_key` from {list(adata.obsm)}."
        raise ValueError(msg)
    found, where = adata.obsm[key], f"obsm[{key!r}]"
    if isinstance(found, pd.DataFrame):
        names = _texts(found.columns)
    elif NAMES in adata.uns:
        names = _texts(adata.uns[NAMES])
    else:
        msg = (
            f"The antibodies in `adata.{where}` have no names. Make it a DataFrame with names as "
            f"columns, or put them into `adata.uns[{NAMES!r}]`."
        )
        raise ValueError(msg)
    values = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
    if values.ndim != 2 or values.shape[1] != len(names):
        msg = f"`adata.{where}` has shape {values.shape}, but there are {len(names)} names."
        raise ValueError(msg)
    return Measured(_numbers(values, where), names, where)


def _from_genes(
    adata: AnnData | StoredCells, *, has_modalities: bool, layer: str | None
) -> Measured:
    """Antibodies as `scanpy.read_10x_h5(gex_only=False)` leaves them: beside the genes."""
    types = adata.var[_TYPES].astype(str).str.casefold() if _TYPES in adata.var else None
    if types is None or not types.isin(_CAPTURE).any():
        beside = f", no modality called {', '.join(MODALITIES[:4])}" if has_modalities else ""
        msg = (
            f"Found no proteins: no `adata.obsm[{OBSM!r}]`{beside} and no antibodies in "
            f"`adata.var[{_TYPES!r}]`. Pass `protein_key=` or `protein_mod=`."
        )
        raise ValueError(msg)
    kept = np.flatnonzero(types.isin(_CAPTURE))
    values = np.concatenate(
        [block[:, kept].toarray() for _, _, block in row_blocks(get_matrix(adata, layer), 4096)]
    )
    names = _texts(adata.var_names[kept])
    return Measured(values.astype(np.float64), names, f"var[{_TYPES!r}]")


def _dense(proteins: AnnData | StoredCells, layer: str | None) -> NDArray[np.float64]:
    if layer is not None and layer not in proteins.layers:
        msg = f"There is no layer {layer!r}. Pass `layer=` as one of {list(proteins.layers)}."
        raise ValueError(msg)
    blocks = [block.toarray() for _, _, block in row_blocks(get_matrix(proteins, layer), 4096)]
    return np.concatenate(blocks).astype(np.float64)


def _numbers(values: NDArray[np.generic], where: str) -> NDArray[np.float64]:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        msg = f"`adata.{where}` must hold numbers, not {values.dtype}."
        raise ValueError(msg) from error


def _texts(names: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(name) for name in names)


def _check(found: Measured) -> None:
    if not found.antibodies:
        msg = f"There are no antibodies in `{found.where}`."
        raise ValueError(msg)
    repeated = sorted({name for name in found.antibodies if found.antibodies.count(name) > 1})
    if repeated:
        msg = f"Antibodies in `{found.where}` share names: {repeated[:3]}. Make them unique first."
        raise ValueError(msg)
    partly = np.isnan(found.levels).any(1) & ~np.isnan(found.levels).all(1)
    if partly.any() or np.isinf(found.levels).any():
        msg = (
            f"`{found.where}` holds NaN or infinite values in single antibodies of a cell. Leave "
            "these antibodies out; a cell without any proteins may be NaN throughout."
        )
        raise ValueError(msg)
