"""Results of ranking terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl._keys import RankKeys

from ._record import read_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def rank_terms_df(
    adata: AnnData, *, group: str | None = None, key: str = "scmm_rank_terms"
) -> pd.DataFrame:
    """Get the terms of groups, the best first.

    Parameters
    ----------
    adata
        Cells whose terms were ranked by :func:`scmmgpt_tl.tl.rank_terms`.
    group
        Get this group only.
    key
        The tool's `key_added`.

    Returns
    -------
    A copy with `group`, `rank`, `term`, `cl_id` and `score`.

    Raises
    ------
    ValueError
        Nothing was ranked under this key, or there is no such group.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.rank_terms(adata, ["T cell", "B cell", "macrophage"])
    >>> list(scmm.get.rank_terms_df(adata))
    ['group', 'rank', 'term', 'cl_id', 'score']
    """
    record = read_record(adata, RankKeys(key).uns, needs="ranking", tool="rank_terms")
    ranking = record["ranking"].reset_index(drop=True).copy()
    if group is None:
        return ranking
    chosen = ranking[ranking["group"].astype(str) == str(group)].reset_index(drop=True)
    if chosen.empty:
        known = ", ".join(map(repr, ranking["group"].astype(str).unique()))
        msg = f"There is no group {group!r}. Choose from {known}."
        raise ValueError(msg)
    return chosen
