"""Whether types of cells lie on slides where they should.

`python benchmarks/slides.py` asks for the shares of cell types in spots, twice. On slides on which a
pathologist drew regions: are the shares of the types that belong to a region larger there? And on
all slides, when some markers of each type are taken out of the counts: do the shares follow them?
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from _data import read_prepared
from _markers import Markers, score_markers
from _page import bullets, share, table
from _panel import log_cp10k, symbols_of
from _run import (
    SHARED,
    add_markers,
    base_parser,
    check_packages,
    describe_run,
    save_parts,
    save_rows,
)
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME, OF_REGIONS = "slides", "slides_regions"
NAMES = {
    "deconvolve": "deconvolve, from texts",
    "annotate": "annotate, probabilities",
    "markers": "marker scoring",
}
# Regions of the slides of breast tumours, and the types of which a pathologist expects more there.
REGIONS = {
    "invasive cancer": ("malignant cell", "luminal epithelial cell of mammary gland"),
    "cancer in situ": ("malignant cell", "luminal epithelial cell of mammary gland"),
    "breast glands": (
        "luminal epithelial cell of mammary gland",
        "basal-myoepithelial cell of mammary gland",
    ),
    "connective tissue": ("fibroblast",),
    "immune infiltrate": ("T cell", "B cell", "plasma cell"),
    "adipose tissue": ("fat cell",),
}
LEFT_OUT = "undetermined"
BREAST = (
    *dict.fromkeys(name for names in REGIONS.values() for name in names),
    *("endothelial cell", "macrophage", "pericyte"),
)
PANCREAS = (
    *("acinar cell", "pancreatic ductal cell", "type B pancreatic cell", "malignant cell"),
    *("fibroblast", "endothelial cell", "macrophage", "T cell", "B cell", "plasma cell"),
)
SLIDES = {"spatial_her2st": BREAST, "spatial_pdacA_card": PANCREAS}
# Markers of one of the types alone; every second goes out of the counts.
MOST_OWN, FEWEST_OWN = 20, 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages(["decoupler"])
    given.out.mkdir(parents=True, exist_ok=True)
    model, markers = scmm.load_model(given.model or "default"), Markers.read(given.markers)
    followed = []
    for name, types in SLIDES.items():
        followed += follow_markers(given.slides / f"{name}.h5ad", types, model, markers=markers)
        save_rows(pd.DataFrame(followed), given, name=NAME)
    regions = compare_regions(given.slides / "spatial_her2st.h5ad", model)
    save_rows(regions, given, name=OF_REGIONS)
    facts = describe_run(given, ["decoupler"])
    facts[1] = "All spots of each slide."
    parts = [
        bullets(facts),
        "Shares that follow markers which were taken out:",
        marker_table(pd.DataFrame(followed)),
        "Regions:",
        region_table(regions),
    ]
    save_parts(parts, given, name=NAME, rows=[OF_REGIONS])


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_markers(parser)
    slides = SHARED / "data" / "tasks"
    parser.add_argument("--slides", type=type(slides), default=slides, help="folder of the slides")
    return parser.parse_args(arguments)


def shares_of(adata: AnnData, types: Sequence[str], model: Model) -> dict[str, pd.DataFrame]:
    """Ask for the shares of types in spots, by each tool."""
    scmm.tl.deconvolve(adata, list(types), model=model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        scmm.tl.annotate(adata, list(types), model=model)
    return {
        "deconvolve": adata.obsm["scmm_mixture"],
        "annotate": adata.obsm["scmm_cell_type_scores"],
    }


def follow_markers(
    path: Path, types: Sequence[str], model: Model, *, markers: Markers
) -> list[dict[str, object]]:
    """Take markers out of the counts, and look whether the shares of their types follow them.

    Parameters
    ----------
    path
        Slides with `obs["batch"]`.
    types
        Names of the types.
    model
        The model.
    markers
        Of the types; a type with too few of its own is only asked for.

    Returns
    -------
    One row a slide, type and method: Spearman's correlation over spots of the type's share with its
    own markers, and the mean of those with the markers of the other types.
    """
    adata = ad.read_h5ad(path)
    cl = ontology.load()
    ids = {name: cl.resolve(name) for name in types}
    query = read_prepared(adata, model.genes)
    symbols = symbols_of(query, model.genes)
    network = markers.network(ids.values(), set(symbols))
    out = taken_out(network)
    values = pd.DataFrame(
        log_cp10k(query.counts, query.measured)[:, query.measured].toarray(), columns=symbols
    )
    signal = {name: standardised(values[list(out[key])]) for name, key in ids.items() if key in out}

    gone = {gene for genes in out.values() for gene in genes}
    rest = adata[:, ~adata.var_names.isin(gone)].copy()
    found: dict[str, pd.DataFrame] = shares_of(rest, types, model)
    scores = score_markers(
        read_prepared(rest, model.genes),
        list(ids.values()),
        network=network[~network["target"].isin(gone)],
        genes=model.genes,
    )
    found["markers"] = pd.DataFrame(scores, columns=list(types), index=adata.obs_names)

    batch = adata.obs["batch"].astype(str).to_numpy()
    rows = []
    for slide in np.unique(batch):
        here = batch == slide
        for name, method in ((name, method) for name in signal for method in found):
            r = {
                other: rank_correlation(found[method].loc[here, name].to_numpy(), own[here])
                for other, own in signal.items()
            }
            rows.append(
                {
                    "slides": path.stem,
                    "slide": slide,
                    "type": name,
                    "method": method,
                    "markers": len(out[ids[name]]),
                    "own": r[name],
                    "others": np.mean([r[other] for other in r if other != name]),
                }
            )
    return rows


def taken_out(network: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Choose every second of the best markers that only one of the types has.

    Parameters
    ----------
    network
        Markers by type, see :meth:`Markers.network`.
    """
    alone = network[~network["target"].duplicated(keep=False)]
    best = {
        str(term): tuple(own.nlargest(MOST_OWN, "weight", keep="first")["target"])
        for term, own in alone.groupby("source", sort=False)
    }
    return {term: genes[::2] for term, genes in best.items() if len(genes) >= FEWEST_OWN}


