r"""How much more probable one label is than another, as a function that can be differentiated.

It says again in torch what :mod:`scmmgpt_tl.tl._answers.scoring` says in numpy, from the values of genes on: with the
probability :math:`q_j` of each label, and labels :math:`A` against labels :math:`B`,

.. math:: f = \log \sum_{j \in A} q_j - \log \sum_{j \in B} q_j .

What all labels have in common, such as the chance that the droplet is one cell, cancels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, assert_never, cast

import numpy as np

from scmmgpt_tl.model.calibration import LEAST_PROBABILITY
from scmmgpt_tl.model.markers import LARGEST, LEAST
from scmmgpt_tl.ontology._share_out import UNTAUGHT
from scmmgpt_tl.tl._answers.scoring import ByOwnLabels, ByTexts, Scoring, Shared, Witness

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.encoders.geneset import GeneSetEncoder
    from scmmgpt_tl.ontology._share_out import Sharing

__all__ = ["Evidence", "LogOdds", "log_odds"]

_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class LogOdds:
    """Score of some labels against others.

    Parameters
    ----------
    model
        Its encoder adds up genes.
    how
        How cells are scored for the labels.
    measured
        Which of the model's genes the data set measured, `(n_genes,)`.
    """

    model: Model
    how: Scoring
    measured: NDArray[np.bool_]

    def __call__(self, values: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
        """Return log-odds, `(n_cells,)` float64.

        Parameters
        ----------
        values
            Expression on the encoder's scale, `(n_cells, n_genes)`.
        sides
            Which labels are set against which, `(n_cells, 2, n_labels)`.
        """
        return log_odds(self.log_scores(values), sides)

    def log_scores(self, values: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities of the labels but for a term that all share."""
        network = self.model.network
        states = network.read_states(*self._encoder.forward_dense(values, self.panel))
        cosine = self.model.similarity(states.projected, self.how.text)
        p = _probabilities(cosine.double(), self.how.by_similarity)
        witness, evidence = self.how.witness, self._evidence
        if witness is None or evidence is None:
            return p.clamp_min(_TINY).log()
        said = evidence(values.double())
        return (p + LEAST_PROBABILITY).log() + witness.calibration.marker_weight * said

    @cached_property
    def panel(self) -> torch.Tensor:
        """Which genes were measured, `(n_genes,)` float32."""
        import torch

        return torch.from_numpy(self.measured.astype(np.float32)).to(self.model.device)

    @cached_property
    def average_cell(self) -> torch.Tensor:
        """What the encoder sees cells against: the average cell on this panel, `(1, n_genes)`."""
        return self._encoder.average_cell(self.panel)[None].detach()

    @property
    def _encoder(self) -> GeneSetEncoder:
        return cast("GeneSetEncoder", self.model.network.cell_encoder)

    @cached_property
    def _evidence(self) -> Evidence | None:
        return self.how.witness and Evidence(self.how.witness, self.model.device)


class Evidence:
    """What marker genes say: :func:`scmmgpt_tl.model.markers.evidence` in torch.

    Parameters
    ----------
    witness
        Weights of the genes, and which were measured.
    device
        Where to compute.
    """

    def __init__(self, witness: Witness, device: torch.device) -> None:
        import torch

        weights = witness.weights.tocsr()
        # Most genes say nothing of any label.
        heard = np.flatnonzero(weights.getnnz(axis=1))
        self._heard = torch.from_numpy(heard).to(device)
        self._weights = torch.from_numpy(weights[heard].toarray().astype(np.float64)).to(device)
        self._n = float(witness.measured.sum())
        panel = torch.from_numpy(witness.measured[heard].astype(np.float64)).to(device)
        self._sum = panel @ self._weights
        self._spread = panel @ self._weights.square() - self._sum**2 / self._n

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Return t values, `(n_cells, n_labels)`, from expression, `(n_cells, n_genes)` float64."""
        total = values.sum(1, keepdim=True)
        spread = values.square().sum(1, keepdim=True) - total**2 / self._n
        both = values[:, self._heard] @ self._weights - total * self._sum / self._n
        r = both / (spread * self._spread).clamp_min(1e-12).sqrt()
        t = r * (max(self._n - 2, 0) / (1 - r * r).clamp_min(1e-9)).sqrt()
        t = t.clamp(LEAST, LARGEST)
        known = (self._sum > 0).expand_as(t)
        mean = (t * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp_min(1)
        return t.where(known, mean)


def log_odds(log_scores: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """Set labels against labels, `(n_cells,)`.

    Parameters
    ----------
    log_scores
        Log-probabilities of the labels, `(n_cells, n_labels)`.
    sides
        Which labels are set against which, `(n_cells, 2, n_labels)`.
    """
    held = log_scores[:, None].masked_fill(~sides, -float("inf")).logsumexp(-1)
    return held[:, 0] - held[:, 1]


def _probabilities(cosine: torch.Tensor, how: ByOwnLabels | ByTexts | Shared) -> torch.Tensor:
    """Probabilities before markers are heard, `(n_cells, n_labels)`."""
    match how:
        case ByOwnLabels(calibration, None):
            return (cosine / calibration.temperature).softmax(-1)
        case ByOwnLabels(calibration, n_profiles):
            bias = cosine.new_tensor(n_profiles).log() * calibration.prior
            return (cosine / calibration.temperature + bias).softmax(-1)
        case ByTexts(calibration):
            return (cosine / calibration.text_temperature).softmax(-1)
        case Shared(texts, own, sharing):
            n_labels = sharing.weights.shape[1]
            by_text = _probabilities(cosine[:, :n_labels], texts)
            return _share_out(_probabilities(cosine[:, n_labels:], own), by_text, sharing)
        case _:
            assert_never(how)


def _share_out(p: torch.Tensor, prior: torch.Tensor, sharing: Sharing) -> torch.Tensor:
    """Do what :meth:`Sharing.share_out` does."""
    weights, untaught = p.new_tensor(sharing.weights), p.new_tensor(sharing.untaught)
    known = prior.clamp_min(_TINY)
    shared = known * ((p / (known @ weights.T)) @ weights)
    if not sharing.untaught.any():
        return shared
    half = known.sqrt()
    new = half * untaught
    total = new.sum(1, keepdim=True)
    fit = total / untaught.sum() / half.mean(1, keepdim=True)
    u = fit.new_ones(()) if sharing.untaught.all() else UNTAUGHT * fit.clamp_max(1)
    return (1 - u) * shared + u * new / total
