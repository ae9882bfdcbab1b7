"""Which of a file's genes does the model know?"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

import numpy as np

from scmmgpt_tl._docs import doc_params
from scmmgpt_tl._matrix import refuse_path
from scmmgpt_tl._warnings import warn

from ._gene_report import GeneReport
from ._names import WAYS, Match, Species, match_names
from ._species import UNKNOWN, Guess, guess_species, looks_like_mouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

Asked = Literal["auto", "human", "mouse"]

COVERED: tuple[Species, ...] = ("human", "mouse")
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


class _Attempt(NamedTuple):
    """Names of one source, what they seem to be, and the gene of each."""

    source: str
    names: list[str]
    guess: Guess
    matches: tuple[Match | None, ...]

    @property
    def worth(self) -> int:
        """Number of matches; names as they are written count twice those that were respelled."""
        return sum(2 - (match.way == "respelled") for match in self.matches if match is not None)


@doc_params()
def match_genes(
    adata: AnnData,
    *,
    genes: GeneTable | None = None,
    gene_symbols: str | None = None,
    species: Asked = "auto",
    min_genes: int = 25,
) -> GeneReport:
    """Match the genes of a file with those of a model.

    A gene is found by its symbol, its Ensembl id with or without version, an alias or previous
    symbol, and as a last resort in another spelling. A mouse gene is taken for its human ortholog,
    where it has one that is nobody else's.

    Parameters
    ----------
    adata
        Cells x genes; only `.var` is looked at.
    genes
        The model's genes; by default those of the model that ships with the package.
    {gene_symbols}
    {species}
    min_genes
        Fewest genes of the model that must be there.

    Returns
    -------
    A report; nothing is written.

    Raises
    ------
    TypeError
        It is a path: open the file first.
    ValueError
        If there is no such column, if the features are peaks of chromatin or the genes those of a
        species that is not covered, or if too few are known: under `min_genes`, or under a tenth of
        the genes of the file or the model, whichever has fewer.

    Warns
    -----
    UserWarning
        If genes of two species are in the file, and `species` does not say whose are meant.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> report = scmm.pp.match_genes(scmm.datasets.immune_mini())
    >>> report.source, report.species
    ('var_names', 'human')
    """
    if species not in {"auto", *COVERED}:
        msg = f"`species` must be 'auto', 'human' or 'mouse', not {species!r}."
        raise ValueError(msg)
    refuse_path(adata)
    genes = _default_genes() if genes is None else genes
    _refuse_peaks(adata.var_names)
    is_gene = _is_gene(adata.var)
    best = _best_source(adata.var, genes, is_gene, gene_symbols=gene_symbols, species=species)
    report = _report(best, is_gene, n_model=len(genes))
    # A tenth of whichever is fewer: a panel may be small, and so may a model.
    least = max(min_genes, _LOWEST_SHARE * min(int(is_gene.sum()), len(genes)))
    if report.n_covered < least:
        _refuse_few(report, best.names, genes, least=least)
    if report.beside:
        warn(
            f"{report.source} holds genes of a human and of a mouse; those of the mouse are left out. "
            'Pass `species="mouse"` to read these instead, or "human" if this is what you want.'
        )
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
    species: Asked,
) -> _Attempt:
    """Names from the asked column, else from where they match most genes, `var_names` first."""
    if gene_symbols is not None and gene_symbols not in {_VAR_NAMES, *var.columns}:
        msg = f"There is no column {gene_symbols!r} in `.var`. Columns: {list(var.columns)}."
        raise ValueError(msg)
    usual = [_VAR_NAMES, *(column for column in _COLUMNS if column in var)]
    tried = []
    for source in usual if gene_symbols is None else [gene_symbols]:
        names = _texts(var.index.to_series() if source == _VAR_NAMES else var[source])
        tried.append(_attempt(source, names, is_gene, genes=genes, species=species))
    best = max(tried, key=lambda attempt: attempt.worth)
    _refuse_others(best, tried)
    return best


def _attempt(
    source: str, names: list[str], is_gene: NDArray[np.bool_], *, genes: GeneTable, species: Asked
) -> _Attempt:
    """Match names as those of the species that is asked for, or that they seem to be of."""
    # What is no gene says nothing about genes.
    of_genes = tuple(name if ok else "" for name, ok in zip(names, is_gene, strict=True))
    return _Attempt(source, names, *_read(of_genes, genes, species))


# Tools that follow one another read the same names: 0.1 s for a whole transcriptome.
@lru_cache(maxsize=4)
def _read(
    names: tuple[str, ...], genes: GeneTable, species: Asked
) -> tuple[Guess, tuple[Match | None, ...]]:
    if species != "auto":
        return Guess(species), tuple(match_names(names, genes, species))
    found = match_names(names, genes)
    kept = [i for i, name in enumerate(names) if name]
    guess = guess_species([names[i] for i in kept], [found[i] for i in kept])
    if guess.species == "mouse":
        return guess, tuple(match_names(names, genes, "mouse"))
    if guess.beside:
        # The capitals of a human gene would make the mouse's of it.
        found = [
            None if looks_like_mouse(name) and match and match.way == "respelled" else match
            for name, match in zip(names, found, strict=True)
        ]
    return guess, tuple(found)


def _refuse_others(best: _Attempt, tried: Sequence[_Attempt]) -> None:
    """Refuse species that are not covered, unless their genes have human names already."""
    human = sum(match is not None and match.way != "respelled" for match in best.matches)
    if best.guess.species == "human" and human > 0.5 * len(best.names):
        return
    for attempt in (best, *tried):
        if attempt.guess.species not in {*COVERED, UNKNOWN}:
            msg = (
                f"These look like genes of another species, {attempt.guess.species} (such as "
                f"{', '.join(attempt.names[:_SHOWN])} in {attempt.source}); covered are human and, "
                "through one-to-one orthologs, mouse. Replace them by their human orthologs first, "
                'or pass `species="human"` or "mouse" if that is what they are.'
            )
            raise ValueError(msg)


def _texts(column: pd.Series) -> list[str]:
    return ["" if missing else str(x) for x, missing in zip(column, column.isna(), strict=True)]


def _report(best: _Attempt, is_gene: NDArray[np.bool_], *, n_model: int) -> GeneReport:
    matches, names = best.matches, best.names
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
        species=best.guess.species,
        beside=best.guess.beside,
        source=best.source,
        index=index,
        is_gene=is_gene,
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


def _refuse_few(
    report: GeneReport, names: Sequence[str], genes: GeneTable, *, least: float
) -> NoReturn:
    whose = "mouse " if report.species == "mouse" else ""
    shown = ", ".join(names[:_SHOWN]) or "none"
    msg = (
        f"Only {report.n_matched} of {report.n_file - report.n_not_genes} {whose}genes are known to "
        f"the model; {math.ceil(least)} are needed. The file has {shown} in "
        f"{report.source}; the model has {', '.join(genes.symbols[:_SHOWN])}. "
        "Pass `gene_symbols=` to name the column of `.var` with symbols or Ensembl ids."
    )
    raise ValueError(msg)