def standardised(values: pd.DataFrame) -> NDArray[np.float64]:
    """Mean over genes of their standardised expression, one number a spot."""
    spread = values.std().replace(0, 1)
    mean: NDArray[np.float64] = ((values - values.mean()) / spread).mean(axis=1).to_numpy()
    return mean


def rank_correlation(share: NDArray[np.floating], signal: NDArray[np.floating]) -> float:
    """Spearman's correlation; a share that is the same in all spots follows nothing."""
    if np.ptp(share) == 0 or np.ptp(signal) == 0:
        return 0.0
    return float(spearmanr(share, signal).statistic)


def compare_regions(path: Path, model: Model) -> pd.DataFrame:
    """Look whether the types that belong to a region have larger shares there, slide by slide.

    Parameters
    ----------
    path
        Slides with `obs["cell_type"]`, the region of a spot, and `obs["section"]`.
    model
        The model.
    """
    adata = ad.read_h5ad(path)
    shares = shares_of(adata, BREAST, model)
    region, section = (adata.obs[key].astype(str).to_numpy() for key in ("cell_type", "section"))
    rows = []
    for name, types in REGIONS.items():
        for slide in np.unique(section):
            here = (section == slide) & (region != LEFT_OUT)
            inside = region[here] == name
            if not inside.any() or inside.all():
                continue
            row: dict[str, object] = {"region": name, "slide": slide, "spots": int(inside.sum())}
            for method, frame in shares.items():
                row[method] = roc_auc_score(inside, frame.loc[here, list(types)].sum(axis=1))
            rows.append(row)
    return pd.DataFrame(rows)


def marker_table(rows: pd.DataFrame) -> str:
    """One row a type of each tissue, and their means: correlations, means over slides."""
    methods = [name for name in NAMES if name in set(rows["method"])]
    lines = []
    for name, own in rows.groupby("slides", sort=False):
        means = own.pivot_table(["own", "others"], ["type", "markers"], "method")
        lines += [[name, *map(str, key), *_pairs(means.loc[key], methods)] for key in means.index]
        mean = means.mean()
        lines.append([name, "**mean**", "", *_pairs(mean, methods)])
        lead = [share(mean["own", m] - mean["others", m]) for m in methods]
        lines.append([name, "**own less others**", "", *lead])
    head = ["slides", "type", "markers", *(f"{NAMES[m]}: own (others)" for m in methods)]
    return table(head, lines)


def _pairs(means: Mapping[tuple[str, str], float], methods: Sequence[str]) -> list[str]:
    return [f"{share(means['own', m])} ({share(means['others', m])})" for m in methods]


def region_table(regions: pd.DataFrame) -> str:
    """One row a region: the mean over slides of the chance that a spot inside has the larger share."""
    rows = []
    for name, own in regions.groupby("region", sort=False):
        means = [share(own[method].mean()) for method in ("deconvolve", "annotate")]
        rows.append(
            [name, ", ".join(REGIONS[name]), f"{own['spots'].sum():,}", str(len(own)), *means]
        )
    of_region = regions.groupby("region")[["deconvolve", "annotate"]].mean().mean()
    rows.append(
        ["**mean**", "", "", "", *(share(of_region[m]) for m in ("deconvolve", "annotate"))]
    )
    head = ["region", "types", "spots", "slides", "AUROC, deconvolve", "AUROC, annotate"]
    return table(head, rows)


if __name__ == "__main__":
    main()
