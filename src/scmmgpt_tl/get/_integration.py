"""Results of bringing batches together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scmmgpt_tl._keys import IntegrationKeys

from ._record import read_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Table = Literal["batches", "seeds"]


def integration_df(
    adata: AnnData, *, table: Table = "batches", key: str = "X_scmm_integrated"
) -> pd.DataFrame:
    """Get what was brought together, and by which labels.

    Parameters
    ----------
    adata
        Cells of batches that :func:`scmmgpt_tl.tl.integrate` brought together.
    table
        `"batches"` with the size of each and, by `method="linear"`, how far its cells were moved in
        the mean; or `"seeds"`, the labels that `method="scanvi"` was shown and of how many cells.
    key
        The tool's `key_added`.

    Returns
    -------
    A copy of that table.

    Raises
    ------
    ValueError
        Nothing was brought together under this key, or there is no such table.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:60].copy()
    >>> adata.obs["donor"] = ["a", "b"] * 30
    >>> scmm.tl.integrate(adata, "donor")
    >>> scmm.get.integration_df(adata)["n_cells"].tolist()
    [30, 30]
    """
    record = read_record(adata, IntegrationKeys(key).uns, needs="batches", tool="integrate")
    if table not in {"batches", "seeds"} or table not in record:
        there = "', '".join(name for name in ("batches", "seeds") if name in record)
        msg = f"There is no table {table!r} under {key!r}. Choose from '{there}'."
        raise ValueError(msg)
    return record[table].reset_index(drop=True).copy()
