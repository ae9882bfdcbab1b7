"""Generating cells from text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import doc_params
from scmmgpt_tl._keys import GenerationKeys
from scmmgpt_tl._results import Results, flat

from ._chosen_model import load, model_params
from ._generation.expected import draw_cells, expect
from ._generation.panel import read_panel
from ._generation.prompts import read_prompts
from ._generation.sizes import check_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import Model

    from ._generation.expected import Expected
    from ._generation.panel import Panel
    from ._generation.prompts import Prompts


@doc_params()
def generate(
    prompts: str | Sequence[str] | Mapping[str, str],
    n_cells: int = 100,
    *,
    genes: Sequence[str] | None = None,
    library_size: float | Sequence[float] | None = None,
    dispersion: float | None = None,
    steps: int | None = None,
    rng: int | np.random.Generator | None = 0,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_prompt",
) -> AnnData:
    """Generate raw counts of cells that texts describe.

    The expression decoder reads the text and says how strongly each gene is expressed; counts are
    drawn around that with the depth and the over-dispersion of real cells.
    No cell is read: the result depends on the arguments and the model alone.
    This is the text-to-cell direction of scMMGPT (Shi et al. 2025, arXiv 2503.09427).

    Cells of one text differ by depth and by chance only: what else makes cells of a type differ,
    such as their cycle or donor, is in none of them. How near they come to real cells is measured
    in :ref:`the benchmarks <generation-benchmark>`.

    Parameters
    ----------
    prompts
        Any words, such as `"plasma cell in bone marrow"`; a list of texts; or a dict of names and
        texts.
        What the Cell Ontology knows is read with its definition as well.
    n_cells
        Cells of each text, or of each stop between two texts.
    genes
        Symbols or Ensembl ids to generate, such as `adata.var_names`; those that the model does not
        know are left out, with a warning.
        By default all genes of the model.
    library_size
        Expected total counts of a cell in the generated genes: a number for all cells, or several
        of which each cell draws one, such as `adata.obs["total_counts"]`.
        By default as deep, over all genes, as the cells that the model was trained with.
    dispersion
        How much counts vary beyond chance: their variance is `mean + dispersion * mean ** 2`, and 0
        makes them Poisson.
        By default as measured on the cells that the model was trained with.
    steps
        Take two texts as the ends of a way, and generate cells at so many stops on it, both ends
        included. Between them the expected expression is interpolated gene by gene on the log scale.
    rng
        Seed or generator: the same one gives the same cells.
    {model}
    {key_added}

    Returns
    -------
    Cells x genes, in the order of the texts, with the names of `genes` as given:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Raw counts.
    `adata.obs['scmm_prompt' | key_added]` : :class:`pandas.Series` (dtype `category`)
        The text, or its name.
    `adata.obs['scmm_prompt_cl' | key_added + '_cl']` : :class:`pandas.Series` (dtype `category`)
        Cell Ontology id of the text, `""` where it is no term.
    `adata.obs['scmm_prompt_place' | key_added + '_place']` : :class:`pandas.Series` (dtype `float32`)
        With `steps`, how far on the way from the first text (0) to the second (1).
    `adata.varm['scmm_prompt_share' | key_added + '_share']` : :class:`pandas.DataFrame` (dtype `float32`)
        Expected share of each gene in the counts, one column a text or stop; a `"/"` in a name
        becomes `"|"`.
    `adata.uns['scmm_prompt' | key_added]` : :class:`dict`
        `params` of the call, and `prompts`, a frame with `name`, `cl_id`, `text` (what the model
        read) and `column` (of the expected shares).

    Raises
    ------
    TypeError
        `prompts` or `genes` hold something other than strings.
    ValueError
        A text is empty or repeated, a number is out of range, no gene is known, or `steps` is given
        without two texts.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> markers = ["MZB1", "JCHAIN", "CD3D", "LYZ", "ACTB"]
    >>> adata = scmm.tl.generate(["plasma cell", "T cell"], 5, genes=markers, library_size=200)
    >>> adata.shape, list(adata.obs["scmm_prompt"].cat.categories)
    ((10, 5), ['plasma cell', 'T cell'])

    See Also
    --------
    scmmgpt_tl.pl.generated : the cells beside real ones.
    """
    keys = GenerationKeys(key_added)
    check_numbers(n_cells, library_size=library_size, dispersion=dispersion, steps=steps)
    asked = read_prompts(prompts, ontology=ontology.load())
    if steps is not None and len(asked) != 2:
        msg = (
            f"`steps` leads from one text to another, so `prompts` must be two; found {len(asked)}."
        )
        raise ValueError(msg)
    loaded = load(model)
    panel = read_panel(genes, loaded.genes)
    start = logg.info(f"generating {n_cells} cells of each of {steps or len(asked)} kinds")
    expected = expect(asked, loaded, steps=steps)
    generator = np.random.default_rng(rng)
    spread = loaded.sampling.dispersion if dispersion is None else float(dispersion)
    counts = draw_cells(
        expected,
        loaded,
        panel=panel,
        n_cells=n_cells,
        library_size=library_size,
        dispersion=spread,
        rng=generator,
    )
    params = flat(
        {
            "n_cells": n_cells,
            "n_genes": len(panel.names),
            "library_size": library_size if isinstance(library_size, int | float) else None,
            "dispersion": spread,
            "steps": steps,
            "rng": rng if isinstance(rng, int) else None,
            "key_added": key_added,
            **model_params(loaded),
        }
    )
    adata = _lay_out(counts, expected, panel, share_key=keys.share)
    Results(
        obs=_columns(expected, keys, n_cells=n_cells, steps=steps),
        uns={keys.uns: {"params": params, "prompts": _table(expected, asked)}},
    ).write(adata, start=start)
    return adata


def _lay_out(
    counts: csr_matrix, expected: Sequence[Expected], panel: Panel, *, share_key: str
) -> AnnData:
    shares = {one.column: one.shares[panel.places].astype(np.float32) for one in expected}
    index = pd.Index(panel.names, dtype=object)
    return AnnData(
        counts,
        obs=pd.DataFrame(index=[f"generated{i}" for i in range(counts.shape[0])]),
        var=pd.DataFrame(index=index),
        varm={share_key: pd.DataFrame(shares, index=index)},
    )


def _columns(
    expected: Sequence[Expected], keys: GenerationKeys, *, n_cells: int, steps: int | None
) -> dict[str, Any]:
    def column(values: Sequence[str]) -> pd.Categorical:
        return pd.Categorical(
            np.repeat(np.array(values, dtype=object), n_cells), list(dict.fromkeys(values))
        )

    columns: dict[str, Any] = {
        keys.prompt: column([one.name for one in expected]),
        keys.cl: column([one.cl_id for one in expected]),
    }
    if steps is not None:
        columns[keys.place] = np.repeat([one.place for one in expected], n_cells)
    return columns


def _table(expected: Sequence[Expected], asked: Prompts) -> pd.DataFrame:
    columns = [one.column for one in expected]
    return pd.DataFrame(
        {
            "name": list(asked.names),
            "cl_id": list(asked.cl_ids),
            "text": [" / ".join(wordings) for wordings in asked.wordings],
            "column": columns if len(columns) == len(asked) else [columns[0], columns[-1]],
        }
    )
