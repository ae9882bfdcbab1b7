"""Every key under which a result is stored, derived from `key_added` in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class _Keys:
    key: str

    def __post_init__(self) -> None:
        # A slash makes a nested group in h5ad and is refused by zarr.
        if not isinstance(self.key, str) or not self.key or "/" in self.key:
            msg = f"`key_added` must be a non-empty string without '/', not {self.key!r}."
            raise ValueError(msg)

    @property
    def uns(self) -> str:
        """Parameters and tables."""
        return self.key

    @property
    def coverage(self) -> str:
        """How much of each cell the model could read, in `obs`."""
        return f"{self.key}_coverage"


@dataclass(frozen=True)
class AnnotationKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.annotate`.

    Examples
    --------
    >>> AnnotationKeys("type").score
    'type_score'
    """

    key: str = "scmm_cell_type"

    @property
    def label(self) -> str:
        """Cell type, in `obs`."""
        return self.key

    @property
    def score(self) -> str:
        """Calibrated score, in `obs`."""
        return f"{self.key}_score"

    @property
    def margin(self) -> str:
        """Distance to the runner-up, in `obs`."""
        return f"{self.key}_margin"

    @property
    def cl(self) -> str:
        """Cell Ontology id, in `obs`."""
        return f"{self.key}_cl"

    @property
    def reason(self) -> str:
        """Why a cell is unknown, in `obs`."""
        return f"{self.key}_reason"

    @property
    def scores(self) -> str:
        """Cells x labels, in `obsm`."""
        return f"{self.key}_scores"


@dataclass(frozen=True)
class EmbeddingKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.embed`."""

    key: str = "X_scmm"

    @property
    def obsm(self) -> str:
        """Unit vectors, in `obsm`."""
        return self.key


@dataclass(frozen=True)
class IntegrationKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.integrate`."""

    key: str = "X_scmm_integrated"

    @property
    def obsm(self) -> str:
        """Places without the batches' shifts, in `obsm`."""
        return self.key

    @property
    def latent(self) -> str:
        """Latent space of scANVI by itself, in `obsm`."""
        return f"{self.key}_latent"

    @property
    def seed(self) -> str:
        """Label that scANVI was shown, in `obs`."""
        return f"{self.key}_seed"


@dataclass(frozen=True)
class DescriptionKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.describe`."""

    key: str = "scmm_description"

    @property
    def obs(self) -> str:
        """Description, in `obs`."""
        return self.key


@dataclass(frozen=True)
class ComparisonKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.compare`."""

    key: str = "scmm_comparison"

    @property
    def obs(self) -> str:
        """Group of each cell, in `obs`."""
        return self.key


@dataclass(frozen=True)
class SearchKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.search`."""

    key: str = "scmm_search"

    @property
    def obs(self) -> str:
        """Score, in `obs`."""
        return self.key


@dataclass(frozen=True)
class MixtureKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.deconvolve`."""

    key: str = "scmm_mixture"

    @property
    def shares(self) -> str:
        """Spots x labels, in `obsm`."""
        return self.key

    @property
    def label(self) -> str:
        """Label with the largest share, in `obs`."""
        return self.key

    @property
    def fit(self) -> str:
        """How well the mixture explains a spot, in `obs`."""
        return f"{self.key}_fit"


@dataclass(frozen=True)
class ProteinKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.proteins`."""

    key: str = "scmm_cell_type_protein"

    @property
    def verdict(self) -> str:
        """Whether proteins agree with the label, in `obs`."""
        return self.key

    @property
    def score(self) -> str:
        """How probable the label is by proteins alone, in `obs`."""
        return f"{self.key}_score"

    @property
    def against(self) -> str:
        """Proteins that are not as expected, in `obs`."""
        return f"{self.key}_against"

    @property
    def rival(self) -> str:
        """Label that fits the proteins better, in `obs`."""
        return f"{self.key}_rival"

    @property
    def positive(self) -> str:
        """Cells x antibodies, in `obsm`."""
        return self.key

    @property
    def joint(self) -> str:
        """Key of the joint annotation."""
        return f"{self.key}_joint"


@dataclass(frozen=True)
class RankKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.rank_terms`."""

    key: str = "scmm_rank_terms"


@dataclass(frozen=True)
class ExplanationKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.explain` and :func:`scmmgpt_tl.tl.explain_search`."""

    key: str = "scmm_explanation"


@dataclass(frozen=True)
class GeneNetworkKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.gene_network`."""

    key: str = "scmm_gene_network"


@dataclass(frozen=True)
class GeneSetKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.score_gene_sets`."""

    key: str = "scmm_gene_sets"

    @property
    def obsm(self) -> str:
        """Cells x sets, in `obsm`."""
        return self.key


@dataclass(frozen=True)
class GenerationKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.generate`."""

    key: str = "scmm_prompt"

    @property
    def prompt(self) -> str:
        """Text of a cell, in `obs`."""
        return self.key

    @property
    def cl(self) -> str:
        """Cell Ontology id of the text, in `obs`."""
        return f"{self.key}_cl"

    @property
    def place(self) -> str:
        """Place between two texts, in `obs`."""
        return f"{self.key}_place"

    @property
    def share(self) -> str:
        """Expected shares of expression, in `varm`."""
        return f"{self.key}_share"


@dataclass(frozen=True)
class PerturbationKeys(_Keys):
    """Keys of :func:`scmmgpt_tl.tl.perturb`."""

    key: str = "scmm_perturb"

    @property
    def groups(self) -> str:
        """Weights of the groups that a prediction comes from, in `obsm`."""
        return f"{self.key}_groups"

    @property
    def perturbations(self) -> str:
        """Weights of the perturbations that a prediction comes from, in `obsm`."""
        return f"{self.key}_perturbations"
