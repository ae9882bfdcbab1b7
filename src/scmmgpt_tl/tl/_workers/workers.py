"""The workers of a Dask cluster: which model they load, and how they use their cores."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from scmmgpt_tl._settings import settings
from scmmgpt_tl.tl._chosen_model import model_described, model_params

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from distributed import Client

    from scmmgpt_tl.model import EncoderModel, Model

__all__ = ["TURN", "ModelName", "Workers", "address", "turn", "workers_of"]

# Held while a process of a worker computes: one file and all cores for one task.
TURN = Lock()


class ModelName(NamedTuple):
    """Which model to load, on whatever machine.

    Parameters
    ----------
    name
        As :func:`scmmgpt_tl.load_model` takes it; a path is absolute.
    device, dtype
        As there; `None` for what each worker has set, or suits it.
    """

    name: str
    device: str | None
    dtype: str | None

    def load(self, agreed: Mapping[str, Any]) -> Model | EncoderModel:
        """Load the model, once in a process, and check that it is the one of the other workers.

        Parameters
        ----------
        agreed
            What :meth:`Workers.agree` gave.

        Raises
        ------
        ValueError
            If this worker has another model, package or precision.
        """
        # What was agreed is part of the key: a model that was replaced on disk is read anew.
        return _load(self, tuple(agreed.items()))


class Workers(NamedTuple):
    """Who reads the cells.

    Parameters
    ----------
    client
        Connected with their scheduler.
    model
        By which model.
    """

    client: Client
    model: ModelName

    def agree(self, own: Model | EncoderModel) -> dict[str, Any]:
        """Ask one of the workers what all must have: the model, the package and the precision.

        Parameters
        ----------
        own
            The model as it was loaded here, maybe on another device.

        Raises
        ------
        ValueError
            If the worker has another model, or another version of the package.
        """
        theirs: dict[str, Any] = self.client.submit(_describe, self.model, pure=False).result()
        here = model_params(own)
        _check_same({name: theirs[name] for name in here}, here, who="The workers")
        return theirs


def workers_of(client: Client, model: object) -> Workers:
    """Check what the user passed as `client` and `model`.

    Parameters
    ----------
    client
        What the user passed.
    model
        What the user passed; a model itself would have to travel to every worker.

    Raises
    ------
    ImportError
        If Dask's workers are not installed.
    TypeError
        If `client` is no client that waits for its workers, or `model` no name.
    """
    try:
        from distributed import Client
    except ImportError as error:
        error.add_note("Please install `scmmgpt-tl[dask]` to share work among the workers of Dask.")
        raise
    if not isinstance(client, Client) or client.asynchronous:
        found = "an asynchronous one" if isinstance(client, Client) else type(client).__name__
        msg = f"`client` must be a `dask.distributed.Client` that is not asynchronous, not {found}."
        raise TypeError(msg)
    if model is not None and not isinstance(model, str | Path):
        msg = (
            f"With `client`, every worker loads the model itself: pass `model` by its name or path, "
            f"not as {type(model).__name__}."
        )
        raise TypeError(msg)
    return Workers(client, ModelName(_anywhere(model), settings.device, settings.dtype))


@contextmanager
def turn(*, nan: str = "error") -> Iterator[None]:
    """Wait until this process does no other work of ours, and take all cores that Dask gave to it.

    Warnings are not shown: whoever gave the work has seen them.

    Parameters
    ----------
    nan
        What missing values are, as whoever gave the work has set it.
    """
    import torch
    from distributed import get_worker

    with TURN, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, nan_before = torch.get_num_threads(), settings.nan
        settings.nan = nan
        # Dask starts workers with one thread for torch, however many tasks they run at once.
        torch.set_num_threads(max(before, get_worker().state.nthreads))
        try:
            yield
        finally:
            torch.set_num_threads(before)
            settings.nan = nan_before


def address() -> str:
    """Where the worker that this runs on is reached."""
    from distributed import get_worker

    return str(get_worker().address)


def _anywhere(model: str | Path | None) -> str:
    """Name of a model that does not depend on the folder a process works in."""
    if model is None or model == "default":
        return "default"
    path = Path(model).expanduser()
    return str(path.absolute()) if path.exists() else os.fspath(model)


def _describe(name: ModelName) -> dict[str, Any]:
    with turn():
        return model_described(_loaded(name))


@lru_cache(maxsize=1)
def _load(name: ModelName, agreed: tuple[tuple[str, Any], ...]) -> Model | EncoderModel:
    model = _loaded(name)
    _check_same(model_described(model), dict(agreed), who=f"The worker {address()}")
    return model


def _loaded(name: ModelName) -> Model | EncoderModel:
    import scmmgpt_tl as scmm

    return scmm.load_model(name.name, device=name.device, dtype=name.dtype)


def _check_same(found: Mapping[str, Any], wanted: Mapping[str, Any], *, who: str) -> None:
    for name, value in wanted.items():
        if found[name] != value:
            msg = (
                f"{who} would read the cells by another model: `{name}` is {found[name]!r}, not "
                f"{value!r}. Install the same package and model everywhere, and set "
                "`scmm.settings.dtype` where devices differ."
            )
            raise ValueError(msg)
