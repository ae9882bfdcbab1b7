"""Results of comparing two groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scmmgpt_tl._keys import ComparisonKeys

from ._record import read_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Table = Literal["statements", "cells", "types", "differing_genes", "markers", "gene_sets", "texts"]


def comparison_df(
    adata: AnnData, *, table: Table = "statements", key: str = "scmm_comparison"
) -> pd.DataFrame:
    """Get what was found when two groups were compared.

    Parameters
    ----------
    adata
        Cells compared by :func:`scmmgpt_tl.tl.compare`.
    table
        `"statements"` for the sentences with their evidence, or what they are read from: `"cells"`,
        `"types"`, `"differing_genes"`, `"markers"`, `"gene_sets"` or `"texts"`.
    key
        The tool's `key_added`.

    Returns
    -------
    A copy of that table.

    Raises
    ------
    ValueError
        Nothing was compared under this key, or there is no such table.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> blood = scmm.datasets.pbmc68k()
    >>> scmm.tl.compare(blood, "CD19+ B", "CD56+ NK", groupby="bulk_labels", counts="lognorm")
    >>> list(scmm.get.comparison_df(blood, table="differing_genes"))
    ['gene', 'log2_fold', 'expressed_a', 'expressed_b', 'q']
    """
    record = read_record(adata, ComparisonKeys(key).uns, needs="statements", tool="compare")
    tables = [name for name, value in record.items() if hasattr(value, "columns")]
    if table not in tables:
        msg = f"There is no table {table!r}. Choose from {', '.join(map(repr, tables))}."
        raise ValueError(msg)
    return record[table].reset_index(drop=True).copy()
