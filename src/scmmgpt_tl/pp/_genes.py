"""Which of a file's genes does the model know?"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from scmmgpt_tl._docs import doc_params

from ._names import WAYS, Match, Species, guess_species, match_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

_VAR_NAMES = "var_names"
_COLUMNS = (
    "gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "feature_id",
    "gene_symbols", "gene_symbol", "gene_name", "gene_names", "feature_name", "symbol",
)  # fmt: skip
_TYPES = ("feature_types", "feature_type", "feature_biotype")
_NO_GENES = {
    "antibody capture", "antigen capture", "crispr guide capture", "custom", "multiplexing capture",
    "peaks", "protein", "spike-in", "vdj", "vdj-b", "vdj-t",
}  # fmt: skip
_PEAK = re.compile(r"^(?:chr)?(?:\d{1,2}|[XYM]|MT)[:_-]\d+[_-]\d+$", re.IGNORECASE)
_LOWEST_SHARE = 0.1
_SHOWN = 5


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
        Genes of the file that the model knows.
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
        Whose genes these seem to be.
    source
        `var_names` or the column of `.var` that was used.
    index
        For each feature of the file the model's gene, -1 for none.
    """

    n_file: int
    n_not_genes: int
    n_matched: int
    n_covered: int
    n_model: int
    by: Mapping[str, int]
    n_duplicated: int
    dropped: tuple[str, ...]
    species: Species
    source: str
    index: NDArray[np.intp] = field(repr=False, compare=False)

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
            "source": self.source,
        }

    def __str__(self) -> str:
        ways = ", ".join(f"{number} by {way}" for way, number in self.by.items() if number)
        n_genes = self.n_file - self.n_not_genes
        matched = f"{self.n_matched} of {n_genes} genes matched from {self.source}"
        covered = f"{self.n_covered} of the model's {self.n_model} genes present"
        lines = [f"{matched} ({ways or 'none'})", f"{covered} ({self.coverage:.0%})"]
        if self.n_dropped:
            lines.append(
                f"{self.n_dropped} unknown to the model, such as {', '.join(self.dropped)}"
            )
        if self.n_duplicated:
            lines.append(f"{self.n_duplicated} share a gene with another and are added up")
        if self.n_not_genes:
            lines.append(f"{self.n_not_genes} features are no genes and are left out")
        return "\n".join([*lines, f"species: {self.species}"])


@doc_params()
def match_genes(
    adata: AnnData,
    *,
    genes: GeneTable | None = None,
    gene_symbols: str | None = None,
    min_genes: int = 25,
) -> GeneReport:
    """Match the genes of a file with those of a model.

    A gene is found by its symbol, its Ensembl id with or without version, an alias or previous
    symbol, and as a last resort in another spelling.

    Parameters
    ----------
    adata
        Cells x genes; only `.var` is looked at.
    genes
        The model's genes; by default those of the model that ships with the package.
    {gene_symbols}
    min_genes
        Fewest genes of the model that must be there.

    Returns
    -------
    A report; nothing is written.

    Raises
    ------
    ValueError
        If there is no such column, if the features are peaks of chromatin or the genes those of a
        mouse, or if too few are known: under
        `min_genes`, or under a tenth of the genes of the file or the model, whichever has fewer.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> report = scmm.pp.match_genes(scmm.datasets.immune_mini())
    >>> report.source, report.species
    ('var_names', 'human')
    """
    genes = _default_genes() if genes is None else genes
    _refuse_peaks(adata.var_names)
    is_gene = _is_gene(adata.var)
    source, names, matches = _best_source(adata.var, genes, is_gene, gene_symbols=gene_symbols)
    kept = np.flatnonzero(is_gene)
    species = guess_species([names[i] for i in kept], [matches[i] for i in kept])
    report = _report(names, matches, is_gene, source=source, species=species, n_model=len(genes))
    if species == "mouse":
        _refuse_mouse(report, names)
    # A tenth of whichever is fewer: a panel may be small, and so may a model.
    least = max(min_genes, _LOWEST_SHARE * min(int(is_gene.sum()), len(genes)))
    if report.n_covered < least:
        _refuse_few(report, names, genes, least=least)
    return report


