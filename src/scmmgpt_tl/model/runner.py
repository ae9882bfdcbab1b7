"""The inference loop: blocks of counts in, arrays over all cells out, whatever the memory."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import torch
from scipy.sparse import csr_matrix
from tqdm.auto import tqdm

from .blocks import read_ahead, rebatch
from .lanes import count_lanes, encode_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from .genes import GeneTable

    # Of what the model says of a batch: `CellStates`, or the `CellVectors` of an encoder.
    Kernel: TypeAlias = Callable[[Any, csr_matrix], Mapping[str, torch.Tensor | NDArray[Any]]]

log = logging.getLogger(__name__)

# torch has one class for CUDA; elsewhere only the words tell.
_MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


@dataclass(frozen=True)
class RunReport:
    """What a run took.

    Parameters
    ----------
    n_cells
        Number of cells.
    seconds
        Wall time, reading included.
    cells_per_second
        Their ratio.
    device, dtype
        Where and in what precision the network ran.
    batch_size
        Cells a batch at the end of the run: smaller than asked for where memory ran out.
    """

    n_cells: int
    seconds: float
    cells_per_second: float
    device: str
    dtype: str
    batch_size: int


class Encoder(Protocol):
    """What turns batches of counts into states."""

    @property
    def genes(self) -> GeneTable:
        """Columns of the counts."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    @property
    def dtype(self) -> torch.dtype:
        """In which precision."""

    @property
    def batch_sizes(self) -> Mapping[str, int]:
        """Cells a batch by default, by device."""

    @property
    def core_a_batch(self) -> bool:
        """Whether a core had better have a batch of its own than share one."""

    def encode_cells(self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None) -> Any:
        """Encode counts (cells, genes)."""


