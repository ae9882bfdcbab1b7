"""Workers for a command: of a cluster that runs, of this machine, or of SLURM's jobs."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scmmgpt_tl._settings import settings

from ._say import complain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from distributed import Client

# A machine that is busy answers late, which is no reason to give a worker up; but where none is left,
# nobody would start another one.
_PATIENT = {
    "distributed.comm.timeouts.connect": "5 minutes",
    "distributed.comm.timeouts.tcp": "5 minutes",
    "distributed.scheduler.no-workers-timeout": "5 minutes",
}


def add_cluster(parser: argparse._ActionsContainer) -> None:
    """Add whose workers do the work."""
    parser.add_argument(
        "--dask",
        metavar="WHERE",
        help='have Dask workers do the work: of the scheduler at this address, "local" for workers '
        'on this machine, "slurm" for jobs as your settings of dask-jobqueue describe them',
    )


def add_workers(parser: argparse._ActionsContainer) -> None:
    """Add how many workers to start."""
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="workers of `--dask local` (default: one a core, or one a GPU), jobs of `--dask slurm`",
    )


@contextmanager
def connected(where: str, n_workers: int | None) -> Iterator[Client]:
    """Connect with workers; those that were started for it end with the block.

    Parameters
    ----------
    where
        `"local"`, `"slurm"`, or the address of a scheduler.
    n_workers
        How many to start.

    Raises
    ------
    ImportError
        If Dask, or what starts such workers, is not installed.
    ValueError
        If the number of workers is none, or missing, or the cluster has workers already; or if
        there is no SLURM here.
    """
    client_of = _installed("distributed", "scmmgpt-tl[dask]").Client
    if n_workers is not None and n_workers < 1:
        msg = f"`--workers` must be at least 1, not {n_workers}."
        raise ValueError(msg)
    if where not in {"local", "slurm"}:
        if n_workers is not None:
            msg = f"The cluster at {where!r} has workers of its own. Leave `--workers` out."
            raise ValueError(msg)
        with client_of(where) as client:
            if not client.nthreads():
                complain(f"waiting for the first worker of {where!r}")
            yield client
        return
    start = _local if where == "local" else _slurm
    with start(n_workers) as cluster, client_of(cluster) as client:
        yield client


def _local(n_workers: int | None) -> Any:
    """Workers on this machine: a GPU each where there are any, a core each elsewhere."""
    import dask
    import torch
    from distributed import LocalCluster

    common = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with dask.config.set(_PATIENT):
        if settings.device in {None, "cuda"} and torch.cuda.is_available():
            # Without it all workers would share the first GPU.
            return _installed("dask_cuda", "dask-cuda").LocalCUDACluster(**common)
        # No limit of memory, as without Dask: what a worker needs does not grow with the file.
        return LocalCluster(**common, memory_limit=None)


def _slurm(n_workers: int | None) -> Any:
    """Workers in jobs of SLURM, as the settings of dask-jobqueue describe one."""
    cluster_of = _installed("dask_jobqueue", "dask-jobqueue").SLURMCluster
    if n_workers is None:
        msg = "`--dask slurm` needs `--workers N`: how many jobs to submit."
        raise ValueError(msg)
    if shutil.which("sbatch") is None:
        msg = "There is no `sbatch` here. Run this where jobs are submitted to SLURM."
        raise ValueError(msg)
    try:
        cluster = cluster_of()
    except ValueError as error:
        error.add_note(
            "Describe a job in ~/.config/dask/jobqueue.yaml, under `jobqueue: slurm:`, with `cores`, "
            "`memory` and `walltime` at least."
        )
        raise
    cluster.scale(jobs=n_workers)
    return cluster


def _installed(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        error.add_note(f"Please install `{package}` for this kind of `--dask`.")
        raise
