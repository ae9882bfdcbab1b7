"""What a data set taught of perturbations, as users hold it and as it lies on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .shifts import one_hot, weigh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from .model import Model
    from .shifts import Rule

__all__ = ["Check", "PerturbationModel", "Prediction"]

GROUP, PERTURBATION = "group", "perturbation"
MEASURED, OTHER_GROUPS = "measured", "other groups"
OTHER_PERTURBATIONS, OTHER_BOTH = "other perturbations", "other groups and perturbations"


class Check(NamedTuple):
    """How well what was held out was predicted from the rest.

    Parameters
    ----------
    question
        What was held out: `"group"` or `"perturbation"`.
    held_out
        Its name.
    r, r_mean_shift
        Pearson correlation of predicted and measured shifts, the mean over what was held out, by
        the rule that was chosen and by the mean shift.
    error, error_mean_shift
        The same of the mean square over genes of their difference.
    """

    question: str
    held_out: str
    r: float
    r_mean_shift: float
    error: float
    error_mean_shift: float


class Prediction(NamedTuple):
    """Shifts of one perturbation in some groups.

    Parameters
    ----------
    shift
        (groups, genes), in log1p of counts per ten thousand.
    groups, perturbations
        Weights of what was measured, (groups, known groups) and (groups, known perturbations).
    basis
        What each shift was taken from, (groups,).
    """

    shift: NDArray[np.float64]
    groups: NDArray[np.float64]
    perturbations: NDArray[np.float64]
    basis: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PerturbationModel:
    r"""What a data set taught of perturbations; made by :func:`scmmgpt_tl.train.perturbation`.

    A shift that was not measured is a weighted mean of those that were,

    .. math:: \hat\Delta_{pc} = \sum_{qd} \alpha_q(p) \, \beta_d(c) \, \Delta_{qd} ,

    with the weights of ridge regressions: :math:`\beta` on what control cells of the groups are
    like, :math:`\alpha` on what the perturbations are. Both add up to 1. This is the bilinear
    regression of shifts on features of perturbation and group. A strong ridge makes all weights the
    same, which is the mean shift.

    Parameters
    ----------
    base
        The model that reads cells, genes and words.
    perturbation_key, control_label, groupby
        Columns of the data set and its word for control cells; `groupby` may be `None`.
    perturbations, groups, genes
        Names of what is known; genes by the symbols of `base`.
    control
        Mean expression of the control cells of each group, (groups, genes).
    shifts
        What perturbations add to it, (perturbations, groups, genes), all in log1p of counts per ten
        thousand. Where no cells were measured it is filled in from the other groups.
    n_cells
        Cells behind each shift, (perturbations, groups), 0 where it was filled in.
    group_features, perturbation_features
        By their kind, (items, width).
    rules
        How to weigh groups, and perturbations.
    checks
        How well what was held out in turn was predicted by these rules.
    """

    base: Model
    perturbation_key: str
    control_label: str
    groupby: str | None
    perturbations: tuple[str, ...]
    groups: tuple[str, ...]
    genes: tuple[str, ...] = field(repr=False)
    control: NDArray[np.float32] = field(repr=False)
    shifts: NDArray[np.float32] = field(repr=False)
    n_cells: NDArray[np.int64] = field(repr=False)
    group_features: Mapping[str, NDArray[np.float32]] = field(repr=False)
    perturbation_features: Mapping[str, NDArray[np.float32]] = field(repr=False)
    rules: Mapping[str, Rule]
    checks: tuple[Check, ...] = field(repr=False)

    def predict(
        self,
        perturbation: str,
        features: Mapping[str, NDArray[np.floating]],
        groups: Sequence[str],
        group_features: Mapping[str, NDArray[np.floating]],
    ) -> Prediction:
        """Predict the shifts of a perturbation.

        Parameters
        ----------
        perturbation
            Its name; one that is known is taken as it was measured.
        features
            Of the perturbation, by their kind, (1, width).
        groups
            Names of the groups; those that are known are taken as they were measured.
        group_features
            Of the groups, by their kind, (groups, width).
        """
        of_groups = self._weigh_groups(groups, group_features)
        known = perturbation in self.perturbations
        row = (
            one_hot([self.perturbations.index(perturbation)], len(self.perturbations))
            if known
            else weigh(
                self.rules[PERTURBATION],
                self.perturbation_features,
                features,
                np.arange(len(self.perturbations)),
            )
        )
        shift = np.einsum("p,gk,pkn->gn", row[0], of_groups, self.shifts, optimize=True)
        basis = tuple(self._basis(perturbation, group) for group in groups)
        return Prediction(shift, of_groups, np.repeat(row, len(groups), axis=0), basis)

    def over(self, genes: NDArray[np.intp]) -> PerturbationModel:
        """Return the model over some of its genes only, by their places."""
        features = dict(self.group_features)
        features["expression"] = features["expression"][:, genes]
        return replace(
            self,
            genes=tuple(self.genes[i] for i in genes),
            control=self.control[:, genes],
            shifts=self.shifts[..., genes],
            group_features=features,
        )

    def expected(self, basis: str) -> tuple[float, float]:
        """Return the mean correlation of a held-out shift, and that of the mean shift; NaN if unknown."""
        question = {OTHER_GROUPS: GROUP, OTHER_PERTURBATIONS: PERTURBATION}.get(basis)
        found = [(c.r, c.r_mean_shift) for c in self.checks if c.question == question]
        if not found:
            return np.nan, np.nan
        chosen, mean = np.mean(found, axis=0)
        return float(chosen), float(mean)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the model as a folder of JSON and safetensors, for :meth:`load`.

        Parameters
        ----------
        folder
            Folder to write; a perturbation model that is there already is replaced.

        Raises
        ------
        FileExistsError
            If something else lies there.
        """
        from .perturbation_file import write_perturbation

        write_perturbation(self, Path(folder))

    @classmethod
    def load(cls, folder: str | PathLike[str], base: Model) -> PerturbationModel:
        """Read what :meth:`save` wrote; nothing in it is run.

        Parameters
        ----------
        folder
            The folder.
        base
            The model that it was made with.

        Raises
        ------
        FileNotFoundError
            If a file is missing.
        ValueError
            If a file is damaged, or `base` is another model.
        """
        from .perturbation_file import read_perturbation

        return read_perturbation(Path(folder), base)

    def _weigh_groups(
        self, groups: Sequence[str], features: Mapping[str, NDArray[np.floating]]
    ) -> NDArray[np.float64]:
        every = np.arange(len(self.groups))
        weights = weigh(self.rules[GROUP], self.group_features, features, every)
        place = {name: i for i, name in enumerate(self.groups)}
        known = [i for i, name in enumerate(groups) if name in place]
        weights[known] = one_hot([place[groups[i]] for i in known], len(self.groups))
        return weights

    def _basis(self, perturbation: str, group: str) -> str:
        here = perturbation in self.perturbations, group in self.groups
        if here == (True, True):
            n = self.n_cells[self.perturbations.index(perturbation), self.groups.index(group)]
            return MEASURED if n else OTHER_GROUPS
        return {(True, False): OTHER_GROUPS, (False, True): OTHER_PERTURBATIONS}.get(
            here, OTHER_BOTH
        )
