from __future__ import annotations

import logging
import threading
from itertools import repeat
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.runner import map_cells

if TYPE_CHECKING:
    from scmmgpt_tl.model.scmmgpt import CellStates

N_GENES = 300


class Totals:
    """Kernel that sums counts, remembers how many cells came at once, and may run out of room."""

    def __init__(self, *, room: int = 10**9, error: BaseException | None = None) -> None:
        self.room, self.error, self.sizes = room, error, []

    def __call__(self, states: CellStates, rows: csr_matrix) -> dict[str, object]:
        self.sizes.append(rows.shape[0])
        if rows.shape[0] > self.room:
            raise self.error
        assert len(states.cell) == rows.shape[0]
        total = torch.from_numpy(np.asarray(rows.sum(axis=1)))
        return {"total": total[:, 0], "n_genes": np.diff(rows.indptr)}


def cells(n_obs: int) -> csr_matrix:
    rng = np.random.default_rng(0)
    return csr_matrix(rng.poisson(0.2, (n_obs, N_GENES)).astype(np.float32))


def blocks(rows: csr_matrix, *sizes: int) -> list[csr_matrix]:
    stops = np.cumsum(sizes)
    return [rows[stop - size : stop] for stop, size in zip(stops, sizes, strict=True)]


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 100, None])
@pytest.mark.parametrize("sizes", [(10,), (1,) * 10, (3, 0, 7), (0, 9, 1), (5, 5)])
def test_outputs_are_those_of_all_cells_in_order(tiny_model, batch_size, sizes):
    rows = cells(10)
    outputs, report = map_cells(
        tiny_model, blocks(rows, *sizes), Totals(), n_obs=10, batch_size=batch_size
    )
    np.testing.assert_array_equal(outputs["total"], rows.toarray().sum(1))
    np.testing.assert_array_equal(outputs["n_genes"], (rows.toarray() > 0).sum(1))
    assert report.n_cells == 10
    assert report.cells_per_second == pytest.approx(10 / report.seconds)
    assert (report.device, report.dtype) == ("cpu", "float32")


def test_batches_have_the_asked_size_whatever_the_blocks(tiny_model):
    kernel = Totals()
    parts = blocks(cells(23), 2, 11, 1, 9)
    _, report = map_cells(tiny_model, parts, kernel, n_obs=23, batch_size=5)
    assert kernel.sizes == [5, 5, 5, 5, 3]
    assert report.batch_size == 5


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"
        ),
    ],
    ids=["cuda", "python", "mps", "cublas", "cpu"],
)
def test_out_of_memory_halves_the_batch_and_goes_on(tiny_model, error, caplog):
    rows, kernel = cells(50), Totals(room=5, error=error)
    with caplog.at_level(logging.WARNING):
        outputs, report = map_cells(tiny_model, [rows], kernel, n_obs=50, batch_size=32)
    np.testing.assert_array_equal(outputs["total"], rows.toarray().sum(1))
    assert kernel.sizes[:4] == [32, 16, 8, 4]
    assert set(kernel.sizes[4:]) <= {4, 2}
    assert report.batch_size == 4
    assert [record.getMessage() for record in caplog.records] == [
        "Out of memory with 32 cells a batch; going on with 16.",
        "Out of memory with 16 cells a batch; going on with 8.",
        "Out of memory with 8 cells a batch; going on with 4.",
    ]


def test_one_cell_that_does_not_fit_is_an_error_that_says_so(tiny_model):
    kernel = Totals(room=0, error=MemoryError("no room"))
    with pytest.raises(MemoryError, match="no room") as caught:
        map_cells(tiny_model, [cells(4)], kernel, n_obs=4, batch_size=4)
    assert caught.value.__notes__ == ["One cell alone does not fit into the memory of cpu."]
    assert kernel.sizes == [4, 2, 1]


def test_other_errors_pass_at_once(tiny_model):
    kernel = Totals(room=0, error=RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        map_cells(tiny_model, [cells(4)], kernel, n_obs=4)
    assert kernel.sizes == [4]


@pytest.mark.parametrize("empty", [[], [csr_matrix((0, N_GENES), dtype=np.float32)]])
def test_no_cells_give_empty_arrays_of_the_right_shape(tiny_model, empty):
    def kernel(states: CellStates, rows: csr_matrix) -> dict[str, object]:
        return {"queries": states.queries, "count": np.zeros(rows.shape[0], np.int32)}

    outputs, report = map_cells(tiny_model, empty, kernel, n_obs=0)
    bridge = tiny_model.config.bridge
    assert outputs["queries"].shape == (0, bridge.n_queries, bridge.hidden)
    assert outputs["queries"].dtype == np.float32
    assert (outputs["count"].shape, outputs["count"].dtype) == ((0,), np.int32)
    assert report.n_cells == report.cells_per_second == 0


@pytest.mark.parametrize(
    ("n_obs", "message"),
    [(9, "hold 10 or more cells where `n_obs` is 9"), (11, "hold 10 cells where `n_obs` is 11")],
)
def test_another_number_of_cells_is_refused(tiny_model, n_obs, message):
    with pytest.raises(ValueError, match=message):
        map_cells(tiny_model, [cells(10)], Totals(), n_obs=n_obs)


def test_a_kernel_that_loses_cells_is_refused(tiny_model):
    with pytest.raises(ValueError, match=r"got 10 cells and returned .*'a': \(1,\)"):
        map_cells(tiny_model, [cells(10)], lambda *_: {"a": np.zeros(1)}, n_obs=10)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_hold_at_least_one_cell(tiny_model, batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        map_cells(tiny_model, [cells(2)], Totals(), n_obs=2, batch_size=batch_size)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, np.float32),
        (torch.float16, np.float32),
        (torch.float64, np.float64),
        (torch.int32, np.int32),
    ],
)
def test_dtypes_of_tensors(tiny_model, dtype, expected):
    outputs, _ = map_cells(
        tiny_model, [cells(3)], lambda states, _: {"a": states.cell.to(dtype)}, n_obs=3
    )
    assert outputs["a"].dtype == expected


