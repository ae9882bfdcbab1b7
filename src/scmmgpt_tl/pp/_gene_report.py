"""What the matching of genes found, for users to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class GeneReport:
    """What :func:`scmmgpt_tl.pp.match_genes` found.

    Parameters
    ----------
    n_file
        Features in the file.
    n_not_genes
        Features that `feature_types` says are no genes, such as antibodies.
    n_matched
        Genes of the file that the model knows, of a mouse those with a human ortholog that it knows.
    n_covered
        Genes of the model that the file has.
    n_model
        Genes of the model.
    by
        How many were matched by `symbol`, `alias`, `ensembl`, and after mending the spelling
        (`respelled`: capitals, R's dots, the suffixes of repeated names, genome prefixes).
    n_duplicated
        Genes of the file that share a model gene with another; their counts are added up.
    dropped
        Examples of genes that the model does not know.
    species
        Whose genes these are, or seem to be.
    beside
        Another species whose genes are in the file and are left out, `""` for none.
    source
        `var_names` or the column of `.var` that was used.
    index
        For each feature of the file the model's gene, -1 for none.
    is_gene
        Which features of the file are genes.
    """

    n_file: int
    n_not_genes: int
    n_matched: int
    n_covered: int
    n_model: int
    by: Mapping[str, int]
    n_duplicated: int
    dropped: tuple[str, ...]
    species: str
    beside: str
    source: str
    index: NDArray[np.intp] = field(repr=False, compare=False)
    is_gene: NDArray[np.bool_] = field(repr=False, compare=False)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which genes of the model are in the file, `(n_model,)`."""
        found = np.zeros(self.n_model, dtype=bool)
        found[self.index[self.index >= 0]] = True
        return found

    @property
    def coverage(self) -> float:
        """Share of the model's genes that the file has."""
        return self.n_covered / self.n_model if self.n_model else 0.0

    @property
    def n_dropped(self) -> int:
        """Genes of the file that the model does not know."""
        return self.n_file - self.n_not_genes - self.n_matched

    def summary(self) -> dict[str, str | int | float | list[str]]:
        """Flat form, for `uns`."""
        return {
            "n_file": self.n_file,
            "n_not_genes": self.n_not_genes,
            "n_matched": self.n_matched,
            "n_covered": self.n_covered,
            "n_model": self.n_model,
            "coverage": self.coverage,
            **{f"by_{way}": number for way, number in self.by.items()},
            "n_duplicated": self.n_duplicated,
            "n_dropped": self.n_dropped,
            "dropped": list(self.dropped),
            "species": self.species,
            "beside": self.beside,
            "source": self.source,
        }

    def __str__(self) -> str:
        ways = ", ".join(f"{number} by {way}" for way, number in self.by.items() if number)
        n_genes = self.n_file - self.n_not_genes
        mouse = self.species == "mouse"
        through = ", through one-to-one orthologs" if mouse else ""
        matched = f"{self.n_matched} of {n_genes} genes matched from {self.source}"
        covered = f"{self.n_covered} of the model's {self.n_model} genes present"
        lines = [f"{matched} ({ways or 'none'}){through}", f"{covered} ({self.coverage:.0%})"]
        if self.n_dropped:
            without = (
                "without an ortholog that the model knows" if mouse else "unknown to the model"
            )
            lines.append(f"{self.n_dropped} {without}, such as {', '.join(self.dropped)}")
        if self.n_duplicated:
            lines.append(f"{self.n_duplicated} share a gene with another and are added up")
        if self.n_not_genes:
            lines.append(f"{self.n_not_genes} features are no genes and are left out")
        beside = f"; genes of a {self.beside} beside them are left out" if self.beside else ""
        return "\n".join([*lines, f"species: {self.species}{beside}"])
