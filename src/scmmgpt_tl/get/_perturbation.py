"""Predicted perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmmgpt_tl._keys import PerturbationKeys

from ._record import read_record

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

LAYERS = ("control", "shift")


def perturbation_df(
    adata: AnnData,
    perturbation: str | None = None,
    group: str | None = None,
    *,
    key: str = "scmm_perturb",
) -> pd.DataFrame:
    """Get what a perturbation is predicted to change, the largest shifts first.

    Parameters
    ----------
    adata
        What :func:`scmmgpt_tl.tl.perturb` returned.
    perturbation, group
        Only these; by default all.
    key
        Its `key_added`.

    Returns
    -------
    One row per perturbation, group and gene (or label): `perturbation`, `group`, `name`, `control`,
    `predicted` and `shift`; within each perturbation and group in the order of the absolute shift.

    Raises
    ------
    ValueError
        `adata` holds no such prediction, or there is no such perturbation or group.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:60].copy()
    >>> adata.obs["done"] = ["control", "nothing in particular"] * 30
    >>> learned = scmm.train.perturbation(adata, "done", "control")
    >>> predicted = scmm.tl.perturb(adata, "nothing in particular", model=learned)
    >>> list(scmm.get.perturbation_df(predicted))
    ['perturbation', 'group', 'name', 'control', 'predicted', 'shift']
    """
    read_record(adata, PerturbationKeys(key).uns, needs="params", tool="perturb")
    if missing := [name for name in LAYERS if name not in adata.layers]:
        msg = f"Did not find adata.layers[{missing[0]!r}]. Pass what `scmm.tl.perturb` returned."
        raise ValueError(msg)
    rows = _rows_of(adata, "perturbation", perturbation) & _rows_of(adata, "group", group)
    if not rows.any():
        msg = (
            f"{perturbation!r} was not predicted in {group!r}. Choose another pair of `adata.obs`."
        )
        raise ValueError(msg)
    return pd.concat(
        [_frame(adata, row) for row in np.flatnonzero(rows).tolist()], ignore_index=True
    )


def _rows_of(adata: AnnData, column: str, wanted: str | None) -> NDArray[np.bool_]:
    names = adata.obs[column].astype(str)
    if wanted is not None and wanted not in set(names):
        msg = f"There is no {column} {wanted!r}. Choose from {', '.join(dict.fromkeys(names))}."
        raise ValueError(msg)
    rows: NDArray[np.bool_] = np.array([wanted in {None, name} for name in names], dtype=bool)
    return rows


def _frame(adata: AnnData, row: int) -> pd.DataFrame:
    shift = np.asarray(adata.layers["shift"][row])
    order = np.argsort(-np.abs(shift), kind="stable")
    return pd.DataFrame(
        {
            "perturbation": str(adata.obs["perturbation"].iloc[row]),
            "group": str(adata.obs["group"].iloc[row]),
            "name": np.array(adata.var_names, dtype=object)[order],
            "control": np.asarray(adata.layers["control"][row])[order],
            "predicted": np.asarray(adata.X[row])[order],
            "shift": shift[order],
        }
    )
