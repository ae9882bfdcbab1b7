"""All labelled cells of a run: small studies in memory, the others where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .census import open_census
from .files import StoredCounts, in_memory, open_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.train.config import RunConfig

    from .cells import Cells

MB = 1_000_000


def read_corpus(config: RunConfig, genes: GeneTable) -> tuple[Cells, ...]:
    """Return the cells that a run trains on, one entry a study.

    Parameters
    ----------
    config
        The run.
    genes
        Gene table of the model.
    """
    skip = config.without_types
    found = [open_cells(path, genes, without_types=skip) for path in config.cells]
    for entry in config.census:
        found += open_census(entry, genes, without_types=skip)
    left_out = (*config.exclude, *config.held_out_studies)
    found = [part for part in found if not part.study.startswith(left_out)]
    return hold_small([part for part in found if len(part.terms)], limit_mb=config.cells_in_memory)


def hold_small(cells: Sequence[Cells], *, limit_mb: int) -> tuple[Cells, ...]:
    """Read studies into memory, the smallest first, as long as all of them stay within a limit.

    Parameters
    ----------
    cells
        Of which those in files are read.
    limit_mb
        In megabytes, for all together.

    Raises
    ------
    ValueError
        If a study is too large for memory, and stored in a way that keeps it from being streamed.
    """
    stored = {i: c for i, p in enumerate(cells) if isinstance(c := p.counts, StoredCounts)}
    sizes = {i: counts.n_bytes for i, counts in stored.items()}
    held, room = set(), limit_mb * MB
    for i in sorted(sizes, key=sizes.__getitem__):
        room -= sizes[i]
        if room >= 0:
            held.add(i)
    for i in sizes.keys() - held:
        if stored[i].by_columns:
            msg = (
                f"`X` of {cells[i].source!r} is stored by columns (CSC) and takes {sizes[i] // MB} MB, "
                "so it can be neither streamed nor held in memory. Store it by rows (CSR), or raise "
                f"`cells_in_memory` ({limit_mb})."
            )
            raise ValueError(msg)
    return tuple(in_memory(part) if i in held else part for i, part in enumerate(cells))
