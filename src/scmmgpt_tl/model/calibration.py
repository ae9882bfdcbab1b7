"""From similarity to a score that can be believed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

LEAST_LOG_CHANCE = -30.0
# The network's zero is not so certain that marker genes could not speak against it.
LEAST_PROBABILITY = 1e-4
# What float32 cannot tell from certainty says no more than this.
SHARPEST = 1e-5
LEAST_SLOPE = 0.05


@dataclass(frozen=True)
class Calibration:
    r"""How cosine similarity becomes the chance that a label is right.

    Parameters
    ----------
    temperature
        Divides the cosine before the softmax.
    slope, intercept
        Of the logistic map from the probability of an answer to the share of cells that were right
        at it, see :meth:`calibrate`.
    threshold
        Calibrated score below which a cell is left unknown.
    min_genes
        Number of expressed model genes below which a cell is left unknown, see :meth:`fewest_genes`.
    fitted_on
        Names of the data sets it was fitted on.
    prior
        How much more the model believes in labels that it learned from many profiles: the power of
        their number that the odds of a label are multiplied with.
    text_temperature
        The temperature for labels of the user, whose vectors are those of their texts.
    marker_weight
        How much is believed what marker genes say, see :meth:`with_markers`.

    Raises
    ------
    ValueError
        If a temperature or the slope is not positive, or a number is not finite.

    Examples
    --------
    >>> calibration = Calibration(0.1, 0.8, -0.2, 0.5, 50, ("pbmc3k",))
    >>> p = calibration.probabilities(np.array([[0.9, 0.7, 0.1]]))
    >>> p.round(3)
    array([[0.881, 0.119, 0.   ]], dtype=float32)
    >>> calibration.calibrate(p.max(axis=1)).round(2)
    array([0.8], dtype=float32)
    """

    temperature: float
    slope: float
    intercept: float
    threshold: float
    min_genes: int
    fitted_on: tuple[str, ...] = ()
    prior: float = 0.0
    text_temperature: float = 0.1
    marker_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("temperature", "text_temperature", "slope"):
            if not 0 < getattr(self, name) < float("inf"):
                msg = f"`{name}` must be positive and finite, found {getattr(self, name)!r}."
                raise ValueError(msg)
        if not 0 <= self.marker_weight < float("inf"):
            msg = f"`marker_weight` must be 0 or more, found {self.marker_weight!r}."
            raise ValueError(msg)
        if not np.isfinite(self.intercept):
            msg = f"`intercept` must be finite, found {self.intercept!r}."
            raise ValueError(msg)

    def fewest_genes(self, n_measured: int) -> int:
        """Tell how many genes a cell must express to be judged: of a small panel a quarter will do.

        Parameters
        ----------
        n_measured
            Genes of the model that the data set measured.

        Examples
        --------
        >>> calibration = Calibration(0.1, 0.8, -0.2, 0.5, 20, ("pbmc3k",))
        >>> calibration.fewest_genes(19_000), calibration.fewest_genes(33)
        (20, 8)
        """
        return max(1, min(self.min_genes, n_measured // 4))

    def probabilities(
        self, cosine: ArrayLike, n_profiles: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        r"""Return the probability of each label, (cells, labels).

        .. math:: p_{ij} \propto n_j^{\alpha} \exp(c_{ij} / T)

        Parameters
        ----------
        cosine
            Similarity of cells to labels, (cells, labels).
        n_profiles
            Profiles behind each label, (labels,); by default all labels are believed alike.
        """
        scores = np.asarray(cosine, np.float64) / self.temperature
        if n_profiles is not None:
            scores = scores + self.prior * np.log(np.asarray(n_profiles, np.float64))
        return _softmax(scores).astype(np.float32)

    def text_probabilities(self, cosine: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each label of the user, (cells, labels), by its text alone."""
        return _softmax(np.asarray(cosine, np.float64) / self.text_temperature).astype(np.float32)

    def with_markers(
        self, probability: NDArray[np.floating], evidence: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        r"""Return probabilities that take marker genes into account, (cells, labels).

        .. math:: q_{ij} \propto (p_{ij} + 10^{-4}) \exp(\lambda t_{ij})

        Parameters
        ----------
        probability
            What the network says, (cells, labels).
        evidence
            What marker genes say: t values, (cells, labels).
        """
        known = np.log(np.asarray(probability, np.float64) + LEAST_PROBABILITY)
        return _softmax(known + self.marker_weight * evidence).astype(np.float32)

    def calibrate(self, probability: ArrayLike) -> NDArray[np.float32]:
        r"""Return the chance of being right at a probability; any shape.

        .. math:: f(p) = \frac{1}{1 + \exp(-a \log\frac{p}{1 - p} - b)}

        with slope :math:`a` and intercept :math:`b`: the order of the probabilities stays.
        """
        scores = self.slope * _logit(np.asarray(probability, np.float64)) + self.intercept
        return (1 / (1 + np.exp(-scores))).astype(np.float32)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Calibration:
        """Read ``calibration.json``.

        Raises
        ------
        ValueError
            If the file is not JSON, or its keys are not those of this class.
        """
        path = Path(path)
        try:
            return cls._from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            msg = f"{path} is not a calibration: {error}"
            raise ValueError(msg) from error

    @classmethod
    def _from_dict(cls, raw: dict[str, Any]) -> Calibration:
        known = {field.name for field in fields(cls)}
        if set(raw) != known:
            msg = f"found the keys {sorted(raw)} where {sorted(known)} are expected."
            raise ValueError(msg)
        return cls(
            temperature=float(raw["temperature"]),
            slope=float(raw["slope"]),
            intercept=float(raw["intercept"]),
            threshold=float(raw["threshold"]),
            min_genes=int(raw["min_genes"]),
            fitted_on=tuple(map(str, raw["fitted_on"])),
            prior=float(raw["prior"]),
            text_temperature=float(raw["text_temperature"]),
            marker_weight=float(raw["marker_weight"]),
        )

    def write(self, path: str | PathLike[str]) -> None:
        """Write what :meth:`read` reads."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        Path(path).write_text(text, encoding="utf-8", newline="\n")


def fit_temperature(
    cosine: ArrayLike, right: ArrayLike, *, bias: ArrayLike = 0.0
) -> tuple[float, float]:
    r"""Find the temperature under which the right labels are most likely.

    Minimises :math:`-\frac{1}{n} \sum_i \log \sum_{j \in R_i} \mathrm{softmax}(c_i / T + b)_j` over
    :math:`10^{-3} \leq T \leq 10`, where :math:`R_i` are the labels that are right for a cell.

    Parameters
    ----------
    cosine
        Similarity of cells to labels, (cells, labels).
    right
        Which labels are right for which cell, (cells, labels).
    bias
        Logarithm of how much more each label is believed from the start, (labels,).

    Returns
    -------
    loss, temperature
        The least loss, and where it was found.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    similarity, fits = np.asarray(cosine, np.float64), np.asarray(right, np.float64)

    def loss(log_temperature: float) -> float:
        scaled = similarity / np.exp(log_temperature) + np.asarray(bias, np.float64)
        # The floor keeps one hopeless cell from deciding alone.
        chance = logsumexp(scaled, axis=1, b=fits) - logsumexp(scaled, axis=1)
        return float(-np.maximum(chance, LEAST_LOG_CHANCE).mean())

    found = minimize_scalar(loss, bounds=(np.log(1e-3), np.log(10)), method="bounded")
    return float(found.fun), float(np.exp(found.x))


def fit_score(probability: ArrayLike, right: ArrayLike) -> tuple[float, float]:
    """Fit the logistic map from probability to the share that was right.

    Likelihood is maximised with the targets of Platt (1999), which a handful of answers that are
    all right do not take to certainty.

    Parameters
    ----------
    probability
        Of each answer, (cells,).
    right
        Whether it was right, (cells,).

    Returns
    -------
    slope, intercept
        For :meth:`Calibration.calibrate`.
    """
    from scipy.optimize import minimize

    x, hit = _logit(np.asarray(probability, np.float64)), np.asarray(right, bool)
    n_right, n_wrong = hit.sum(), (~hit).sum()
    target = np.where(hit, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))

    def loss(parameters: NDArray[np.float64]) -> float:
        scores = np.exp(parameters[0]) * x + parameters[1]
        return float(np.mean(np.logaddexp(0, scores) - target * scores))

    found = minimize(loss, np.zeros(2), bounds=[(np.log(LEAST_SLOPE), np.log(10)), (-10, 10)])
    return float(np.exp(found.x[0])), float(found.x[1])


