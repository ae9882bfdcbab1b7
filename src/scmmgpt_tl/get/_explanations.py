"""Results of explaining."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl._keys import ExplanationKeys

from ._record import read_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def explanation_df(
    adata: AnnData, *, key: str = "scmm_explanation", overview: bool = False
) -> pd.DataFrame:
    """Get the genes that made labels, or the words that made a search.

    Parameters
    ----------
    adata
        Cells explained by :func:`scmmgpt_tl.tl.explain` or :func:`scmmgpt_tl.tl.explain_search`.
    key
        Its `key_added`.
    overview
        Get one row per cell or group, with the log-odds that were explained, instead of one per
        gene.

    Returns
    -------
    A copy: of genes `cell` or `group`, `label`, `against`, `rank`, `gene`, `attribution`,
    `expression` and `marker`; of words `text`, `place`, `word`, `pull` and `kept`; with `overview`
    `cell` or `group`, `label`, `against`, `n_cells`, `log_odds`, `start` and `total`.

    Raises
    ------
    ValueError
        Nothing is explained under this key, or a search, which has no overview.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.tl.explain(adata, max_cells=1)
    >>> list(scmm.get.explanation_df(adata, overview=True))
    ['cell', 'label', 'against', 'n_cells', 'log_odds', 'start', 'total']
    """
    slot = ExplanationKeys(key).uns
    held = adata.uns.get(slot)
    if hasattr(held, "keys") and "words" in held:
        if overview:
            msg = f"{key!r} explains a search, which has no overview. Leave `overview` out."
            raise ValueError(msg)
        return held["words"].reset_index(drop=True).copy()
    table = "overview" if overview else "genes"
    record = read_record(adata, slot, needs="overview", tool="explain")
    return record[table].reset_index(drop=True).copy()
