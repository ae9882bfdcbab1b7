"""Asking the proteins of CITE-seq whether they agree with labels that were made from RNA."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._columns import read_full_column
from scmmgpt_tl._docs import doc_params
from scmmgpt_tl._keys import ProteinKeys
from scmmgpt_tl._results import Results, flat
from scmmgpt_tl._stream.part import Part
from scmmgpt_tl.proteins._agreement import DISAGREES, SILENT, SUPPORTS
from scmmgpt_tl.proteins._panel import UNMATCHED, read_panel
from scmmgpt_tl.proteins._read import NAMES, OBSM, read_proteins

from ._annotated import read_annotated
from ._chosen_model import load_judging, model_params
from ._on_files import takes_paths
from ._opened import open_cells
from ._protein_evidence import by_label, joint_annotation, weigh

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.proteins._panel import Panel

    from ._annotated import Annotated
    from ._on_files import Paths
    from ._protein_evidence import Evidence


@takes_paths(at_once=True, columns=["batch_key"], keys=["key", "protein_key"], also=[OBSM, NAMES])
@doc_params()
def proteins(
    adata: AnnData | MuData | Paths,
    *,
    key: str = "scmm_cell_type",
    protein_mod: str | None = None,
    protein_key: str | None = None,
    batch_key: str | None = None,
    joint: bool = False,
    model: Model | EncoderModel | str | Path | None = None,
    key_added: str | None = None,
    layer: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Ask the surface proteins of CITE-seq whether they agree with what :func:`annotate` said.

    The annotation is made from RNA and stays as it is. For each cell it is told beside it which
    proteins are as the label lets expect and which are not, and whether another label that was
    asked for fits them better.

    Antibodies are known by the names of their proteins (`"CD8a_TotalSeqB"`, `"PD-1 (CD279)"`). Who
    is positive is read from each sample: a mixture of two normal distributions of the centred
    log-ratios of each cell. An antibody whose cells do not part says nothing, so that a protein
    that all cells of a sample have, or none, is not heard. What to expect of a label is a table of
    lineage proteins of human blood and tissue cells, over the Cell Ontology; labels outside it are
    told nothing.

    What this finds and misses is measured in :ref:`the benchmarks <protein-benchmark>`.

    Parameters
    ----------
    adata
        Annotated cells with antibody counts: a MuData, or an AnnData with
        `obsm["protein_expression"]` (names as columns, or in `uns["protein_names"]`), or with
        `var["feature_types"]` that tells antibodies from genes. Or the path of a file that holds one
        of them, or a list of paths: each is left as it is, and its results go to a file beside it.
    key
        The `key_added` of an annotation of these cells.
    protein_mod
        Modality of the proteins; by default the one called `"prot"`, `"protein"`, `"adt"` or alike.
        Cells are matched by name; those without proteins are told nothing.
    protein_key
        Key of `.obsm` that holds them instead.
    batch_key
        Column of `.obs` that tells samples apart, which are stained and split one by one.
    joint
        Write another annotation too, in which the odds of each label against the one that RNA is
        most for are multiplied by what the proteins say on which the two differ. Its scores were not
        calibrated with proteins.
    model
        The one that the annotation was made with; `joint` alone needs it.
    key_added
        Key under which the results are stored; by default `key + "_protein"`.
    layer
        Layer of the antibody counts, by default `X`. Values that are no counts are taken as
        normalised.
    {mod}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`. Sets the following fields, beside the
    annotation:

    `adata.obs['scmm_cell_type_protein' | key_added]` : :class:`pandas.Series` (dtype `category`)
        `"disagrees"` where the label has a `score` below 0.1, `"supports"` where proteins are as
        expected, `"silent"` where they say too little or where the cell is unknown.
    `adata.obs['..._score']` : :class:`pandas.Series` (dtype `float32`)
        How probable the label is by proteins alone: against the label, other than those above and
        below it, for which the proteins speak most on which the two differ, or against none of the
        labels if that is less; 0.5 where they say nothing.
    `adata.obs['..._against']` : :class:`pandas.Series` (dtype `object`)
        What is not as expected, such as `"CD3 absent; CD19 present"`.
    `adata.obs['..._rival']` : :class:`pandas.Series` (dtype `category`)
        Where they disagree the label that fits best, `""` where none does.
    `adata.obsm['scmm_cell_type_protein' | key_added]` : :class:`pandas.DataFrame` (dtype `float32`)
        Probability that a cell is positive, for each protein that parts the cells; NaN where it
        does not in the cell's sample.
    `adata.uns['scmm_cell_type_protein' | key_added]` : :class:`dict`
        `params`; `antibodies`, a frame with `antibody`, `protein`, `genes` and `role`; `splits`, a
        frame with `batch`, `antibody`, `split` (`"split"` or why not), `limit`, `distance` and the
        `share` of positive cells; `labels`, a frame with `label`, `cl_id`, `n_cells`, how many of
        them each verdict has, `against` and `rival`; `expected`, a frame of labels x proteins.
    `adata.obs['..._joint']` and the other fields of :func:`annotate`
        With `joint`, the joint annotation, which `scmm.get` and `scmm.pl` take by
        `key="scmm_cell_type_protein_joint"`.

    Raises
    ------
    TypeError
        `protein_mod` is given for an AnnData.
    ValueError
        The cells are not annotated; there are no proteins, they have no names, their cells are
        others, or none of them is known; or with `joint` the model is another.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc_cite()
    >>> labels = ["CD4-positive, alpha-beta T cell", "CD8-positive, alpha-beta T cell"]
    >>> labels += ["B cell", "natural killer cell", "classical monocyte"]
    >>> scmm.tl.annotate(adata, labels)
    >>> scmm.tl.proteins(adata)
    >>> sorted(adata.obs["scmm_cell_type_protein"].cat.categories)
    ['disagrees', 'silent', 'supports']

    See Also
    --------
    scmmgpt_tl.get.protein_df : the results as frames.
    scmmgpt_tl.pl.proteins : what each label shows, and where that is not as expected.
    """
    keys = ProteinKeys(f"{key}_protein" if key_added is None else key_added)
    loaded = load_judging(model) if joint else None
    opened = open_cells(adata, copy=copy, mod=mod)
    cells = opened.adata
    annotated = read_annotated(cells, key, model=loaded)
    batches = _read_batches(cells, batch_key)
    measured = read_proteins(
        opened.source if isinstance(opened.source, Part) else opened.data,
        cells,
        protein_mod=protein_mod,
        protein_key=protein_key,
        layer=layer,
    )
    start = logg.info(f"reading {len(measured.antibodies)} antibodies of {cells.n_obs} cells")
    panel = read_panel(measured, batches)
    _tell(panel)
    cl = ontology.load()
    evidence = weigh(annotated, panel, ontology=cl)
    params = flat(
        {
            "key": key,
            "protein_mod": protein_mod,
            "protein_key": protein_key,
            "batch_key": batch_key,
            "joint": joint,
            "key_added": keys.key,
            "layer": layer,
            "mod": mod,
            "slot": measured.where,
            "values": "counts" if measured.is_linear else "normalised",
            "version": version("scmmgpt-tl"),
        }
    )
    results = _lay_out(keys, annotated, panel, evidence=evidence, params=params)
    if loaded is not None:
        more = {**params, **flat(model_params(loaded)), "key_added": keys.joint}
        both = joint_annotation(annotated, panel, loaded, ontology=cl, params=more)
        results = Results(
            obs={**results.obs, **both.obs},
            obsm={**results.obsm, **both.obsm},
            uns={**results.uns, **both.uns},
        )
    results.write(opened.found, start=start)
    return opened.data if copy else None


