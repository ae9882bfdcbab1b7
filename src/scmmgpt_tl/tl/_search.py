"""Searching cells by text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import SearchKeys
from scmmgpt_tl._results import Results

from ._kernels import beside_texts
from ._labels import embed_wordings
from ._on_files import takes_paths
from ._session import open_session
from ._workers.rows import read_cells

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from distributed import Client
    from mudata import MuData

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths


@takes_paths()
@doc_params(adata=ADATA_OR_PATH)
def search(
    adata: AnnData | MuData | Paths,
    query: str,
    *,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_search",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    client: Client | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Score every cell by how well a text fits it.

    The score is the cosine between the text and the closest of the cell's query vectors. It ranks
    the cells of one search; it is no probability, and scores of two texts are not comparable. How
    often texts find their cells is measured in :ref:`the benchmarks <retrieval-benchmark>`.

    Parameters
    ----------
    {adata}
    query
        Any words, such as `"exhausted CD8 T cell"`.
        What the Cell Ontology knows is searched by its definition as well.
    {model}
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {batch_size}
    {client}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`, of a path the results without the genes.
    Sets the following fields:

    `adata.obs['scmm_search' | key_added]` : :class:`pandas.Series` (dtype `float32`)
        Score between -1 and 1, the higher the better; 0 for a cell without counts.
    `adata.obs['scmm_search_coverage' | key_added + '_coverage']` : :class:`pandas.Series` (dtype `float32`)
        Share of the cell's expression that the model could read; see :doc:`/user_guide/input`.
    `adata.uns['scmm_search' | key_added]` : :class:`dict`
        `params` of the call, with `query` and its `cl_id` where the ontology knows it.

    Raises
    ------
    TypeError
        `query` is not a string.
    ValueError
        `query` is empty, or values or genes are not what the model can read.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.search(adata, "plasma cell")
    >>> adata.uns["scmm_search"]["params"]["cl_id"]
    'CL:0000786'
    """
    keys = SearchKeys(key_added)
    _check(query)
    session = open_session(
        adata,
        model=model,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=copy,
    )
    start = logg.info(f"searching {session.n_obs} cells for {query!r}")
    term, wordings = read_query(query, ontology=ontology.load())
    text = embed_wordings([wordings], session.model)
    reading = partial(beside_texts, text=text)
    found = read_cells(
        session, reading, batch_size=batch_size, desc="search", client=client, model=model
    )
    params = session.params(query=query, cl_id=term, key_added=key_added)
    Results(
        obs={keys.obs: found["cosine"][:, 0], keys.coverage: found["coverage"]},
        uns={keys.uns: {"params": params}},
    ).write(session.found, start=start)
    return session.data if copy else None


def read_query(query: str, *, ontology: CellOntology) -> tuple[str, tuple[str, ...]]:
    """Say a query in the words that cells are compared with.

    Parameters
    ----------
    query
        What the user wrote: words, or the id of a term.
    ontology
        Where it is looked up.

    Returns
    -------
    The id of the term it means, `""` for none, and its wordings.
    """
    from scmmgpt_tl.model.prompts import label_wordings

    query = query.strip()
    term = ontology.resolve(query)
    if term is None:
        return "", (query,)
    named = label_wordings(ontology.name(term), ontology.definition(term))
    own = () if query.upper().startswith(("CL:", "CL_")) else (query,)
    return term, tuple(dict.fromkeys((*own, named[-1])))


def _check(query: object) -> None:
    if not isinstance(query, str):
        msg = f"`query` must be a string, not {type(query).__name__}."
        raise TypeError(msg)
    if not query.strip():
        msg = "`query` is empty. Say what to look for, such as 'exhausted CD8 T cell'."
        raise ValueError(msg)
