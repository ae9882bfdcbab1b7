"""What is expected of generated cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmmgpt_tl._keys import GenerationKeys

from ._record import check_present, read_record

if TYPE_CHECKING:
    from anndata import AnnData

# A share of the counts that is as good as none.
LEAST_SHARE = 1e-6


def generation_df(
    adata: AnnData, *, prompt: str | None = None, key: str = "scmm_prompt"
) -> pd.DataFrame:
    """Get the genes that texts stand for, as they were expected before counts were drawn.

    Parameters
    ----------
    adata
        Cells made by :func:`scmmgpt_tl.tl.generate`.
    prompt
        Get this text only, by its name in `adata.varm['scmm_prompt_share']`.
    key
        The tool's `key_added`.

    Returns
    -------
    One row a text and gene: `prompt`; `rank`, from 1 for the gene that is raised most, or expressed
    most where there is one text; `gene`; `share`, of the counts of a cell; and `log2_fold` over the
    mean of the other texts, missing where there are none.

    Raises
    ------
    ValueError
        Nothing was generated under this key, or there is no such text.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> markers = ["MZB1", "JCHAIN", "CD3D", "LYZ", "ACTB"]
    >>> adata = scmm.tl.generate(["plasma cell", "T cell"], 5, genes=markers)
    >>> scmm.get.generation_df(adata, prompt="T cell")["gene"][0]
    'CD3D'
    """
    keys = GenerationKeys(key)
    read_record(adata, keys.uns, needs="prompts", tool="generate")
    check_present(adata.varm, [keys.share], slot="varm", tool="generate")
    shares = adata.varm[keys.share]
    names = [str(name) for name in shares.columns]
    if prompt is not None and prompt not in names:
        msg = f"There is no text {prompt!r}. Choose from {', '.join(map(repr, names))}."
        raise ValueError(msg)
    values = shares.to_numpy(dtype=float)
    parts = []
    for i in range(len(names)) if prompt is None else [names.index(prompt)]:
        by, fold = values[:, i], np.full(len(values), np.nan)
        if len(names) > 1:
            others = np.delete(values, i, axis=1).mean(axis=1)
            by = fold = np.log2((values[:, i] + LEAST_SHARE) / (others + LEAST_SHARE))
        order = np.argsort(-by, kind="stable")
        parts.append(
            pd.DataFrame(
                {
                    "prompt": names[i],
                    "rank": np.arange(1, len(order) + 1),
                    "gene": adata.var_names.to_numpy()[order],
                    "share": values[order, i],
                    "log2_fold": fold[order],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
