"""Results of asking proteins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from scmmgpt_tl._keys import ProteinKeys

from ._record import check_present, read_record

if TYPE_CHECKING:
    from anndata import AnnData

_TABLES = ("labels", "antibodies", "splits", "expected")


def protein_df(
    adata: AnnData,
    *,
    key: str = "scmm_cell_type_protein",
    table: Literal["cells", "labels", "antibodies", "splits", "expected"] = "cells",
) -> pd.DataFrame:
    """Get what proteins say of the labels of cells.

    Parameters
    ----------
    adata
        Cells that :func:`scmmgpt_tl.tl.proteins` was asked about.
    key
        Its `key_added`.
    table
        `"cells"` for one row per cell, `"labels"` for how many cells of each label they agree with,
        `"antibodies"` for which protein each is against, `"splits"` for where each antibody parts
        the cells of each sample, `"expected"` for what each label lets expect.

    Returns
    -------
    A copy: with `"cells"` the columns `label`, `verdict`, `score`, `against` and `rival`, else the
    table of that name.

    Raises
    ------
    ValueError
        The proteins were not asked under this key, or there is no such table.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc_cite()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "natural killer cell", "monocyte"])
    >>> scmm.tl.proteins(adata)
    >>> list(scmm.get.protein_df(adata))
    ['label', 'verdict', 'score', 'against', 'rival']
    """
    if table != "cells" and table not in _TABLES:
        msg = f"`table` must be 'cells' or one of {', '.join(map(repr, _TABLES))}, not {table!r}."
        raise ValueError(msg)
    keys = ProteinKeys(key)
    record = read_record(adata, keys.uns, needs="expected", tool="proteins")
    if table != "cells":
        return record[table].reset_index(drop=True).copy()
    columns = {
        "label": str(record["params"]["key"]),
        "verdict": keys.verdict,
        "score": keys.score,
        "against": keys.against,
        "rival": keys.rival,
    }
    check_present(adata.obs.columns, list(columns.values()), slot="obs", tool="proteins")
    return pd.DataFrame({name: adata.obs[column] for name, column in columns.items()})
