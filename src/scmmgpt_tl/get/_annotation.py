"""Results of annotation."""

from __future__ import annotations

import pandas as pd
from anndata import AnnData

from scmmgpt_tl._keys import AnnotationKeys

from ._record import check_present, read_record


def annotation_df(
    adata: AnnData, *, key: str = "scmm_cell_type", groups: bool = False
) -> pd.DataFrame:
    """Get the annotation of cells, or of groups.

    Parameters
    ----------
    adata
        Cells annotated by :func:`scmmgpt_tl.tl.annotate`.
    key
        Its `key_added`.
    groups
        Get one row per group instead of one per cell.

    Returns
    -------
    A copy: with one row per cell `label`, `cl_id`, `score`, `margin`, `reason` and `coverage`;
    with `groups` one row per group, `group`, `label`, `cl_id`, `score`, `support`, `agreement`,
    `runner_up`, `margin` and `n_cells`.

    Raises
    ------
    ValueError
        The cells are not annotated under this key, or not by group.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> list(scmm.get.annotation_df(adata))
    ['label', 'cl_id', 'score', 'margin', 'reason', 'coverage']
    """
    keys = AnnotationKeys(key)
    record = read_record(adata, keys.uns, needs="labels", tool="annotate")
    if groups:
        if "groups" not in record:
            msg = f"{key!r} has no groups. Run `scmm.tl.annotate` with `groupby` first."
            raise ValueError(msg)
        return record["groups"].reset_index(drop=True).copy()
    columns = {
        "label": keys.label,
        "cl_id": keys.cl,
        "score": keys.score,
        "margin": keys.margin,
        "reason": keys.reason,
        "coverage": keys.coverage,
    }
    check_present(adata.obs.columns, list(columns.values()), slot="obs", tool="annotate")
    return pd.DataFrame({name: adata.obs[column] for name, column in columns.items()})


def scores(adata: AnnData, *, key: str = "scmm_cell_type") -> AnnData:
    """Get the probabilities of the labels as an AnnData of cells x labels.

    All of :mod:`scanpy.pl` works on it: a label takes the place of a gene.

    Parameters
    ----------
    adata
        Cells annotated by :func:`scmmgpt_tl.tl.annotate`.
    key
        Its `key_added`.

    Returns
    -------
    A new object with `X` (dtype `float32`), `var['cl_id']`, and copies of `obs` and `obsm`.

    Raises
    ------
    ValueError
        The cells are not annotated under this key.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.get.scores(adata).shape
    (50, 3)
    """
    keys = AnnotationKeys(key)
    record = read_record(adata, keys.uns, needs="labels", tool="annotate")
    check_present(adata.obsm, [keys.scores], slot="obsm", tool="annotate")
    frame, labels = adata.obsm[keys.scores], record["labels"]
    var = pd.DataFrame({"cl_id": labels["cl_id"].to_numpy()}, index=labels["name"].to_numpy())
    var.index = var.index.astype(str)
    others = {name: value.copy() for name, value in adata.obsm.items() if name != keys.scores}
    return AnnData(frame.to_numpy(copy=True), obs=adata.obs.copy(), var=var, obsm=others)
