"""Methods that predict the shift of what was held out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from _scvi import TRAINING, open_scvi
from sklearn.decomposition import PCA

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.tl._perturbation.perturbations import parts_of, perturbation_features
from scmmgpt_tl.train._perturbation import fit

if TYPE_CHECKING:
    from _held_out import Experiment, Fold
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

# Cells a step, as scGEN has it.
LATENT, DRAWS, BATCH, PARTS = 10, 5, 32, 5
# Of the linear model, as its authors have them: components, and the ridge on either side.
COMPONENTS, RIDGE = 10, 0.1
WORDING = "{kind} stimulated with {words}", "{kind} without {words}"


def learned(experiment: Experiment, fold: Fold) -> NDArray[np.float64]:
    """Predict as this package does."""
    found, task = experiment.compared, experiment.task
    fitted = fit(
        found.only(fold.rows, fold.columns),
        experiment.model,
        genes=experiment.genes,
        columns=(task.key, task.control, task.groupby),
    )
    name, group = found.names[fold.perturbation], found.groups[fold.group]
    here = slice(fold.group, fold.group + 1)
    features = {"expression": found.control[here], "embedding": found.cells[here]}
    of_name = perturbation_features([parts_of(name)], experiment.model)
    shift = fitted.predict(name, of_name, [group], features).shift[0]
    return np.maximum(shift, -found.control[fold.group])


def from_text(experiment: Experiment, fold: Fold) -> NDArray[np.float64]:
    """What the expression decoder says of the words, less what it says of the cells' name."""
    found, by_group = experiment.compared, experiment.task.question == "group"
    kind = found.groups[fold.group] if by_group else experiment.task.kind
    words = "interferon beta" if by_group else found.names[fold.perturbation]
    texts = [WORDING[not by_group].format(kind=kind, words=words), kind]
    shares = experiment.model.generate_expression(texts)[:, experiment.genes].astype(np.float64)
    after, before = np.log1p(1e4 * shares / shares.sum(1, keepdims=True))
    return after - before


def no_shift(experiment: Experiment, fold: Fold) -> NDArray[np.float64]:
    """Nothing changes: the mean of the control cells."""
    return np.zeros_like(experiment.compared.control[fold.group])


def mean_shift(experiment: Experiment, fold: Fold) -> NDArray[np.float64]:
    """What changes in the other groups, or by the other perturbations, in the mean."""
    shifts, there = _known(experiment, fold)
    return shifts[there].mean(0)


def linear(experiment: Experiment, fold: Fold) -> NDArray[np.float64]:
    r"""Regress shifts on embeddings of genes, which are principal components of the training data.

    With components :math:`G` of the pseudobulks (genes x k), shifts are
    :math:`\bar\Delta + G W z` by ridge, where :math:`z` is the row of :math:`G` of the gene that was
    perturbed, or the place of the group's control cells on the components. A gene that was not
    measured has no row: it is given the mean shift.
    """
    found, shifts = experiment.compared, _known(experiment, fold)[0]
    mean = mean_shift(experiment, fold)
    if experiment.task.question == "group":
        controls = found.control[fold.columns]
        pca = _components(np.concatenate([controls, controls + shifts[0]]))
        known = pca.transform(controls)
        new, values = pca.transform(found.control[[fold.group]])[0], shifts[0]
        centre = known.mean(0)
        known, new = known - centre, new - centre
    else:
        pca = _components(found.control[fold.group] + shifts[:, 0])
        row = {name: i for i, name in enumerate(experiment.symbols)}
        names = [_symbol(found.names[i], experiment) for i in fold.rows]
        kept = [i for i, name in enumerate(names) if name in row]
        own = _symbol(found.names[fold.perturbation], experiment)
        if own not in row or not kept:
            return mean
        known = pca.components_.T[[row[names[i]] for i in kept]]
        new, values = pca.components_.T[row[own]], shifts[kept, 0]
    genes = pca.components_.T
    ridge = RIDGE * np.eye(genes.shape[1])
    left = np.linalg.solve(genes.T @ genes + ridge, genes.T @ (values - mean).T @ known)
    return mean + genes @ left @ np.linalg.solve(known.T @ known + ridge, new)


