"""Methods that predict the shift of what was held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from _scvi import TRAINING, open_scvi
from sklearn.decomposition import PCA

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.tl._perturbations import parts_of, perturbation_features
from scmmgpt_tl.train._perturbation import fit

if TYPE_CHECKING:
    from _held_out import Experiment, Fold
    from numpy.typing import NDArray

LATENT, DRAWS = 10, 5
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


def vae(experiment: Experiment, fold: Fold, *, epochs: int, seed: int) -> NDArray[np.float64]:
    """Move control cells in the latent space of scVI by the mean move of what is known.

    The held-out perturbed cells are not trained on; the control cells of a held-out group are.
    Counts are drawn around what is decoded, before and after, at the depth of the cells.
    """
    import torch
    from anndata import AnnData

    scvi = open_scvi(seed)
    out = (experiment.done == fold.perturbation) & (experiment.group == fold.group)
    model_rows = np.flatnonzero(~out & (np.asarray(experiment.counts.sum(1)).ravel() > 0))
    adata = AnnData(experiment.counts[model_rows].astype(np.float32))
    adata.obs_names = [f"c{i}" for i in range(adata.n_obs)]
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata, n_latent=LATENT, gene_likelihood="nb")
    model.train(max_epochs=epochs, batch_size=128, **TRAINING)
    model.module.eval()
    latent = model.get_latent_representation()
    done, group = experiment.done[model_rows], experiment.group[model_rows]
    is_control = experiment.is_control[model_rows]
    # Each group and perturbation counts the same, however many cells it has.
    moves = [
        latent[(done == row) & (group == column)].mean(0)
        - latent[is_control & (group == column)].mean(0)
        for row in fold.rows
        for column in fold.columns
        if ((done == row) & (group == column)).any()
    ]
    own = is_control & (group == fold.group)
    library = np.asarray(adata.X[own].sum(1)).ravel()
    rng = np.random.default_rng([seed, 21])
    means = []
    for move in (np.mean(moves, axis=0), 0.0):
        with torch.inference_mode():
            found = model.module.generative(
                z=torch.from_numpy(latent[own] + move).float(),
                library=torch.from_numpy(np.log(library))[:, None].float(),
                batch_index=torch.zeros(own.sum(), 1),
            )["px"]
            mu = found.mu.double().numpy()
            theta = found.theta.double().expand(found.mu.shape).numpy()
        drawn = [rng.poisson(rng.gamma(theta, mu / theta)) for _ in range(DRAWS)]
        means.append(np.mean([_mean_log(counts) for counts in drawn], axis=0))
    return means[0] - means[1]


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