def calibration_gaps(
    probability: ArrayLike, right: ArrayLike, *, bins: int = 15
) -> NDArray[np.float64]:
    """Return how much more was stated than observed in each of some equally wide bins.

    Parameters
    ----------
    probability
        Stated chance of each cell, (cells,), within 0 and 1.
    right
        Whether its label was right, (cells,).
    bins
        Number of bins between 0 and 1.

    Returns
    -------
    Sum over the cells of a bin, as a share of all cells, (bins,).
    """
    p, hit = np.asarray(probability, np.float64), np.asarray(right, np.float64)
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    return np.bincount(bin_of, p - hit, minlength=bins) / len(p)


def expected_calibration_error(
    probability: ArrayLike, right: ArrayLike, *, bins: int = 15
) -> float:
    """Return the mean distance between stated and observed chance over equally wide bins.

    Parameters
    ----------
    probability
        Stated chance of each cell, (cells,), within 0 and 1.
    right
        Whether its label was right, (cells,).
    bins
        Number of bins between 0 and 1.

    Examples
    --------
    >>> round(expected_calibration_error([0.8] * 10, [True] * 6 + [False] * 4), 3)
    0.2
    """
    return float(np.abs(calibration_gaps(probability, right, bins=bins)).sum())


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = probability.clip(SHARPEST, 1 - SHARPEST)
    return np.log(inside / (1 - inside))