def _read_batches(adata: AnnData, batch_key: str | None) -> list[str]:
    if batch_key is None:
        return [""] * adata.n_obs
    return [str(batch) for batch in read_full_column(adata.obs, batch_key, argument="batch_key")]


def _tell(panel: Panel) -> None:
    unmatched = panel.table.loc[panel.table["role"] == UNMATCHED, "antibody"]
    if len(unmatched):
        names = ", ".join(unmatched)
        logg.warning(f"{len(unmatched)} antibodies are of no protein that is known: {names}")
    apart = panel.splits.loc[panel.splits["split"] == "split", "antibody"].nunique()
    logg.info(f"    {apart} of {panel.splits['antibody'].nunique()} part the cells in two")


def _lay_out(
    keys: ProteinKeys,
    annotated: Annotated,
    panel: Panel,
    *,
    evidence: Evidence,
    params: Mapping[str, Any],
) -> Results:
    found = evidence.agreement
    verdict = pd.Categorical(found.verdict, [SUPPORTS, DISAGREES, SILENT])
    logg.info(f"    {'; '.join(f'{n} {name}' for name, n in verdict.value_counts().items())}")
    positive = pd.DataFrame(
        panel.positive, index=annotated.cells.index, columns=list(panel.table["antibody"])
    )
    return Results(
        obs={
            keys.verdict: verdict,
            keys.score: found.score.astype(np.float32),
            keys.against: found.against,
            keys.rival: pd.Categorical(evidence.rivals),
        },
        obsm={keys.positive: positive.dropna(axis=1, how="all")},
        uns={
            keys.uns: {
                "params": params,
                "antibodies": panel.table,
                "splits": panel.splits,
                "labels": by_label(annotated, evidence),
                "expected": evidence.expected,
            }
        },
    )
