"""Where a baseline finds what it knows of a term: at the term, below it, or above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from _scanvi import counts_again
from _scvi import TRAINING, open_scvi

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from _material import Training
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.train.reference import Profiles

LATENT = 10


class Generator(Protocol):
    """A method that makes cells of a Cell Ontology term."""

    def generate(
        self, term: str, sizes: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Counts of cells, (cells, genes), with these expected totals, (cells,)."""


@dataclass(frozen=True)
class FromText:
    """What this package makes of the name of the term.

    Parameters
    ----------
    model
        The model.
    symbols
        Genes to generate.
    """

    model: Model
    symbols: Sequence[str]

    def generate(
        self, term: str, sizes: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Generate from text alone; the sizes are drawn from those given."""
        name = ontology.load().name(term)
        found = scmm.tl.generate(
            name, len(sizes), genes=self.symbols, library_size=sizes, rng=rng, model=self.model
        )
        return found.X.toarray().astype(np.float64)


@dataclass(frozen=True)
class FromProfiles:
    """The mean of the training profiles of the term, and Poisson counts.

    Parameters
    ----------
    profiles
        Of the training run.
    columns
        Genes to generate, among those of the model.
    """

    profiles: Profiles
    columns: NDArray[np.int64]

    def generate(
        self, term: str, sizes: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw around the mean of the profiles that measured a gene."""
        owner = np.array(self.profiles.terms)
        rows = np.flatnonzero(np.isin(owner, sorted(stand_ins(term, set(self.profiles.terms)))))
        measured = self.profiles.panels[self.profiles.panel[rows]][:, self.columns]
        shares = self.profiles.shares[rows][:, self.columns].astype(np.float64)
        mean = np.where(measured, shares, 0).sum(0) / np.maximum(measured.sum(0), 1)
        return rng.poisson(np.outer(sizes, mean / mean.sum())).astype(np.float64)


@dataclass(frozen=True)
class FromVae:
    """A variational autoencoder whose decoder is told the type, decoded from its prior.

    Parameters
    ----------
    model
        The `scvi.model.SCVI`.
    types
        Types in the order of its conditions.
    """

    model: Any
    types: Sequence[str]

    def generate(
        self, term: str, sizes: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Decode points of the prior with the type as condition, and draw its counts."""
        import torch

        known = sorted(stand_ins(term, set(self.types)))
        place = {name: i for i, name in enumerate(self.types)}
        condition = np.array([place[name] for name in rng.choice(known, size=len(sizes))])
        with torch.inference_mode():
            found = self.model.module.generative(
                z=torch.from_numpy(rng.standard_normal((len(sizes), LATENT))).float(),
                library=torch.from_numpy(np.log(sizes))[:, None].float(),
                batch_index=torch.from_numpy(condition)[:, None],
            )["px"]
            mean = found.mu.double().numpy()
            inverse = found.theta.double().expand(found.mu.shape).numpy()
        return rng.poisson(rng.gamma(inverse, mean / inverse)).astype(np.float64)


def fit_vae(training: Training, columns: NDArray[np.int64], *, epochs: int, seed: int) -> FromVae:
    """Train scVI on drawn training cells with their type as condition.

    Parameters
    ----------
    training
        Cells drawn from the model's own training source.
    columns
        Genes to generate, among those of the model.
    epochs
        How many.
    seed
        Of the training.
    """
    from anndata import AnnData

    scvi = open_scvi(seed)
    counts = counts_again(training.expression)[:, columns].tocsr()
    rows = np.flatnonzero(np.asarray(counts.sum(1)).ravel() > 0)
    adata = AnnData(counts[rows].astype(np.float32))
    adata.obs_names = [f"c{i}" for i in range(adata.n_obs)]
    adata.obs["term"] = np.array(training.types)[training.term[rows]]
    scvi.model.SCVI.setup_anndata(adata, batch_key="term")
    model = scvi.model.SCVI(adata, n_latent=LATENT, gene_likelihood="nb", dispersion="gene")
    model.train(max_epochs=epochs, **TRAINING)
    model.module.eval()
    types = model.adata_manager.get_state_registry("batch")["categorical_mapping"]
    return FromVae(model, [str(name) for name in types])


def stand_ins(term: str, known: Collection[str]) -> frozenset[str]:
    """Return the known types that speak for a term: itself, those below, or those around it.

    Parameters
    ----------
    term
        Cell Ontology id.
    known
        Ids of the types that something is known of.
    """
    cl = ontology.load()
    term = cl.current(term)
    nearest_first = [term, *sorted(cl.ancestors(term), key=lambda name: (-cl.depth(name), name))]
    for name in nearest_first:
        if name in known:
            return frozenset({name})
        if below := frozenset(other for other in known if name in cl.ancestors(other)):
            return below
    return frozenset(known)
