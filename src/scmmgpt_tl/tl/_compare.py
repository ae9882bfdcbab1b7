"""Saying in words how two groups of cells differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import ComparisonKeys
from scmmgpt_tl._results import Results

from ._comparison.account import (
    CAUTION,
    FACT,
    Statement,
    about_genes,
    about_kinds,
    about_sets,
    about_shares,
    about_texts,
    lay_out,
)
from ._comparison.cautions import about_cautions
from ._comparison.compared import read_compared, read_texts
from ._comparison.comparison_tables import comparison_tables
from ._comparison.two_groups import choose_units, read_two_groups
from ._on_files import takes_paths
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._comparison.compared import Compared
    from ._comparison.two_groups import TwoGroups, Units
    from ._on_files import Paths

MOST_SETS, MOST_TEXTS = 2, 5


@takes_paths(at_once=True, columns=["groupby", "batch_key", "labels_key"])
@doc_params(adata=ADATA_OR_PATH)
def compare(
    adata: AnnData | MuData | Paths,
    a: str | Sequence[str] | ArrayLike,
    b: str | Sequence[str] | ArrayLike | None = None,
    *,
    groupby: str | None = None,
    batch_key: str | None = None,
    labels_key: str | None = None,
    terms: Sequence[str] | None = None,
    gene_sets: Mapping[str, Sequence[str]] | None = None,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_comparison",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Write an account of how two groups of cells differ, with the evidence beside every sentence.

    Which cell types are commoner in either, where the Cell Ontology parts them, which genes are
    higher and what these are known to mark, which texts fit one better, and what stands against
    reading too much into it. No sentence is written by a language model, and none without numbers of
    its own; the same cells give the same account. A difference is told only where a test is sure of
    it (`q` below 0.01) and where it is not small.

    :ref:`The benchmarks <comparison-benchmark>` say how often a difference is told between random
    halves of one group, and what is told of cells before and after a known stimulus.

    Parameters
    ----------
    {adata}
    a, b
        A group of `groupby`, or several that are taken together; without `groupby`, masks over the
        cells. Without `b`, all other cells that have a group.
    groupby
        Column of `.obs` with the groups.
    batch_key
        Column of `.obs` with donors, samples or runs. Where three hold ten cells of either group,
        they are compared and not cells: the counts of genes are added up first (pseudobulk), and
        the batches are paired where three hold both groups. Name it where you can: cells of one
        donor are not independent of each other.
    labels_key
        Column of `.obs` with cell types; by default the model names them, as :func:`annotate`.
    terms
        Texts to compare the groups by, such as `"cell responding to interferon"`. By default the
        model's own labels.
    gene_sets
        Names of sets of genes, such as pathways, and their symbols.
    {model}
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {batch_size}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`, of a path the results without the genes.
    Sets the following fields:

    `adata.obs['scmm_comparison' | key_added]` : :class:`pandas.Series` (dtype `category`)
        Name of the group of each cell that was compared, `""` for others.
    `adata.uns['scmm_comparison' | key_added]` : :class:`dict`
        `params` of the call; `genes`, the report of the gene matching; `account`, the text; and as
        frames: `statements` (`topic`, `kind`, `sentence`, `evidence`), `cells`, `types`,
        `differing_genes`, `markers`, `gene_sets` and `texts`, the tables that they are read from.
        In these, `a` is the first group and `b` the second.

    Raises
    ------
    ValueError
        A group, a column, the values or the genes cannot be used; the message says why.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> blood = scmm.datasets.pbmc68k()
    >>> scmm.tl.compare(blood, "CD19+ B", "CD56+ NK", groupby="bulk_labels", counts="lognorm")
    >>> statements = scmm.get.comparison_df(blood)
    >>> list(statements)
    ['topic', 'kind', 'sentence', 'evidence']

    See Also
    --------
    describe : what one group is, in the words of the model.
    """
    keys = ComparisonKeys(key_added)
    _check(terms, gene_sets)
    session = open_session(
        adata,
        model=model,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=copy,
    )
    obs = session.adata.obs
    groups = read_two_groups(obs, a, b, groupby=groupby)
    for column, name in ((batch_key, "batch_key"), (labels_key, "labels_key")):
        _check_column(obs, column, name)
    rows = np.flatnonzero(groups.code >= 0)
    names = " and ".join(map(repr, groups.names))
    start = logg.info(f"comparing {names}: {len(rows)} cells")
    part = replace(session, prepared=replace(session.prepared, rows=rows))
    texts, vectors = read_texts(terms, session.model)
    cells, table = read_compared(
        part,
        groups,
        rows,
        vectors=vectors,
        columns=(batch_key, labels_key),
        batch_size=batch_size,
    )
    units = choose_units(cells.batch, cells.code)
    tables = comparison_tables(
        cells, units, texts=texts, model=session.model, gene_sets=gene_sets or {}
    )
    statements = lay_out(
        _write(groups, tables, units, cells=cells, table=table, own_texts=terms is None)
    )
    params = session.params(
        a=_as_given(a),
        b=_as_given(b),
        groupby=groupby,
        batch_key=batch_key,
        labels_key=labels_key,
        terms=None if terms is None else list(terms),
        gene_sets=None if gene_sets is None else list(gene_sets),
        key_added=key_added,
    )
    record = {
        "params": params,
        "genes": session.prepared.gene_report.summary(),
        "account": " ".join(statements["sentence"]),
        "statements": statements,
        "cells": table,
        **tables,
    }
    column = pd.Categorical(np.array([*groups.names, ""], dtype=object)[groups.code])
    Results(obs={keys.obs: column}, uns={keys.uns: record}).write(session.found, start=start)
    return session.data if copy else None


