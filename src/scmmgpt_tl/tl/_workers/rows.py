"""Cells of an AnnData, read here, or block by block on the workers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from anndata import AnnData
from scanpy import logging as logg
from tqdm.auto import tqdm

from scmmgpt_tl._input import Prepared
from scmmgpt_tl._matrix import get_matrix
from scmmgpt_tl._settings import settings
from scmmgpt_tl.tl._reading import run_covered

from .workers import turn, workers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distributed import Client
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.pp import CountReport, GeneReport
    from scmmgpt_tl.tl._session import Session

    from .workers import ModelName

    Kernel: TypeAlias = Callable[[Any, csr_matrix], dict[str, Any]]
    # From a model, wherever it was loaded, to what encodes batches and what is kept of each.
    Reading: TypeAlias = Callable[[Any], tuple[Any, Kernel]]

__all__ = ["read_cells"]


@dataclass(frozen=True)
class _Work:
    """A call of a tool, as it is told to a worker.

    Parameters
    ----------
    reading
        How its model reads cells.
    model
        Which model to load.
    agreed
        What all workers must have.
    count_report, gene_report, block_size
        Of the checked input.
    var
        Names of the genes, to tell of a bad value.
    batch_size
        Cells per pass.
    nan
        What missing values are.
    """

    reading: Reading
    model: ModelName
    agreed: Mapping[str, Any]
    count_report: CountReport
    gene_report: GeneReport
    block_size: int
    var: pd.DataFrame
    batch_size: int | None
    nan: str


def read_cells(
    session: Session,
    reading: Reading,
    *,
    batch_size: int | None,
    desc: str,
    client: Client | None,
    model: object,
) -> dict[str, NDArray[Any]]:
    """Send every cell through the model, each on its own.

    Parameters
    ----------
    session
        The call.
    reading
        How a model reads cells.
    batch_size
        Cells per pass.
    desc
        Title of the progress bar.
    client
        Connected with workers that read the blocks of a dask array; by default they are read here.
    model
        As the user named it.

    Returns
    -------
    The arrays that the reading keeps, over all cells, in order.

    Raises
    ------
    TypeError
        If the values are no dask array, and workers are to read them.
    """
    if client is None or not session.n_obs:
        reader, kernel = reading(session.loaded)
        return session.run(kernel, batch_size=batch_size, desc=desc, reader=reader)
    workers = workers_of(client, model)
    prepared = session.prepared
    matrix = get_matrix(session.adata, prepared.count_report.layer)
    if not hasattr(matrix, "dask"):
        msg = (
            f"`client` shares out the blocks of a dask array, but {prepared.count_report.slot} is a "
            f"{type(matrix).__name__}. Leave `client` out, or pass the path of the file."
        )
        raise TypeError(msg)
    work = _Work(
        reading,
        workers.model,
        workers.agree(session.loaded),
        # To a worker, a block of the layer is `X`.
        replace(prepared.count_report, layer=None),
        prepared.gene_report,
        prepared.block_size,
        session.adata.var[[]],
        settings.batch_size if batch_size is None else batch_size,
        settings.nan,
    )
    tasks = _tasks(matrix, session.adata.obs_names, work)
    found = _gathered(client, tasks, session.n_obs, desc=desc)
    logg.info(f"    read by {len(client.nthreads())} Dask workers")
    session.tell_empty(int((found["n_genes"] == 0).sum()))
    return found


def _tasks(matrix: Any, names: pd.Index, work: _Work) -> dict[int, Any]:
    """Work on each block of rows, by the first of them."""
    from dask import delayed

    whole = matrix.rechunk({1: matrix.shape[1]})
    stops = np.cumsum(whole.chunks[0])
    shared = delayed(work, traverse=False)
    read = delayed(_read_block)
    blocks = zip(stops - whole.chunks[0], stops, whole.to_delayed().ravel(), strict=True)
    return {
        int(start): read(block, names[start:stop], first=int(start), work=shared)
        for start, stop, block in blocks
        if start < stop
    }


def _gathered(
    client: Client, tasks: Mapping[int, Any], n_obs: int, *, desc: str
) -> dict[str, NDArray[Any]]:
    """Put together what the workers send, in whatever order it comes."""
    from distributed import as_completed

    found: dict[str, NDArray[Any]] = {}
    futures = client.compute(list(tasks.values()))
    starts = dict(zip((future.key for future in futures), tasks, strict=True))
    try:
        with tqdm(total=n_obs, desc=desc, unit="cell", disable=not settings.show_progress) as bar:
            for future in as_completed(futures, loop=client.loop):
                start, part = starts[future.key], future.result()
                future.release()
                for name, values in part.items():
                    if name not in found:
                        found[name] = np.empty((n_obs, *values.shape[1:]), dtype=values.dtype)
                    found[name][start : start + len(values)] = values
                bar.update(len(part["n_genes"]))
    finally:
        client.cancel(futures)
    return found


def _read_block(block: Any, names: pd.Index, *, first: int, work: _Work) -> dict[str, NDArray[Any]]:
    """Read a block of rows on a worker."""
    with turn(nan=work.nan):
        loaded = work.model.load(work.agreed)
        reader, kernel = work.reading(loaded)
        adata = AnnData(block, obs=pd.DataFrame(index=names), var=work.var)
        prepared = Prepared(
            adata, work.count_report, work.gene_report, work.block_size, range(len(names)), first
        )
        outputs, _ = run_covered(
            prepared, loaded, reader=reader, kernel=kernel, batch_size=work.batch_size
        )
    return outputs