def map_cells(
    model: Encoder,
    blocks: Iterable[csr_matrix],
    kernel: Kernel,
    *,
    n_obs: int,
    measured: NDArray[np.bool_] | None = None,
    batch_size: int | None = None,
    progress: bool = False,
    desc: str = "",
) -> tuple[dict[str, NDArray[Any]], RunReport]:
    """Apply ``kernel`` to the states of all cells.

    Blocks are read by one thread ahead of the network and cut into batches of their own size, so
    that no result depends on how the file is stored. Small networks encode several batches at
    once, a core each; the kernel gets them in order, one at a time. Out of memory, a batch is halved and tried
    again; torch's threads and random state are left as they are.

    Parameters
    ----------
    model
        Encodes each batch.
    blocks
        Counts in the order of the cells, (rows, genes of the model) each.
    kernel
        Gets the states and the counts of a batch; returns named arrays with one row a cell.
    n_obs
        Number of cells in all blocks together.
    measured
        Which genes of the model the data set measured, (genes,); by default all of them.
    batch_size
        Cells a batch; by default what suits the device.
    progress
        Whether to show a bar.
    desc
        Text before the bar.

    Returns
    -------
    outputs
        The kernel's arrays over all cells, in order; half precision becomes float32.
    report
        What the run took.

    Raises
    ------
    ValueError
        If the blocks do not hold ``n_obs`` cells, or the kernel returns another number of rows.
    """
    start = perf_counter()
    batches = _Batches(model, kernel, batch_size, measured)
    outputs = _Outputs(n_obs)
    n_lanes = count_lanes(model) if n_obs > batches.size else 1
    with (
        closing(read_ahead(blocks)) as reader,
        closing(
            encode_ahead(model, rebatch(reader, batches.size), measured, n_lanes=n_lanes)
        ) as encoded,
        tqdm(total=n_obs, desc=desc, unit="cell", disable=not progress) as bar,
    ):
        for rows, states in encoded:
            for part in batches.run(rows, states):
                bar.update(outputs.add(part))
    if n_obs == 0:
        # A cell without counts shows the kernel's names, widths and types.
        outputs.shape_from(batches.alone(csr_matrix((1, len(model.genes)), dtype=np.float32)))
    seconds = perf_counter() - start
    report = RunReport(
        n_cells=n_obs,
        seconds=seconds,
        cells_per_second=n_obs / seconds,
        device=str(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
        batch_size=batches.size,
    )
    return outputs.finish(), report


class _Batches:
    """Runs the network on rows, in batches that shrink when memory runs out."""

    def __init__(
        self,
        model: Encoder,
        kernel: Kernel,
        batch_size: int | None,
        measured: NDArray[np.bool_] | None,
    ) -> None:
        self.model, self.kernel, self.measured = model, kernel, measured
        self.size = _batch_size(model) if batch_size is None else batch_size
        if self.size < 1:
            msg = f"`batch_size` must be at least 1, found {batch_size!r}."
            raise ValueError(msg)

    def run(self, rows: csr_matrix, states: Callable[[], Any]) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the results of a batch: of all of it, or of parts where memory runs out."""
        start = 0
        # Batches that were cut before another one ran out of memory are too large now.
        if rows.shape[0] <= self.size:
            part = self._attempt(lambda: self._judge(states(), rows), rows.shape[0])
            if part is not None:
                yield part
                return
        while start < rows.shape[0]:
            batch = rows[start : start + self.size]
            part = self._attempt(partial(self.alone, batch), batch.shape[0])
            if part is not None:
                start += batch.shape[0]
                yield part

    @torch.inference_mode()
    def alone(self, batch: csr_matrix) -> dict[str, NDArray[Any]]:
        """Encode a batch and return the kernel's arrays."""
        return self._judge(self.model.encode_cells(batch, self.measured), batch)

    @torch.inference_mode()
    def _judge(self, states: Any, batch: csr_matrix) -> dict[str, NDArray[Any]]:
        results = self.kernel(states, batch)
        arrays = {name: _to_numpy(values) for name, values in results.items()}
        wrong = {name: a.shape for name, a in arrays.items() if a.shape[:1] != batch.shape[:1]}
        if wrong:
            msg = f"The kernel got {batch.shape[0]} cells and returned arrays of shape {wrong}."
            raise ValueError(msg)
        return arrays

    def _attempt(
        self, work: Callable[[], dict[str, NDArray[Any]]], n_cells: int
    ) -> dict[str, NDArray[Any]] | None:
        """Return what the work gives, or shrink the batches where memory runs out."""
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if n_cells == 1:
                error.add_note(
                    f"One cell alone does not fit into the memory of {self.model.device}."
                )
                raise
        # Outside of the except block: the error's traceback would keep the tensors alive.
        self._halve(n_cells)
        return None

    def _halve(self, n_cells: int) -> None:
        self.size = n_cells // 2
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("Out of memory with %d cells a batch; going on with %d.", n_cells, self.size)


class _Outputs:
    """Arrays over all cells, filled from the front."""

    def __init__(self, n_obs: int) -> None:
        self.n_obs, self.filled = n_obs, 0
        self.arrays: dict[str, NDArray[Any]] = {}

    def shape_from(self, part: Mapping[str, NDArray[Any]]) -> None:
        for name, values in part.items():
            self.arrays[name] = np.empty((self.n_obs, *values.shape[1:]), dtype=values.dtype)

    def add(self, part: Mapping[str, NDArray[Any]]) -> int:
        if not self.arrays:
            self.shape_from(part)
        n_cells = len(next(iter(part.values()), ()))
        stop = self.filled + n_cells
        if stop > self.n_obs:
            self._refuse(f"{stop} or more")
        for name, values in part.items():
            self.arrays[name][self.filled : stop] = values
        self.filled = stop
        return n_cells

    def finish(self) -> dict[str, NDArray[Any]]:
        if self.filled != self.n_obs:
            self._refuse(str(self.filled))
        return self.arrays

    def _refuse(self, found: str) -> None:
        msg = f"The blocks hold {found} cells where `n_obs` is {self.n_obs}."
        raise ValueError(msg)


def _batch_size(model: Encoder) -> int:
    return model.batch_sizes.get(model.device.type, model.batch_sizes["cpu"])


def _to_numpy(values: torch.Tensor | NDArray[Any]) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    half = values.dtype in {torch.bfloat16, torch.float16}
    return (values.float() if half else values).cpu().numpy()


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(word in str(error) for word in _MEMORY_WORDS)
