"""Embedding cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanpy import logging as logg

from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import EmbeddingKeys
from scmmgpt_tl._results import Results

from ._chosen_model import load_any
from ._kernels import as_vectors
from ._on_files import takes_paths
from ._session import open_session
from ._workers.rows import read_cells

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from distributed import Client
    from mudata import MuData

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths


@takes_paths()
@doc_params(
    adata=ADATA_OR_PATH,
    key_added="""\
key_added
    Key under which the results are stored; by default `"X_scmm"`, and `"X_scgpt"` and the like for
    published encoders.""",
    model="""\
model
    Name or path of a model or of a published encoder, or either from
    :func:`scmmgpt_tl.load_model`. By default the model that ships with the package.""",
)
def embed(
    adata: AnnData | MuData | Paths,
    *,
    model: Model | EncoderModel | str | Path | None = None,
    key_added: str | None = None,
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    client: Client | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Embed cells into the space that the model shares with text, or by a published encoder.

    The embedding of a cell depends on that cell alone: not on the other cells, their order or the
    batch size. How well it keeps cell types apart and mixes batches, beside PCA, Harmony and scVI:
    :ref:`the benchmarks <embedding-benchmark>`.

    Parameters
    ----------
    {adata}
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

    `adata.obsm['X_scmm' | key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        One row per cell: unit vectors, but for published encoders that do without.
    `adata.obs['X_scmm_coverage' | key_added + '_coverage']` : :class:`pandas.Series` (dtype `float32`)
        Share of the cell's expression that the model could read; see :doc:`/user_guide/input`.
    `adata.uns['X_scmm' | key_added]` : :class:`dict`
        `params` of the call and `genes`, the report of the gene matching.

    Raises
    ------
    ValueError
        Values or genes are not what the model can read; the message says what was found.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.embed(adata)
    >>> adata.obsm["X_scmm"].dtype
    dtype('float32')

    See Also
    --------
    scanpy.pp.neighbors : takes the embedding by `use_rep="X_scmm"`.
    """
    loaded = load_any(model)
    keys = EmbeddingKeys(loaded.key if key_added is None else key_added)
    session = open_session(
        adata,
        model=loaded,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=copy,
        text=False,
    )
    start = logg.info(f"embedding {session.n_obs} cells")
    found = read_cells(
        session, as_vectors, batch_size=batch_size, desc="embed", client=client, model=model
    )
    record = {
        "params": session.params(key_added=keys.obsm),
        "genes": session.prepared.gene_report.summary(),
    }
    Results(
        obs={keys.coverage: found["coverage"]},
        obsm={keys.obsm: found["cell"]},
        uns={keys.uns: record},
    ).write(session.found, start=start)
    return session.data if copy else None
