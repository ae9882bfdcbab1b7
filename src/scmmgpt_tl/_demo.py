"""The main job on real cells that ship with the package: `python -m scmmgpt_tl._demo [FOLDER]`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from scmmgpt_tl.model.model import Model

QUERY = "cytotoxic lymphocyte that kills infected cells"
LABELS = "bulk_labels"

# What the authors of the blood cells called them, in terms of the Cell Ontology.
GIVEN = {
    "CD14+ Monocyte": "CL:0001054",
    "CD19+ B": "CL:0000236",
    "CD34+": "CL:0008001",
    "CD4+/CD25 T Reg": "CL:0000792",
    "CD4+/CD45RA+/CD25- Naive T": "CL:0000895",
    "CD4+/CD45RO+ Memory": "CL:0000897",
    "CD56+ NK": "CL:0000623",
    "CD8+ Cytotoxic T": "CL:0000794",
    "CD8+/CD45RA+ Naive Cytotoxic": "CL:0000900",
    "Dendritic": "CL:0000451",
}


def main(folder: Path) -> None:
    """Annotate both data sets, print what was found, leave files and pictures in the folder."""
    import matplotlib as mpl

    mpl.use("agg")
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    model = scmm.load_model()
    loaded = time.perf_counter() - start
    print(f"Model {model.name!r} (revision {model.revision}) on {model.device}: {loaded:.1f} s")
    immune(folder, model)
    blood(folder, model)
    seconds = time.perf_counter() - start
    print(f"\nEverything took {seconds:.0f} s. The files are in {folder.resolve()}")


def immune(folder: Path, model: Model) -> None:
    """Ask unlabelled immune cells what they are."""
    import scanpy as sc

    adata = scmm.datasets.immune_mini()
    title(f"Immune cells without labels: {adata.n_obs} cells x {adata.n_vars} genes")
    print(scmm.pp.check_counts(adata))
    print(scmm.pp.match_genes(adata, genes=model.genes))

    timed("annotate", adata, lambda: scmm.tl.annotate(adata, model=model))
    timed("embed", adata, lambda: scmm.tl.embed(adata, model=model))
    timed("search", adata, lambda: scmm.tl.search(adata, QUERY, model=model))
    print_composition(adata)
    print_best(adata)

    scmm.tl.describe(adata, "scmm_cell_type", model=model)
    print_descriptions(adata)

    sc.pp.neighbors(adata, use_rep="X_scmm")
    sc.tl.umap(adata)
    save(scmm.pl.embedding(adata, return_fig=True), folder / "immune_cell_types.png")
    save(scmm.pl.search(adata, return_fig=True), folder / "immune_search.png")
    save(scmm.pl.descriptions(adata, return_fig=True), folder / "immune_descriptions.png")
    adata.write_h5ad(folder / "immune_annotated.h5ad")


def blood(folder: Path, model: Model) -> None:
    """Compare with the labels that blood cells came with."""
    adata = scmm.datasets.pbmc68k()
    title(f"Blood cells with labels: {adata.n_obs} cells x {adata.n_vars} genes, log-normalised")
    annotate = scmm.tl.annotate
    timed("annotate", adata, lambda: annotate(adata, model=model, counts="lognorm"))
    print_composition(adata)
    print_agreement(adata, "scmm_cell_type")

    key = "scmm_group_type"
    annotate(adata, groupby=LABELS, model=model, counts="lognorm", key_added=key)
    print(f"\nOne label for each group of {LABELS!r}:")
    groups = scmm.get.annotation_df(adata, key=key, groups=True)
    print(
        groups[["group", "label", "score", "support", "agreement", "n_cells"]]
        .round(2)
        .to_string(index=False)
    )
    print_agreement(adata, key)

    save(scmm.pl.embedding(adata, return_fig=True), folder / "blood_cell_types.png")
    save(scmm.pl.scores(adata, LABELS, return_fig=True), folder / "blood_scores.png")
    save(scmm.pl.support(adata, key=key, return_fig=True), folder / "blood_support.png")
    adata.write_h5ad(folder / "blood_annotated.h5ad")


def agreement(adata: AnnData, key: str) -> pd.DataFrame:
    """Hold labels against the given ones.

    Returns
    -------
    One row per given label: `cells`, and the shares `agrees` (the same term, or one above or
    below it in the ontology) and `unknown`.
    """
    ontology = scmm.ontology.load()
    found = scmm.get.annotation_df(adata, key=key)["cl_id"].astype(str).to_numpy()
    given = adata.obs[LABELS].astype(str).to_numpy()
    pairs = [(GIVEN[a], b) for a, b in zip(given, found, strict=True)]
    agrees = [
        bool(b) and (a == b or a in ontology.ancestors(b) or b in ontology.ancestors(a))
        for a, b in pairs
    ]
    table = pd.DataFrame({"given": given, "agrees": agrees, "unknown": found == ""})
    shares = table.groupby("given")[["agrees", "unknown"]].mean()
    shares.insert(0, "cells", table["given"].value_counts())
    return shares


def print_agreement(adata: AnnData, key: str) -> None:
    """Print :func:`agreement` with a line for all cells."""
    shares = agreement(adata, key)
    weighted = (
        shares[["agrees", "unknown"]].mul(shares["cells"], axis=0).sum() / shares["cells"].sum()
    )
    print("\nShare of cells whose label is the given one, or above or below it in the ontology:")
    print(shares.round(2).to_string())
    print(f"All cells: {weighted['agrees']:.1%} agree, {weighted['unknown']:.1%} are unknown")


def print_composition(adata: AnnData) -> None:
    """Print how many cells of which type there are."""
    table = scmm.get.annotation_df(adata)
    by_label = table.groupby("label", observed=True)["score"].agg(["size", "mean"])
    by_label = by_label.sort_values("size", ascending=False).rename(
        columns={"size": "cells", "mean": "mean score"}
    )
    print(f"\n{(table['label'] != 'unknown').sum()} of {len(table)} cells have a label:")
    print(by_label.round(2).to_string(index_names=False))


def print_best(adata: AnnData) -> None:
    """Print the labels of the cells that the query found first."""
    best = adata.obs.nlargest(10, "scmm_search")
    labels = best["scmm_cell_type"].astype(str).value_counts()
    text = ", ".join(f"{n} x {name}" for name, n in labels.items())
    print(f"\nThe ten cells nearest to {QUERY!r}: {text}")


def print_descriptions(adata: AnnData) -> None:
    """Print the description of the largest groups."""
    table = scmm.get.description_df(adata).nlargest(4, "n_cells")
    for row in table.itertuples(index=False):
        print(
            f"\n{row.group} ({row.n_cells} cells; top genes {row.top_genes})\n    {row.description}"
        )


def timed(name: str, adata: AnnData, run: Callable[[], object]) -> None:
    """Run, and print how long it took."""
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    print(f"{name}: {seconds:.1f} s, {adata.n_obs / seconds:.0f} cells/s")


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def save(figure: object, path: Path) -> None:
    """Write a picture."""
    figure.savefig(path, dpi=150, bbox_inches="tight")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo_output"))
