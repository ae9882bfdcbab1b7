"""A model for the labels of a labelled data set, from a few cells of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import softmax
from sklearn.model_selection import StratifiedKFold
from torch.nn import functional as F

from scmmgpt_tl import ontology
from scmmgpt_tl._input import n_genes
from scmmgpt_tl.model.calibration import fit_score
from scmmgpt_tl.model.droplets import CELL
from scmmgpt_tl.model.labels import LabelTable
from scmmgpt_tl.ontology._share_out import most_specific
from scmmgpt_tl.tl._given_labels import given_codes
from scmmgpt_tl.tl._labels import embed_labels, resolve_labels
from scmmgpt_tl.tl._session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.scmmgpt import CellStates
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked
    from scmmgpt_tl.tl._labels import LabelSet

__all__ = ["finetune"]

FIRST_SCALE, MOST_SCALE = 20.0, 60.0
STEPS, RATE, STAY = 200, 0.02, 2.0
MOST_PARTS, FEWEST_PREDICTIONS = 5, 40


def finetune(
    adata: AnnData | MuData,
    labels_key: str,
    *,
    model: Model | str | Path | None = None,
    max_cells: int = 500,
    rng: int = 0,
    name: str | None = None,
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
) -> Model:
    r"""Teach a model the cell types of a labelled data set.

    Cells stay where the model sees them; what is learned is where in that space each label is.
    A label starts from what the model knows of its name, drawn towards the labelled cells the more
    of them there are, and then moves to where it tells its cells from the others. Five cells of a
    type are of use, one is better than none, and a label without a single cell keeps its place.

    Parameters
    ----------
    adata
        Labelled cells; only read.
    labels_key
        Column of `.obs` with the labels; cells without one, and those called "unknown", are left
        out. Names that the Cell Ontology knows get their ids.
    model
        Name or folder of a model, or a model; by default the one that ships.
    max_cells
        Most cells of a label to learn from.
    rng
        Seed of the choice of cells and of the folds of the calibration.
    name
        Of the new model; by default the old name and `"-finetuned"`.
    layer, counts, gene_symbols, species, mod, batch_size
        As in :func:`scmmgpt_tl.tl.annotate`.

    Returns
    -------
    A model whose own labels are those of the column, for `model=` of every tool; its
    :meth:`~scmmgpt_tl.model.Model.save` writes a bundle. Embeddings, texts and descriptions are as
    they were. The score is calibrated on cells held out in turn, so it speaks for cells of the
    same study.

    Raises
    ------
    ValueError
        There is no such column, it holds fewer than two labels, or the input does not fit the model.

    Notes
    -----
    With unit vectors :math:`z_i` of the cells (the best of their queries counts), unit vectors
    :math:`\ell_j` of the labels, :math:`\ell_j^0` where they start, and a learned scale :math:`s`,
    it minimises

    .. math:: -\frac1n \sum_i \log \mathrm{softmax}_j(s\, z_i^\top \ell_j)_{y_i}
        + \frac{\lambda}{m} \sum_j \lVert \ell_j - \ell_j^0 \rVert^2 .

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> blood = scmm.datasets.pbmc68k()
    >>> blood.obs["type"] = blood.obs["bulk_labels"].map(
    ...     {"CD19+ B": "B cell", "CD56+ NK": "NK cell"}
    ... )
    >>> tuned = scmm.train.finetune(blood, "type", counts="lognorm", max_cells=5)
    >>> tuned.labels.names
    ('B cell', 'NK cell')
    >>> scmm.tl.annotate(blood, model=tuned, counts="lognorm")
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
    names, code = given_codes(session.adata, labels_key)
    seen = session.run(
        _keep_projected(base, session.measured), batch_size=batch_size, desc="finetune"
    )
    code[seen["n_genes"] < session.min_genes()] = -1
    draw = np.random.default_rng(rng)
    chosen = _choose(code, max_cells, draw)
    cells = _Cells(
        torch.from_numpy(seen["projected"][chosen]),
        torch.from_numpy(code[chosen]),
        torch.from_numpy(seen["single"][chosen]),
    )
    labels = resolve_labels(names, own=base.labels, tissue=None, ontology=ontology.load())
    start = known_vectors(labels, base)
    vectors, scale = fit_labels(cells, start)
    slope, intercept = _fit_score(cells, start, draw) or (
        base.calibration.slope,
        base.calibration.intercept,
    )
    fitted = replace(
        base.calibration,
        temperature=1 / scale,
        slope=slope,
        intercept=intercept,
        prior=0.0,
        fitted_on=(f"{len(chosen)} cells of obs[{labels_key!r}]",),
    )
    return replace(
        base,
        name=name or f"{base.name}-finetuned",
        sha256=hashlib.sha256(base.sha256.encode() + vectors.numpy().tobytes()).hexdigest(),
        labels=LabelTable(labels.names, labels.cl_ids, ((),) * len(labels)),
        label_embeddings=vectors.numpy(),
        calibration=fitted,
    )


