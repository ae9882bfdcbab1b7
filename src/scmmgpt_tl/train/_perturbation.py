"""What perturbations do, learned from the user's own data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scanpy import logging as logg

from scmmgpt_tl.model.perturbation import GROUP, PERTURBATION, Check, PerturbationModel
from scmmgpt_tl.model.shifts import complete
from scmmgpt_tl.tl._groups import all_cells, read_groups
from scmmgpt_tl.tl._perturbation.perturbations import parts_of, perturbation_features
from scmmgpt_tl.tl._perturbation.pseudobulk import read_pseudobulk
from scmmgpt_tl.tl._session import open_session

from .compare import compare, split_control
from .held_out_shifts import choose_rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked
    from scmmgpt_tl.tl._groups import Groups

    from .compare import Compared
    from .held_out_shifts import Scores

__all__ = ["perturbation"]


def perturbation(
    adata: AnnData | MuData,
    perturbation_key: str,
    control: str,
    *,
    groupby: str | None = None,
    min_cells: int = 10,
    model: Model | str | Path | None = None,
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
) -> PerturbationModel:
    r"""Learn from a Perturb-seq or stimulation experiment what perturbations change.

    The shift of a perturbation in a group of cells is the mean expression of its cells less that of
    the control cells there. For a group or a perturbation that was not measured it is a mean of
    those that were, weighted by a ridge regression on what is alike: groups by the expression or by
    the embedding of their control cells, perturbations by their names as the model reads them or by
    its vectors of their genes. Which of these, and how strong the ridge, is chosen by holding out
    each group, and each perturbation, in turn; where nothing is better than the mean shift, it is
    the mean shift.

    Whether that is of use depends on the data: `checks` of the result says how well what was held
    out was predicted, beside the mean shift. :doc:`The benchmarks </benchmarks>` show a case where
    it helps much (other cell types) and one where it does not (other genes).

    Parameters
    ----------
    adata
        Perturbed and control cells, with raw counts; only read.
    perturbation_key
        Column of `.obs` that says what was done to a cell: a gene, words, or several of them joined
        by `"+"`. Cells without a value are left out.
    control
        Its value for control cells.
    groupby
        Column of `.obs` with the groups, such as cell types, within which perturbed cells are
        compared with control cells; by default all cells are one group.
    min_cells
        Fewest cells, perturbed and control, behind a shift; others are left out.
    model
        Name or folder of a model, or a model; by default the one that ships.
    layer, counts, gene_symbols, species, mod, batch_size
        As in :func:`scmmgpt_tl.tl.annotate`.

    Returns
    -------
    A model for `model=` of :func:`scmmgpt_tl.tl.perturb`, with a `save` of its own.

    Raises
    ------
    ValueError
        A column or the control cells are missing, no perturbation has enough cells, or the input
        does not fit the model.

    Notes
    -----
    With shifts :math:`\Delta_{qd}` of perturbations :math:`q` in groups :math:`d`,

    .. math:: \hat\Delta_{pc} = \sum_{qd} \alpha_q(p) \, \beta_d(c) \, \Delta_{qd} ,

    where :math:`\alpha` and :math:`\beta` are the weights of the ridge regressions, which add up to
    1. What is measured is taken as it is.

    Shifts of several perturbations from the same control cells resemble each other by what is
    chance in these cells, which makes any prediction look good. Where perturbations are held out,
    they are therefore predicted from one half of the control cells and compared with the other.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:60].copy()
    >>> adata.obs["done"] = ["control", "nothing in particular"] * 30
    >>> fitted = scmm.train.perturbation(adata, "done", "control")
    >>> fitted.perturbations, fitted.groups
    (('nothing in particular',), ('all',))

    See Also
    --------
    scmmgpt_tl.tl.perturb : predicts with it.
    """
    session = open_session(
        adata,
        model=model,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=False,
    )
    base = session.model
    done = read_done(session.adata.obs, perturbation_key, control)
    groups = all_cells(session.n_obs)
    if groupby is not None:
        groups = read_groups(session.adata.obs, groupby)
    start = logg.info(f"learning what {len(done.names) - 1} perturbations change")
    genes = np.flatnonzero(session.measured)
    n_groups, last = len(groups.names), len(done.names)
    codes = split_control(done.codes, groups.codes, control=done.names.index(control), last=last)
    both = np.where((codes < 0) | (groups.codes < 0), -1, codes * n_groups + groups.codes)
    means = read_pseudobulk(
        session, both, (last + 1) * n_groups, genes=genes, batch_size=batch_size
    )
    found = compare(means, done.names, groups.names, control=control, min_cells=min_cells)
    fitted = fit(found, base, genes=genes, columns=(perturbation_key, control, groupby))
    logg.info("    finished", time=start, deep=f"    {fitted.rules}")
    return fitted


def fit(
    found: Compared,
    base: Model,
    *,
    genes: NDArray[np.intp],
    columns: tuple[str, str, str | None],
) -> PerturbationModel:
    """Choose how to weigh what was measured, and fill in what was not.

    Parameters
    ----------
    found
        What was measured.
    base
        The model.
    genes
        Which of its genes.
    columns
        `perturbation_key`, `control` and `groupby`.
    """
    of_groups = {"expression": found.control, "embedding": found.cells}
    of_perturbations = perturbation_features([parts_of(name) for name in found.names], base)
    there = found.n_cells > 0
    by_group, *of_held_groups = choose_rule(found.shifts.swapaxes(0, 1), there.T, of_groups)
    by_perturbation, *of_held = choose_rule(
        found.from_half(0), there, of_perturbations, truth=found.from_half(1)
    )
    return PerturbationModel(
        base,
        *columns,
        perturbations=found.names,
        groups=found.groups,
        genes=tuple(base.genes.symbols[i] for i in genes),
        control=found.control.astype(np.float32),
        shifts=complete(found.shifts, there, by_group, of_groups).astype(np.float32),
        n_cells=found.n_cells,
        group_features=_as_stored(of_groups),
        perturbation_features=_as_stored(of_perturbations),
        rules={GROUP: by_group, PERTURBATION: by_perturbation},
        checks=(
            *_checks(GROUP, found.groups, *of_held_groups),
            *_checks(PERTURBATION, found.names, *of_held),
        ),
    )


def read_done(obs: pd.DataFrame, key: str, control: str) -> Groups:
    """Read what was done to each cell.

    Parameters
    ----------
    obs
        Table of the cells.
    key
        Its column.
    control
        Value of the control cells.

    Raises
    ------
    ValueError
        There is no such column, no control cell, or nothing else.
    """
    done = read_groups(obs, key, argument="perturbation_key")
    if control not in done.names:
        msg = (
            f".obs[{key!r}] has no {control!r}. Choose `control` from {', '.join(done.names[:8])}."
        )
        raise ValueError(msg)
    if len(done.names) < 2:
        msg = f".obs[{key!r}] holds control cells only: nothing was done to any."
        raise ValueError(msg)
    return done


def _checks(
    question: str, names: Sequence[str], chosen: Scores, mean_shift: Scores
) -> Iterator[Check]:
    columns = chosen.r, mean_shift.r, chosen.error, mean_shift.error
    for name, *values in zip(names, *columns, strict=True):
        if np.isfinite(values).all():
            yield Check(question, name, *map(float, values))


def _as_stored(features: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.float32]]:
    return {kind: values.astype(np.float32) for kind, values in features.items()}
