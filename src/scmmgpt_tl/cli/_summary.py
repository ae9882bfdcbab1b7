"""What came out of a run, in words and small tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get

from ._say import paragraph, table

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def annotation(adata: AnnData, key: str) -> str:
    """Count the cells of each label, and tell why some are unknown."""
    found = get.annotation_df(adata, key=key)
    counts = found["label"].astype(str).value_counts()
    unknown = int(counts.pop("unknown")) if "unknown" in counts else 0
    rows = [("label", "cells", "share")]
    rows += [(name, f"{n:,}", f"{n / len(found):.1%}") for name, n in counts.items()]
    reasons = found.loc[found["label"].astype(str) == "unknown", "reason"].astype(str)
    because = ", ".join(f"{n:,} {reason}" for reason, n in reasons.value_counts().items())
    share = unknown / max(len(found), 1)
    last = f"unknown: {unknown:,} of {len(found):,} cells ({share:.1%})"
    return "\n".join([table(rows, right=[1, 2]), f"{last}: {because}" if because else last])


def refined(adata: AnnData, key: str, before: str) -> str:
    """Count the cells of each label, and those that had another one before."""
    labels = [get.annotation_df(adata, key=name)["label"].astype(str) for name in (before, key)]
    changed = int((labels[0] != labels[1]).sum())
    return f"{annotation(adata, key)}\nother than {before}: {changed:,} cells"


def integrated(adata: AnnData, key: str) -> str:
    """Count the cells of each batch, and the labels that scANVI was shown."""
    record = adata.uns[key]
    batches = record["batches"]
    rows = [("batch", "cells")]
    rows += [(row.batch, f"{row.n_cells:,}") for row in batches.itertuples()]
    lines = [table(rows, right=[1]), f"obsm[{key!r}]: {adata.obsm[key].shape[1]} numbers a cell"]
    if "seeds" in record:
        seeds = record["seeds"]
        lines.append(f"shown to scANVI: {seeds['n_cells'].sum():,} cells of {len(seeds)} labels")
    return "\n".join(lines)


def explained(adata: AnnData, key: str, *, most: int = 20, n_genes: int = 6) -> str:
    """Show the first genes for each label, and against it, of the first cells or groups."""
    genes, overview = (
        get.explanation_df(adata, key=key, overview=whole) for whole in (False, True)
    )
    lines = []
    for row in overview.head(most).itertuples(index=False):
        own = genes[genes[overview.columns[0]] == row[0]]
        speaks_for = own["attribution"] > 0
        lines.append(f"{row[0]}: {row.label} against {row.against}, log-odds {row.log_odds:.2f}")
        for word, side in (("for", speaks_for), ("against", ~speaks_for)):
            named = ", ".join(own.loc[side, "gene"].head(n_genes))
            lines.append(paragraph(f"{word} it: {named or 'nothing'}"))
    if len(overview) > most:
        lines.append(f"and {len(overview) - most:,} more")
    return "\n".join(lines)


def words(adata: AnnData, key: str) -> str:
    """Show what each word of a query pulls."""
    pulls = get.explanation_df(adata, key=key)
    rows = [("word", "pull"), *zip(pulls["word"], pulls["pull"].map("{:.3f}".format), strict=True)]
    return table(rows, right=[1])


def proteins(adata: AnnData, key: str) -> str:
    """Count what proteins say of the cells of each label, and name what no protein is known of."""
    found = get.protein_df(adata, key=key, table="labels")
    rows = [("label", "cells", "supports", "disagrees", "silent", "not as expected")]
    rows += [(row.label, *(f"{n:,}" for n in row[3:7]), row.against) for row in found.itertuples()]
    antibodies = get.protein_df(adata, key=key, table="antibodies")
    unknown = antibodies.loc[antibodies["role"] == "unknown name", "antibody"]
    last = f"\nantibodies of unknown name: {', '.join(unknown)}" if len(unknown) else ""
    return table(rows, right=[1, 2, 3, 4]) + last


def descriptions(adata: AnnData, key: str, *, most: int = 20) -> str:
    """Show the description of each group, of the first groups where there are many."""
    found = get.description_df(adata, key=key)
    lines = []
    for row in found.head(most).itertuples(index=False):
        lines += [f"{row.group} ({row.n_cells:,} cells): {row.label}", paragraph(row.description)]
    if len(found) > most:
        lines.append(f"and {len(found) - most:,} more")
    return "\n".join(lines)


def account(adata: AnnData, key: str) -> str:
    """Show the sentences of a comparison, each with its evidence."""
    statements = get.comparison_df(adata, key=key)
    return "\n".join(
        f"{paragraph(row.sentence)}\n{paragraph('(' + row.evidence.rstrip('.') + ')')}"
        for row in statements.itertuples()
    )


def mixture(adata: AnnData, key: str, *, most: int = 12) -> str:
    """Show the mean share of each label, and where it is the largest."""
    shares = get.mixture_df(adata, key=key)
    largest = shares.idxmax(axis=1).value_counts()
    rows = [("label", "mean share", "largest in")]
    for name, share in shares.mean().nlargest(most).items():
        rows.append((str(name), f"{share:.1%}", f"{largest.get(name, 0):,}"))
    return table(rows, right=[1, 2])


def found(score: pd.Series, query: str, *, most: int = 5) -> str:
    """Show the cells that a search found first."""
    best = score.nlargest(most)
    rows = [("cell", "score"), *((name, f"{value:.3f}") for name, value in best.items())]
    return f"nearest to {query!r}:\n{table(rows, right=[1])}"