def vae(experiment: Experiment, fold: Fold, *, steps: int, seed: int) -> NDArray[np.float64]:
    """Move control cells in the latent space of scVI by the mean move of what is known.

    Held-out perturbed cells are not trained on; the control cells of a held-out group are. Of many
    perturbations several are held out at once, so that it is trained a few times only.
    Counts are drawn around what is decoded, before and after, at the depth of the cells.
    """
    held = np.array([fold.perturbation])
    if experiment.task.question == "perturbation":
        held = np.arange(len(experiment.compared.names))
        held = held[held % PARTS == fold.perturbation % PARTS]
    out = np.isin(experiment.done, held) & (experiment.group == fold.group)
    space = _train_vae(experiment, tuple(np.flatnonzero(out)), steps=steps, seed=seed)
    done, group, latent = experiment.done, experiment.group, space.latent
    start = [
        latent[experiment.is_control & (group == column) & space.seen].mean(0)
        for column in range(len(experiment.compared.groups))
    ]
    pairs = [(row, column) for row in fold.rows for column in fold.columns]
    members = [(column, (done == row) & (group == column) & space.seen) for row, column in pairs]
    # Each group and perturbation counts the same, however many cells it has.
    moves = [latent[rows].mean(0) - start[column] for column, rows in members if rows.any()]
    own = experiment.is_control & (group == fold.group) & space.seen
    rng = np.random.default_rng([seed, 21])
    before, after = (
        space.draw(latent[own] + move, experiment.counts[own], rng)
        for move in (0.0, np.mean(moves, axis=0))
    )
    return after - before


@dataclass(frozen=True)
class Space:
    """A trained autoencoder, and where it puts cells.

    Parameters
    ----------
    model
        The `scvi.model.SCVI`.
    latent
        (cells, width), zero for cells that it was not trained on.
    seen
        Which it was trained on, (cells,).
    """

    model: Any
    latent: NDArray[np.float64]
    seen: NDArray[np.bool_]

    def draw(
        self, latent: NDArray[np.float64], counts: csr_matrix, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Mean log expression of counts drawn around what is decoded, at the depth of `counts`."""
        import torch

        library = np.log(np.asarray(counts.sum(1)).ravel())
        with torch.inference_mode():
            found = self.model.module.generative(
                z=torch.from_numpy(latent).float(),
                library=torch.from_numpy(library)[:, None].float(),
                batch_index=torch.zeros(len(latent), 1),
            )["px"]
            mu = found.mu.double().numpy()
            theta = found.theta.double().expand(found.mu.shape).numpy()
        drawn = [rng.poisson(rng.gamma(theta, mu / theta)) for _ in range(DRAWS)]
        return np.mean([_mean_log(one) for one in drawn], axis=0)


@lru_cache(maxsize=PARTS)
def _train_vae(experiment: Experiment, out: tuple[int, ...], *, steps: int, seed: int) -> Space:
    from anndata import AnnData

    scvi = open_scvi(seed)
    seen = np.asarray(experiment.counts.sum(1)).ravel() > 0
    seen[list(out)] = False
    adata = AnnData(experiment.counts[seen].astype(np.float32))
    adata.obs_names = [f"c{i}" for i in range(adata.n_obs)]
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata, n_latent=LATENT, gene_likelihood="nb")
    epochs = -(-steps * BATCH // adata.n_obs)
    model.train(max_epochs=epochs, batch_size=BATCH, train_size=1.0, **TRAINING)
    model.module.eval()
    latent = np.zeros((len(seen), LATENT))
    latent[seen] = model.get_latent_representation()
    return Space(model, latent, seen)


def _known(experiment: Experiment, fold: Fold) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    part = experiment.compared.only(fold.rows, fold.columns)
    if experiment.task.question == "group":
        own = np.flatnonzero(fold.rows == fold.perturbation)
        return part.shifts[own], part.n_cells[own] > 0
    return part.shifts, part.n_cells > 0


def _components(profiles: NDArray[np.float64]) -> PCA:
    return PCA(min(COMPONENTS, len(profiles) - 1), svd_solver="full").fit(profiles)


def _symbol(name: str, experiment: Experiment) -> str:
    genes = experiment.model.genes
    place = genes.by_symbol.get(name, genes.by_alias.get(name))
    return "" if place is None else genes.symbols[place]


def _mean_log(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    from scipy import sparse

    return np.asarray(log_expression(sparse.csr_matrix(counts)).mean(0)).ravel()