@dataclass(frozen=True)
class _Cells:
    projected: torch.Tensor  # (cells, queries, projection) unit vectors
    label: torch.Tensor  # (cells,)
    single: torch.Tensor  # (cells,) chance of being one cell

    def only(self, rows: NDArray[np.int64]) -> _Cells:
        return _Cells(self.projected[rows], self.label[rows], self.single[rows])


def known_vectors(labels: LabelSet, model: Model) -> torch.Tensor:
    """Return where a model would look for labels before it has seen a cell of them, (labels, width).

    That is the mean of its own labels that are the label, or below it and below no other label that
    is asked for; where there is none, the label's text.
    """
    cl = ontology.load()
    ids = [cl.current(key) if key else "" for key in labels.cl_ids]
    finest = [most_specific(cl.current(own), ids, ontology=cl) for own in model.labels.cl_ids]
    vectors = torch.from_numpy(embed_labels(labels, model).copy())
    for row, key in enumerate(ids):
        own = [i for i, found in enumerate(finest) if key and key in found]
        if own:
            vectors[row] = torch.from_numpy(model.label_embeddings[own].mean(0))
    return F.normalize(vectors, dim=-1)


def fit_labels(cells: _Cells, start: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return unit vectors of the labels, (labels, width), and the scale of their cosines."""
    first = _towards_cells(cells, start)
    vectors = first.clone().requires_grad_()
    log_scale = torch.tensor(FIRST_SCALE).log().requires_grad_()
    optimizer = torch.optim.Adam([vectors, log_scale], lr=RATE)
    for _ in range(STEPS):
        scale = log_scale.exp().clamp(max=MOST_SCALE)
        logits = scale * _cosine(cells, F.normalize(vectors, dim=-1))
        moved = (vectors - first).square().sum(1).mean()
        loss = F.cross_entropy(logits, cells.label) + STAY * moved
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unit = F.normalize(vectors.detach(), dim=-1)
    return unit, float(log_scale.detach().exp().clamp(max=MOST_SCALE))


def _towards_cells(cells: _Cells, start: torch.Tensor) -> torch.Tensor:
    """Draw labels towards the mean of their cells: four cells count twice as much as one."""
    out = start.clone()
    for label in cells.label.unique():
        own = cells.projected[cells.label == label]
        mean = F.normalize(own.mean((0, 1)), dim=0)
        out[label] = F.normalize(start[label] + len(own) ** 0.5 * mean, dim=0)
    return out


def _cosine(cells: _Cells, vectors: torch.Tensor) -> torch.Tensor:
    return torch.einsum("cqp,lp->cql", cells.projected, vectors).amax(1)


def _fit_score(
    cells: _Cells, start: torch.Tensor, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Calibrate on cells that are held out in turn; `None` where there are too few."""
    label = cells.label.numpy()
    size = np.bincount(label, minlength=len(start))[label]
    rows = np.flatnonzero(size > 1)
    if len(rows) < FEWEST_PREDICTIONS:
        return None
    parts = StratifiedKFold(
        int(min(MOST_PARTS, size[rows].min())), shuffle=True, random_state=int(rng.integers(2**31))
    )
    stated, right = [], []
    for kept, held in parts.split(rows, label[rows]):
        vectors, scale = fit_labels(cells.only(rows[kept]), start)
        out = cells.only(rows[held])
        p = softmax(scale * _cosine(out, vectors).numpy().astype(np.float64), axis=1)
        stated.append(p.max(1) * out.single.numpy())
        right.append(p.argmax(1) == out.label.numpy())
    return fit_score(np.concatenate(stated), np.concatenate(right))


def _choose(code: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows of at most `most` cells of each label."""
    rows = []
    for label in np.unique(code[code >= 0]):
        own = np.flatnonzero(code == label)
        rows.append(rng.choice(own, size=min(len(own), most), replace=False))
    return np.sort(np.concatenate(rows)) if rows else np.array([], dtype=np.int64)


def _keep_projected(model: Model, measured: NDArray[np.bool_]) -> Callable[..., dict[str, Any]]:
    def kernel(states: CellStates, rows: csr_matrix) -> dict[str, Any]:
        return {
            "projected": states.projected,
            "single": model.judge_droplets(states, rows, measured)[:, CELL],
            "n_genes": n_genes(rows),
        }

    return kernel