def test_blocks_are_read_by_one_other_thread_and_errors_arrive(tiny_model):
    seen = set()

    def broken():
        for part in blocks(cells(6), 2, 2, 2):
            seen.add(threading.current_thread().name)
            yield part
        msg = "cell 'x' holds NaN"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="cell 'x' holds NaN"):
        map_cells(tiny_model, broken(), Totals(), n_obs=6, batch_size=2)
    assert len(seen) == 1
    assert seen != {threading.current_thread().name}
    assert not [thread for thread in threading.enumerate() if thread.name in seen]


def test_reader_stops_when_the_kernel_fails(tiny_model):
    kernel = Totals(room=0, error=RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        map_cells(tiny_model, repeat(cells(2)), kernel, n_obs=10, batch_size=2)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scmm")]


def test_torch_is_left_as_it_was(tiny_model):
    before = torch.get_num_threads(), torch.get_rng_state(), torch.is_grad_enabled()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    rows = csr_matrix(np.ones((4, len(tiny_model.genes)), np.float32))
    map_cells(tiny_model, [rows], lambda states, _: {"cell": states.cell}, n_obs=4)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.is_grad_enabled() == before[2]
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.fixture
def real_rows(tiny_model) -> csr_matrix:
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.3, 1.0, len(tiny_model.genes)), (33, len(tiny_model.genes)))
    counts[4] = 0
    return csr_matrix(counts.astype(np.float32))


def encode(model, rows, **options) -> dict[str, np.ndarray]:
    def kernel(states, _):
        return {
            "cell": states.cell,
            "queries": states.queries,
            "cosine": model.similarity(states.projected, model.label_embeddings),
        }

    return map_cells(model, [rows], kernel, n_obs=rows.shape[0], **options)[0]


@pytest.mark.parametrize("batch_size", [1, 2, 7, 33])
def test_network_outputs_do_not_depend_on_batch_size(tiny_model, real_rows, batch_size):
    whole = encode(tiny_model, real_rows, batch_size=100)
    parts = encode(tiny_model, real_rows, batch_size=batch_size)
    for name, expected in whole.items():
        np.testing.assert_allclose(parts[name], expected, atol=1e-5, err_msg=name)


def test_network_outputs_do_not_depend_on_the_order_of_cells(tiny_model, real_rows):
    order = np.random.default_rng(1).permutation(real_rows.shape[0])
    whole, shuffled = encode(tiny_model, real_rows), encode(tiny_model, real_rows[order])
    for name, expected in whole.items():
        np.testing.assert_allclose(shuffled[name], expected[order], atol=1e-5, err_msg=name)


def test_a_cell_without_counts_has_finite_states(tiny_model, real_rows):
    outputs = encode(tiny_model, real_rows)
    assert all(np.isfinite(values).all() for values in outputs.values())
    np.testing.assert_allclose(np.linalg.norm(outputs["cell"], axis=1), 1, atol=1e-5)


def test_no_cells_through_the_network(tiny_model, real_rows):
    outputs = encode(tiny_model, real_rows[:0])
    full = encode(tiny_model, real_rows)
    assert {name: a.shape[1:] for name, a in outputs.items()} == {
        name: a.shape[1:] for name, a in full.items()
    }
    assert all(len(values) == 0 for values in outputs.values())


def test_two_threads_get_right_answers(tiny_model, real_rows):
    expected = encode(tiny_model, real_rows, batch_size=5)["cell"]
    found = SimpleNamespace()

    def work(name: str) -> None:
        setattr(found, name, encode(tiny_model, real_rows, batch_size=3)["cell"])

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(found.a, expected, atol=1e-5)
    np.testing.assert_allclose(found.b, expected, atol=1e-5)


def test_progress_bar_counts_cells(tiny_model, capsys):
    map_cells(tiny_model, [cells(10)], Totals(), n_obs=10, progress=True, desc="Counting")
    assert "Counting: 100%" in (shown := capsys.readouterr().err)
    assert "10/10" in shown
    map_cells(tiny_model, [cells(10)], Totals(), n_obs=10)
    assert capsys.readouterr().err == ""
