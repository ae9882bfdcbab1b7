"""How well scores of gene sets tell the cells of a type from the others of a data set."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import anndata as ad
import decoupler as dc
import numpy as np
import pandas as pd
import scanpy as sc
from _data import read_query
from _panel import log_cp10k
from sklearn.metrics import roc_auc_score

import scmmgpt_tl as scmm
from scmmgpt_tl import get, ontology

if TYPE_CHECKING:
    from pathlib import Path

    from _data import Study

    from scmmgpt_tl.model import Model

RESOURCE = "PanglaoDB"
FEWEST_CELLS, FEWEST_MARKERS, N_NEAREST = 5, 5, 20
# A neighbour of the markers counts less than a marker.
NEAREST_WEIGHT = 0.5


def score_types(study: Study, markers: Path, *, model: Model) -> list[dict[str, object]]:
    """Score a study's cells for the markers of its types, in several ways.

    Parameters
    ----------
    study
        Its cells.
    markers
        Table of the Cell Marker Accordion; the rows of PanglaoDB are used.
    model
        Of the tool.

    Returns
    -------
    A row for each type that has cells and markers enough, and each way: `type`, `method`, `auroc`.
    """
    query = read_query(study, model.genes)
    columns = np.flatnonzero(query.measured)
    symbols = [model.genes.symbols[i] for i in columns]
    sets = read_markers(markers, study, symbols)
    if not sets:
        return []
    cells = ad.AnnData(
        log_cp10k(query.counts, query.measured)[:, columns].tocsr().astype(np.float32),
        obs=pd.DataFrame(index=study.adata.obs_names.astype(str)),
        var=pd.DataFrame(index=symbols),
    )
    cl, terms = ontology.load(), study.terms()
    rows = []
    for way, scores in _ways(study, cells, sets, model=model).items():
        for column, term in enumerate(sets):
            if np.isnan(scores[:, column]).any():
                continue
            truth = np.isin(terms, [term, *cl.descendants(term)])
            auroc = float(roc_auc_score(truth, scores[:, column]))
            rows.append({"type": cl.name(term), "method": way, "auroc": auroc})
    return rows


def read_markers(path: Path, study: Study, symbols: list[str]) -> dict[str, list[str]]:
    """Return measured markers of the study's types, by term.

    A type needs a few cells that are one, and a few that are none.
    """
    cl, terms = ontology.load(), study.terms()
    raw = pd.read_csv(path, low_memory=False)
    kept = (raw["species"] == "Human") & (raw["marker_type"] == "positive")
    raw = raw[kept & (raw["resource"] == RESOURCE) & raw["marker"].isin(symbols)]
    found = {}
    for term in sorted(set(terms) - {""}):
        own = sorted(raw.loc[raw["cell_type_id"] == term, "marker"].unique())
        n = int(np.isin(terms, [term, *cl.descendants(term)]).sum())
        if len(own) >= FEWEST_MARKERS and FEWEST_CELLS <= n <= len(terms) - FEWEST_CELLS:
            found[term] = own
    return found


def _ways(
    study: Study, cells: ad.AnnData, sets: dict[str, list[str]], *, model: Model
) -> dict[str, np.ndarray]:
    """Scores (cells, sets) by the name of the way."""
    cl = ontology.load()

    def ours(given: dict[str, object]) -> np.ndarray:
        adata = study.adata.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            scmm.tl.score_gene_sets(adata, given, counts=study.counts, model=model)
        return adata.obsm["scmm_gene_sets"].reindex(columns=list(sets)).to_numpy()

    measured = set(cells.var_names)
    nearest, described = {}, {}
    for term, own in sets.items():
        near = get.nearest_genes(own, N_NEAREST, model=model)["gene"]
        nearest[term] = dict.fromkeys(near, NEAREST_WEIGHT) | dict.fromkeys(own, 1.0)
        found = get.genes_of(cl.name(term), by="description", model=model)["gene"]
        # A small panel may have measured none: then there is no score.
        if any(gene in measured for gene in found):
            described[term] = list(found)
    ways = {
        "markers": ours(sets),
        "markers_nearest": ours(nearest),
        "name": ours({term: cl.name(term) for term in sets}),
        **({"name_description": ours(described)} if described else {}),
    }
    for term, own in sets.items():
        sc.tl.score_genes(cells, own, score_name=term, ctrl_size=50, random_state=0)
    ways["scanpy"] = cells.obs[list(sets)].to_numpy()
    network = pd.DataFrame([(t, gene, 1.0) for t, own in sets.items() for gene in own])
    network.columns = ["source", "target", "weight"]
    frame = pd.DataFrame(cells.X.toarray(), index=cells.obs_names, columns=cells.var_names)
    found = dc.mt.aucell(data=frame, net=network, tmin=1, empty=False, verbose=False)
    ways["aucell"] = (found[0] if isinstance(found, tuple) else found)[list(sets)].to_numpy()
    return ways