def _write(
    groups: TwoGroups,
    tables: Mapping[str, pd.DataFrame],
    units: Units,
    *,
    cells: Compared,
    table: pd.DataFrame,
    own_texts: bool,
) -> list[Statement]:
    cl = ontology.load()
    # A group may be called as a type is.
    names = [f'"{name}"' for name in groups.names]
    table = table.assign(group=names)
    types = tables["types"]
    ids = {label: cl.resolve(label) or "" for label in types["label"]}
    shown = " and ".join(f"{row.n_cells:,} cells of {row.group}" for row in table.itertuples())
    found = [
        Statement(
            "cells",
            FACT,
            f"This compares {shown}.",
            "; ".join(
                f"{row.group}: median {row.counts:,.0f} counts of {row.genes:,.0f} genes a cell"
                for row in table.itertuples()
            )
            + ".",
        )
    ]
    found += about_kinds(types, names, ids=ids, ontology=cl)
    found += about_shares(types, names, units)
    found += about_genes(tables["differing_genes"], names, units)
    for side, name in zip("ab", names, strict=True):
        for topic, key, of_what in (
            ("markers", "markers", "known markers of"),
            ("gene sets", "gene_sets", "of the set"),
        ):
            own = tables[key][tables[key]["higher_in"] == side]
            found += about_sets(own, name, topic=topic, of_what=of_what, most=MOST_SETS)
    most = MOST_TEXTS if own_texts else len(tables["texts"])
    found += about_texts(tables["texts"], names, units, most=most)
    batches = None if cells.batch is None else pd.crosstab(cells.batch.astype(str), cells.code)
    found += about_cautions(table, units, batches=batches, shares=types)
    if not own_texts:
        found.append(
            Statement(
                "caution",
                CAUTION,
                "The model was taught kinds of cells: texts of what else cells do or undergo may fit "
                "the wrong group better.",
                f"{len(tables['texts'])} texts of the user's were compared.",
            )
        )
    return found


def _as_given(group: object) -> str | list[str] | None:
    if group is None or isinstance(group, str):
        return group
    array = np.asarray(group)
    return (
        f"mask of {int(array.sum())} cells" if array.dtype == np.bool_ else [*map(str, array.flat)]
    )


def _check(terms: Sequence[str] | None, gene_sets: Mapping[str, Sequence[str]] | None) -> None:
    if isinstance(terms, str) or (terms is not None and not all(str(t).strip() for t in terms)):
        msg = f"`terms` must be a list of texts, none of them empty, not {terms!r}."
        raise ValueError(msg)
    if terms is not None and not len(terms):
        msg = "`terms` is empty. Name at least one text, or leave it out."
        raise ValueError(msg)
    sets = gene_sets or {}
    # A string would be a set of letters.
    if not isinstance(sets, Mapping) or not all(
        isinstance(genes, Iterable) and not isinstance(genes, str) for genes in sets.values()
    ):
        msg = "`gene_sets` must be a dict of names, each with a list of gene symbols."
        raise ValueError(msg)


def _check_column(obs: pd.DataFrame, column: str | None, name: str) -> None:
    if column is not None and column not in obs:
        msg = (
            f"Did not find .obs[{column!r}] of `{name}`. "
            f"Choose from {', '.join(map(repr, obs.columns))}."
        )
        raise ValueError(msg)
