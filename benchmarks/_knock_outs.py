"""What genes taken out of the counts have to do with cells that really lost them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from _held_out import Experiment
    from numpy.typing import NDArray


def compare_knock_outs(experiment: Experiment) -> list[dict[str, object]]:
    """Correlate shifts of the label scores by `tl.perturb` with those of cells with knock-outs.

    A lost gene is often missing from the counts of cells that lost it, so that to take it out of
    control cells must look like them. With the transcript hidden, from cells with knock-outs and
    from control cells alike, what remains is what else the knock-out did.

    Parameters
    ----------
    experiment
        Knock-outs in one group of cells.
    """
    names, symbols = experiment.compared.names, experiment.symbols
    place = {symbol: i for i, symbol in enumerate(symbols)}
    tested = [i for i, name in enumerate(names) if name in place]
    changed, rest = {}, {}
    control = AnnData(experiment.counts[experiment.is_control].astype(np.float32))
    control.var_names = symbols
    real = _real_shifts(experiment, tested, hidden=None)
    for i in tested:
        found = scmm.tl.perturb(control, names[i], model=experiment.model, counts="raw")
        changed[i] = found.layers["shift"][0]
        rest[i] = _real_shifts(experiment, tested, hidden=place[names[i]])
        print(
            f"{names[i]:12} taken out: r {np.corrcoef(changed[i], real[i])[0, 1]:.3f}", flush=True
        )
    rows = []
    for i in tested:
        with_all, with_rest = (
            {j: float(np.corrcoef(changed[i], shifts[j])[0, 1]) for j in tested}
            for shifts in (real, rest[i])
        )
        rows.append(
            {
                "gene": names[i],
                "own": with_all.pop(i),
                "others": np.mean(list(with_all.values())),
                "own_rest": with_rest.pop(i),
                "others_rest": np.mean(list(with_rest.values())),
            }
        )
    return rows


def _real_shifts(
    experiment: Experiment, tested: list[int], *, hidden: int | None
) -> dict[int, NDArray[np.float64]]:
    """Mean label scores of cells with each knock-out, less those of control cells."""
    rows = np.flatnonzero(experiment.is_control | np.isin(experiment.done, tested))
    counts = experiment.counts[rows].astype(np.float32).tolil()
    if hidden is not None:
        counts[:, hidden] = 0
    adata = AnnData(counts.tocsr())
    adata.var_names = experiment.symbols
    scmm.tl.annotate(adata, model=experiment.model, counts="raw")
    scores = adata.obsm["scmm_cell_type_scores"].to_numpy(dtype=np.float64)
    before = scores[experiment.is_control[rows]].mean(0)
    return {i: scores[experiment.done[rows] == i].mean(0) - before for i in tested}
