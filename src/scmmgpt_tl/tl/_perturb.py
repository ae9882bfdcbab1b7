"""Predicting what a perturbation changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd
from anndata import AnnData
from scanpy import logging as logg

from scmmgpt_tl._docs import doc_params
from scmmgpt_tl._keys import PerturbationKeys
from scmmgpt_tl._results import Results

from ._groups import all_cells, read_groups
from ._on_files import makes_of_paths
from ._perturbation.in_silico import change_genes
from ._perturbation.learned_shifts import learned_shifts, open_learned
from ._perturbation.perturbations import read_perturbations
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mudata import MuData

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.perturbation import PerturbationModel
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths
    from ._perturbation.changes import Changes

Direction = Literal["knock-out", "over-expression"]


@makes_of_paths
@doc_params(
    model="""\
model
    What :func:`scmmgpt_tl.train.perturbation` learned from an experiment, or the folder where it was
    saved. A model of cells and texts instead, or `None` for the one that ships, changes genes in the
    cells and says how the scores of labels follow."""
)
def perturb(
    adata: AnnData | MuData | Paths,
    what: str | Sequence[str] | Mapping[str, str | Sequence[str]],
    groupby: str | None = None,
    *,
    model: PerturbationModel | Model | str | Path | None = None,
    direction: Direction = "knock-out",
    labels: Sequence[str] | Mapping[str, str] | None = None,
    key_added: str = "scmm_perturb",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
) -> AnnData:
    """Predict what a perturbation changes in each group of cells.

    With a `model` that has learned from an experiment, the result is expression: the mean of each
    group's control cells, and the shift that the perturbation adds. What the experiment measured is
    given as measured; other groups and other perturbations as a weighted mean of what it measured.
    `obs["expected_r"]` says how well such predictions were when they could be checked, beside
    `obs["expected_r_mean_shift"]`, what the plain mean shift would have done: mind both.

    Without, a gene is changed in the counts of the cells, and the result is how the scores of
    labels follow. That says what the gene's own transcript means to the model, and no more: on
    cells with real knock-outs it is no better than chance at what else changes, which a warning
    repeats; see :ref:`the benchmarks <perturbation-benchmark>`. Words need an experiment.

    Parameters
    ----------
    adata
        Unperturbed cells x genes, with raw counts (see `counts`); only read. A path of a file in its
        place is read in parts, and of a list of paths a list of objects is returned.
        Where `.obs` has the column that the model learned from, its control cells alone count.
    what
        A gene such as `"KLF1"`, words such as `"interferon beta"`, a list of them for all at once,
        or a dict of names with one of these each; `"A+B"` is `["A", "B"]`.
        All at once, if not measured, is taken as the sum of each alone.
    groupby
        Column of `.obs` with the groups to predict for.
        By default that of the model, and all cells as one group where it has none.
    {model}
    direction
        Without an experiment, what is done to genes: `"knock-out"` takes their counts away,
        `"over-expression"` raises them to the highest count of the cell.
    labels
        Without an experiment, labels to score, as in :func:`annotate`.
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {batch_size}

    Returns
    -------
    A new object with one row for each perturbation and group, over the genes of the experiment, or
    over labels:

    `adata.X` : :class:`numpy.ndarray` (dtype `float32`)
        Predicted mean expression, log1p of counts per ten thousand; or mean scores of labels.
    `adata.layers['control']`, `adata.layers['shift']` : :class:`numpy.ndarray` (dtype `float32`)
        The same of the unperturbed cells, and the difference.
    `adata.obs` : :class:`pandas.DataFrame`
        `perturbation`, `group`, `n_cells` (control cells), and `basis`: `"measured"`,
        `"other groups"`, `"other perturbations"`, `"other groups and perturbations"`, with
        `"sum of "` before where several at once were added up, or `"in silico"`; `expected_r` and
        `expected_r_mean_shift`, missing where nothing could be held out.
    `adata.obsm['scmm_perturb_groups' | key_added + '_groups']` : :class:`pandas.DataFrame` (dtype `float32`)
        With an experiment, how much each of its groups weighs.
    `adata.obsm['scmm_perturb_perturbations' | key_added + '_perturbations']` : :class:`pandas.DataFrame` (dtype `float32`)
        With an experiment, how much each of its perturbations weighs.
    `adata.uns['scmm_perturb' | key_added]` : :class:`dict`
        `params` of the call; with an experiment `checks`, a frame with a row for each group and
        perturbation that was held out.

    Raises
    ------
    TypeError
        `what` holds something other than strings.
    ValueError
        A gene is not known or not measured, words are given without an experiment, or the column,
        values or genes cannot be used.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:60].copy()
    >>> adata.obs["done"] = ["control", "nothing in particular"] * 30
    >>> learned = scmm.train.perturbation(adata, "done", "control")
    >>> predicted = scmm.tl.perturb(adata, "nothing in particular", model=learned)
    >>> predicted.obs["basis"].tolist()
    ['measured']

    See Also
    --------
    scmmgpt_tl.train.perturbation : learns from an experiment.
    scmmgpt_tl.get.perturbation_df : the result as one frame.
    """
    keys = PerturbationKeys(key_added)
    asked = read_perturbations(what)
    learned, base = open_learned(model)
    _check_direction(direction)
    session = open_session(
        adata,
        model=base,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=False,
    )
    if learned is not None and groupby is None:
        groupby = learned.groupby
    groups = all_cells(session.n_obs)
    if groupby is not None:
        groups = read_groups(session.adata.obs, groupby)
    start = logg.info(f"predicting {len(asked)} perturbations in {len(groups.names)} groups")
    if learned is None:
        found = change_genes(
            session, asked, groups, direction=direction, labels=labels, batch_size=batch_size
        )
    else:
        found = learned_shifts(session, asked, groups, learned=learned, batch_size=batch_size)
    params = session.params(
        what={name: list(parts) for name, parts in asked.items()},
        groupby=groupby,
        direction=direction if learned is None else None,
        key_added=key_added,
    )
    made = _lay_out(found)
    results = {keys.groups: found.group_weights, keys.perturbations: found.perturbation_weights}
    Results(
        obsm={key: frame for key, frame in results.items() if frame is not None},
        uns={keys.uns: {"params": params, **found.tables}},
    ).write(made, start=start)
    return made


def _lay_out(found: Changes) -> AnnData:
    predicted = (found.control + found.shift).astype("float32")
    layers = {"control": found.control.astype("float32"), "shift": found.shift.astype("float32")}
    return AnnData(
        predicted,
        obs=found.rows,
        var=pd.DataFrame(index=pd.Index(found.names, dtype=object)),
        layers=layers,
    )


def _check_direction(direction: str) -> None:
    if direction not in {"knock-out", "over-expression"}:
        msg = f"`direction` must be 'knock-out' or 'over-expression', not {direction!r}."
        raise ValueError(msg)