@cache
def _default_genes() -> GeneTable:
    from scmmgpt_tl.model.genes import GeneTable

    return GeneTable.read(Path(__file__).parents[1] / "models" / "default" / "genes.tsv")


def _is_gene(var: pd.DataFrame) -> NDArray[np.bool_]:
    is_gene = np.ones(len(var), dtype=bool)
    for column in _TYPES:
        if column in var:
            is_gene &= ~var[column].astype(str).str.lower().isin(_NO_GENES).to_numpy()
    return is_gene


def _best_source(
    var: pd.DataFrame,
    genes: GeneTable,
    is_gene: NDArray[np.bool_],
    *,
    gene_symbols: str | None,
) -> tuple[str, list[str], list[Match | None]]:
    """Names from the asked column, else from where they match most genes, `var_names` first."""
    if gene_symbols is not None and gene_symbols not in {_VAR_NAMES, *var.columns}:
        msg = f"There is no column {gene_symbols!r} in `.var`. Columns: {list(var.columns)}."
        raise ValueError(msg)
    usual = [_VAR_NAMES, *(column for column in _COLUMNS if column in var)]
    tried = []
    for source in usual if gene_symbols is None else [gene_symbols]:
        names = _texts(var.index.to_series() if source == _VAR_NAMES else var[source])
        found = match_names(names, genes)
        tried.append(
            (source, names, [m if ok else None for m, ok in zip(found, is_gene, strict=True)])
        )
    return max(tried, key=lambda attempt: _worth(attempt[2]))


def _texts(column: pd.Series) -> list[str]:
    return ["" if missing else str(x) for x, missing in zip(column, column.isna(), strict=True)]


def _worth(matches: Sequence[Match | None]) -> int:
    """Number of matches; names as they are written count twice those that were respelled."""
    return sum(2 - (match.way == "respelled") for match in matches if match is not None)


def _report(
    names: Sequence[str],
    matches: Sequence[Match | None],
    is_gene: NDArray[np.bool_],
    *,
    source: str,
    species: Species,
    n_model: int,
) -> GeneReport:
    index = np.array([-1 if match is None else match.gene for match in matches], dtype=np.intp)
    ways = Counter(match.way for match in matches if match is not None)
    per_gene = np.bincount(index[index >= 0], minlength=n_model)
    return GeneReport(
        n_file=len(names),
        n_not_genes=int((~is_gene).sum()),
        n_matched=int((index >= 0).sum()),
        n_covered=int((per_gene > 0).sum()),
        n_model=n_model,
        by={way: ways[way] for way in WAYS},
        n_duplicated=int(per_gene[per_gene > 1].sum()),
        dropped=tuple(names[i] for i in np.flatnonzero((index < 0) & is_gene)[:_SHOWN]),
        species=species,
        source=source,
        index=index,
    )


def _refuse_peaks(names: pd.Index) -> None:
    shown = [str(name) for name in names[:_SHOWN]]
    if shown and all(_PEAK.match(name) for name in shown):
        msg = (
            f"These are peaks of chromatin (such as {', '.join(shown[:2])}), not genes. Count "
            "fragments in and before each gene first, for example by `snapatac2.pp.make_gene_matrix` "
            "or `muon.atac.tl.count_fragments_features`, and annotate that."
        )
        raise ValueError(msg)


def _refuse_mouse(report: GeneReport, names: Sequence[str]) -> NoReturn:
    msg = (
        f"These look like mouse genes (such as {', '.join(names[:_SHOWN])} in {report.source}); "
        "the model knows human genes. Replace them by their human orthologues first."
    )
    raise ValueError(msg)


def _refuse_few(
    report: GeneReport, names: Sequence[str], genes: GeneTable, *, least: float
) -> NoReturn:
    msg = (
        f"Only {report.n_matched} of {report.n_file - report.n_not_genes} genes are known to the "
        f"model; {math.ceil(least)} are needed. The file has {', '.join(names[:_SHOWN])} in "
        f"{report.source}; the model has {', '.join(genes.symbols[:_SHOWN])}. "
        "Pass `gene_symbols=` to name the column of `.var` with symbols or Ensembl ids."
    )
    raise ValueError(msg)
