"""Results of describing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl._keys import DescriptionKeys

from ._record import read_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def description_df(adata: AnnData, *, key: str = "scmm_description") -> pd.DataFrame:
    """Get the descriptions of groups with their evidence.

    Parameters
    ----------
    adata
        Cells described by :func:`scmmgpt_tl.tl.describe`.
    key
        Its `key_added`.

    Returns
    -------
    A copy, with one row per group: `group`, `n_cells`, `label`, `cl_id`, `score`, `top_genes`,
    `top_terms`, `lineage`, `description`, `written_by` and `coverage`.

    Raises
    ------
    ValueError
        Nothing is described under this key.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> adata.obs["all"] = "one"
    >>> scmm.tl.describe(adata, "all")
    >>> scmm.get.description_df(adata)["n_cells"].tolist()
    [50]
    """
    record = read_record(adata, DescriptionKeys(key).uns, needs="groups", tool="describe")
    if "description" not in record["groups"]:
        msg = f"adata.uns[{key!r}] holds no descriptions. Run `scmm.tl.describe` first."
        raise ValueError(msg)
    return record["groups"].reset_index(drop=True).copy()
