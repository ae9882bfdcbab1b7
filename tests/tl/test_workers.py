"""Workers have the model that the call is about, or say what they have instead."""

from __future__ import annotations

import sys

import pytest
import torch

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._workers.workers import turn, workers_of


def test_client_must_be_one(counts_adata, dask_client, tiny_model, monkeypatch):
    with pytest.raises(TypeError, match=r"`client` must be a `dask.distributed.Client`.*not str"):
        scmm.tl.embed(counts_adata, client="tcp://somewhere:8786")
    with pytest.raises(TypeError, match="pass `model` by its name or path, not as Model"):
        scmm.tl.embed(counts_adata, client=dask_client, model=tiny_model)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError) as error:
        scmm.tl.embed(counts_adata, client=dask_client)
    assert "`scmmgpt-tl[dask]`" in error.value.__notes__[0]


def test_asynchronous_client_is_refused(counts_adata):
    distributed = pytest.importorskip("distributed")

    async def call():
        cluster = distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address="127.0.0.1:0", asynchronous=True
        )
        more = {"asynchronous": True, "set_as_default": False}
        async with cluster, distributed.Client(cluster, **more) as client:
            with pytest.raises(
                TypeError, match="that is not asynchronous, not an asynchronous one"
            ):
                scmm.tl.embed(counts_adata, client=client)

    import asyncio

    asyncio.run(call())


def test_model_is_found_from_any_folder(dask_client, tiny_bundle, monkeypatch):
    assert workers_of(dask_client, None).model.name == "default"
    monkeypatch.chdir(tiny_bundle.parent)
    assert workers_of(dask_client, "tiny").model.name == str(tiny_bundle)
    assert workers_of(dask_client, "owner/name").model.name == "owner/name"


def test_settings_go_with_the_work(dask_client, tiny_bundle):
    with scmm.settings.override(device="cpu", dtype="bfloat16"):
        workers = workers_of(dask_client, tiny_bundle)
    assert workers.model[1:] == ("cpu", "bfloat16")
    own = scmm.load_model(tiny_bundle, device="cpu")
    assert workers.agree(own)["dtype"] == "torch.bfloat16"


def test_workers_with_another_model_are_refused(dask_client, tiny_bundle, default_model):
    workers = workers_of(dask_client, tiny_bundle)
    with pytest.raises(ValueError, match=r"The workers would read .* by another model: `model` is"):
        workers.agree(default_model)
    own = scmm.load_model(tiny_bundle, device="cpu")
    agreed = {**workers.agree(own), "dtype": "torch.float16"}
    with pytest.raises(ValueError, match=r"The worker inproc.*`dtype` is 'torch.float32', not"):
        dask_client.submit(workers.model.load, agreed, pure=False).result()


def test_model_is_loaded_once_a_process(dask_client, tiny_bundle):
    workers = workers_of(dask_client, tiny_bundle)
    model, agreed = workers.model, workers.agree(scmm.load_model(tiny_bundle, device="cpu"))

    def which(_: int) -> int:
        return id(model.load(agreed))

    assert len(set(dask_client.gather(dask_client.map(which, range(4), pure=False)))) == 1


def test_one_task_a_process_has_all_its_cores_and_leaves_them_as_they_were():
    distributed = pytest.importorskip("distributed")

    def threads() -> tuple[int, int, int]:
        torch.set_num_threads(1)
        with turn():
            inside = torch.get_num_threads()
        return inside, torch.get_num_threads(), distributed.get_worker().state.nthreads

    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=3, processes=False, dashboard_address="127.0.0.1:0"
    )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        assert client.submit(threads).result() == (3, 1, 3)
