"""Shifts that a perturbation model learned, for the user's cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmmgpt_tl._results import column_names
from scmmgpt_tl._warnings import warn
from scmmgpt_tl.model.perturbation import PERTURBATION, Check, PerturbationModel, Prediction
from scmmgpt_tl.tl._chosen_model import load

from .changes import Changes, describe_rows
from .perturbations import parts_of, perturbation_features
from .pseudobulk import read_pseudobulk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.tl._groups import Groups
    from scmmgpt_tl.tl._session import Session

__all__ = ["learned_shifts", "open_learned"]

# What was done at once and measured one by one only.
SUM = "sum of parts"


def open_learned(
    model: PerturbationModel | Model | str | Path | None,
) -> tuple[PerturbationModel | None, Model | str | Path | None]:
    """Tell what was learned from what reads cells.

    Parameters
    ----------
    model
        What the user passed: either of them, or where either was saved.

    Returns
    -------
    What was learned, `None` if nothing, and the model.
    """
    from scmmgpt_tl.model.perturbation_file import is_perturbation

    if isinstance(model, str | Path) and is_perturbation(model):
        model = PerturbationModel.load(model, load(None))
    if isinstance(model, PerturbationModel):
        return model, model.base
    return None, model


def learned_shifts(
    session: Session,
    asked: Mapping[str, tuple[str, ...]],
    groups: Groups,
    *,
    learned: PerturbationModel,
    batch_size: int | None,
) -> Changes:
    """Predict with what was learned.

    Parameters
    ----------
    session
        The call.
    asked
        Parts of each perturbation.
    groups
        Groups of the cells.
    learned
        What was learned.
    batch_size
        Cells per pass.

    Raises
    ------
    ValueError
        There is no unperturbed cell in a group, no gene is shared, or what is asked for is no gene
        where the experiment was weighed by genes.
    """
    shared = _shared_genes(session, learned)
    codes = np.where(_is_control(session, learned), groups.codes, -1)
    symbols = session.model.genes.by_symbol
    places = np.array([symbols[learned.genes[i]] for i in shared], dtype=np.intp)
    means = read_pseudobulk(session, codes, len(groups.names), genes=places, batch_size=batch_size)
    if empty := [name for name, n in zip(groups.names, means.n_cells, strict=True) if not n]:
        msg = (
            f"The group {empty[0]!r} has no unperturbed cells with counts to start from. Leave its "
            "cells out, or choose other groups by `groupby`."
        )
        raise ValueError(msg)
    known = learned.over(shared)
    features = {"expression": means.expression, "embedding": means.cells}
    found = [
        _predict(parts, groups.names, features=features, learned=known) for parts in asked.values()
    ]
    control = np.tile(means.expression, (len(asked), 1))
    # Less than nothing cannot be expressed.
    shift = np.maximum(np.concatenate([one.shift for one in found]), -control)
    basis = [name for one in found for name in one.basis]
    rows = describe_rows(
        list(asked),
        groups.names,
        n_cells=means.n_cells,
        basis=basis,
        expected=[learned.expected(name) for name in basis],
    )
    return Changes(
        names=known.genes,
        rows=rows,
        control=control,
        shift=shift,
        group_weights=_frame([one.groups for one in found], learned.groups, rows),
        perturbation_weights=_frame(
            [one.perturbations for one in found], learned.perturbations, rows
        ),
        tables={"checks": pd.DataFrame(learned.checks, columns=list(Check._fields))},
    )


def _predict(
    parts: tuple[str, ...],
    groups: Sequence[str],
    *,
    features: Mapping[str, NDArray[np.float64]],
    learned: PerturbationModel,
) -> Prediction:
    """Predict what was done at once as it was measured, else as the sum of its parts."""
    measured = {frozenset(parts_of(name)): name for name in learned.perturbations}
    name = measured.get(frozenset(parts))
    if name is not None or len(parts) == 1:
        return _predict_one(name or parts[0], groups, features=features, learned=learned)
    each = [_predict((part,), groups, features=features, learned=learned) for part in parts]
    return Prediction(
        sum((one.shift for one in each), np.zeros(())),
        each[0].groups,
        sum((one.perturbations for one in each), np.zeros(())),
        (SUM,) * len(groups),
    )


def _predict_one(
    name: str,
    groups: Sequence[str],
    *,
    features: Mapping[str, NDArray[np.float64]],
    learned: PerturbationModel,
) -> Prediction:
    of_name = {}
    kind = learned.rules[PERTURBATION].features
    if name not in learned.perturbations:
        of_name = perturbation_features([parts_of(name)], learned.base)
        if kind and kind not in of_name:
            msg = (
                f"{name!r} is no gene that {learned.base.name} knows, and the experiment was of "
                "genes. Name a gene, or one of what was done: "
                f"{', '.join(learned.perturbations[:8])}."
            )
            raise ValueError(msg)
    return learned.predict(name, of_name, groups, features)


def _is_control(session: Session, learned: PerturbationModel) -> NDArray[np.bool_]:
    """Cells that nothing was done to: all, where the data set does not tell."""
    obs = session.adata.obs
    if learned.perturbation_key not in obs:
        return np.ones(session.n_obs, dtype=bool)
    control: NDArray[np.bool_] = (
        obs[learned.perturbation_key].astype(str) == learned.control_label
    ).to_numpy()
    return control


def _shared_genes(session: Session, learned: PerturbationModel) -> NDArray[np.intp]:
    symbols, measured = session.model.genes.by_symbol, session.measured
    shared = np.array([i for i, name in enumerate(learned.genes) if measured[symbols[name]]])
    if not shared.size:
        msg = (
            "`adata` shares no gene with the experiment that `model` learned from, such as "
            f"{', '.join(learned.genes[:5])}."
        )
        raise ValueError(msg)
    if shared.size < len(learned.genes):
        warn(
            f"`adata` measured {shared.size} of the {len(learned.genes)} genes of the experiment; "
            "only these are predicted."
        )
    return shared


def _frame(
    weights: Sequence[NDArray[np.float64]], names: Sequence[str], rows: pd.DataFrame
) -> pd.DataFrame:
    return pd.DataFrame(np.concatenate(weights), index=rows.index, columns=column_names(names))
