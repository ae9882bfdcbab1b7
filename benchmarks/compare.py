"""Whether comparisons of two groups are true, and tell nothing where there is nothing.

`python benchmarks/compare.py --data ../shared/data` compares random halves of one type, cells before
and after a known stimulus, and pairs of types.
"""

from __future__ import annotations

import re
import warnings
from itertools import combinations
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _compare_report import NAMED, claims, tables
from _data import counts_of
from _page import bullets
from _run import base_parser, describe_run, save_parts, save_rows

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology
from scmmgpt_tl.metrics import consistent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "compare"
HALVES = ("pbmc3k_labelled", "zheng_sorted_scminer3500", "liver_he2020", "crc_scmetalink")
DONORS, STIMULUS, TYPES = "kang_lupus_ctrl_12261", "kang_ifnb_scgen_valid", "pbmc3k_labelled"
INDUCED = frozenset(
    [
        "ISG15",
        "ISG20",
        "IFI6",
        "IFI16",
        "IFI27",
        "IFI35",
        "IFI44",
        "IFI44L",
        "IFIT1",
        "IFIT2",
        "IFIT3",
        "IFIT5",
        "IFITM1",
        "IFITM2",
        "IFITM3",
        "MX1",
        "MX2",
        "OAS1",
        "OAS2",
        "OAS3",
        "OASL",
        "RSAD2",
        "STAT1",
        "STAT2",
        "IRF7",
        "IRF9",
        "CXCL9",
        "CXCL10",
        "CXCL11",
        "CCL8",
        "TNFSF10",
        "LY6E",
        "USP18",
        "HERC5",
        "EIF2AK2",
        "BST2",
        "XAF1",
        "SAMD9",
        "PLSCR1",
        "APOBEC3A",
    ]
)
FEWEST = 40
DIFFERENCE = "difference"
Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    model = scmm.load_model(given.model or "default")
    rows: list[Row] = []
    for name in given.halves:
        rows += random_halves(read(name, given), model, given, name=name)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    rows += random_donors(read(given.donors, given), model, given)
    rows += before_and_after(read(given.stimulus, given), model, given)
    rows += pairs_of_types(read(given.types, given), model, given)
    results = pd.DataFrame(rows)
    save_rows(results, given, name=NAME)
    facts = describe_run(given, ("scanpy", "scipy"))
    facts.append(f"Groups of at most {given.group_cells} cells, {given.repeats} cuts into halves.")
    save_parts([bullets(facts), *tables(results)], given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.set_defaults(data=parser.get_default("data").parent)
    parser.add_argument("--halves", nargs="+", default=list(HALVES), help="data sets to cut")
    parser.add_argument("--donors", default=DONORS, help="data set whose donors are cut")
    parser.add_argument("--stimulus", default=STIMULUS, help="data set before and after")
    parser.add_argument("--types", default=TYPES, help="data set whose types are compared")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--group-cells", type=int, default=100, help="most cells of a group")
    return parser.parse_args(arguments)


def read(name: str, given: argparse.Namespace) -> AnnData:
    """Read the data set of a name, wherever it lies below the folder of the data."""
    path = next(iter(sorted(given.data.rglob(f"{name}.h5ad"))), None)
    if path is None:
        msg = f"There is no {name}.h5ad in {given.data}. Pass --data FOLDER, or another name."
        raise SystemExit(msg)
    return ad.read_h5ad(path)


def compared(adata: AnnData, model: Model, **more: Any) -> AnnData:
    """Return the two groups of `obs["side"]`, compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = counts_of(adata)
        scmm.tl.compare(adata, "a", "b", groupby="side", model=model, counts=counts, **more)
    return adata


def topics(adata: AnnData) -> Row:
    """Tell which topics differ."""
    found = scmm.get.comparison_df(adata)
    told = set(found.loc[found["kind"] == DIFFERENCE, "topic"])
    names = ("types", "genes", "markers", "texts")
    return {"any": bool(told), **{topic: topic in told for topic in names}}


def random_halves(
    adata: AnnData, model: Model, given: argparse.Namespace, *, name: str
) -> list[Row]:
    """Compare random halves of the commonest types."""
    rows = []
    sizes = adata.obs["cell_type"].value_counts()
    for repeat in range(given.repeats):
        rng = np.random.default_rng([given.seed, repeat])
        cell_type = sizes.index[repeat % min(3, len(sizes))]
        own = rng.permutation(np.flatnonzero(adata.obs["cell_type"] == cell_type))
        cells = adata[own[: 2 * given.group_cells]].copy()
        cells.obs["side"] = np.where(np.arange(cells.n_obs) % 2 == 0, "a", "b")
        row = {"question": "halves", "data_set": name, "group": cell_type, "repeat": repeat}
        rows.append(row | topics(compared(cells, model)))
        print(f"{name:28} halves of {cell_type}: {rows[-1]['any']}", flush=True)
    return rows


def random_donors(adata: AnnData, model: Model, given: argparse.Namespace) -> list[Row]:
    """Compare random halves of the donors, by cells and by donors."""
    rows = []
    sizes = adata.obs["cell_type"].value_counts()
    for repeat in range(given.repeats):
        rng = np.random.default_rng([given.seed, 1, repeat])
        cell_type = sizes.index[repeat % min(2, len(sizes))]
        donors = rng.permutation(sorted(set(adata.obs["donor"].astype(str))))
        first = set(donors[: len(donors) // 2])
        own = rng.permutation(np.flatnonzero(adata.obs["cell_type"] == cell_type))
        cells = adata[own[: 4 * given.group_cells]].copy()
        side = ["a" if str(donor) in first else "b" for donor in cells.obs["donor"]]
        cells.obs["side"] = side
        for unit, more in (("cells", {}), ("donors", {"batch_key": "donor"})):
            row = {"question": f"donors, by {unit}", "group": cell_type, "repeat": repeat}
            rows.append(row | topics(compared(cells.copy(), model, **more)))
        print(f"donors, {cell_type}: {[row['any'] for row in rows[-2:]]}", flush=True)
    return rows


def before_and_after(adata: AnnData, model: Model, given: argparse.Namespace) -> list[Row]:
    """Compare each type before and after interferon: are its genes named?"""
    rows = []
    after = adata.obs["condition"].astype(str).str.contains("stim", case=False).to_numpy()
    for cell_type in sorted(set(adata.obs["cell_type"].astype(str))):
        own = (adata.obs["cell_type"] == cell_type).to_numpy()
        cells = two_sides(adata, own & after, own & ~after, given=given)
        if cells is None:
            continue
        compared(cells, model)
        genes = scmm.get.comparison_df(cells, table="differing_genes")
        higher = genes[genes["log2_fold"] > 0]
        orders = {
            "compare": named_genes(cells),
            "wilcoxon": higher.sort_values("q", kind="stable")["gene"].head(NAMED).tolist(),
            "fold": higher.sort_values("log2_fold", ascending=False)["gene"].head(NAMED).tolist(),
        }
        for method, names in orders.items():
            rows.append(
                {
                    "question": "stimulus",
                    "group": cell_type,
                    "method": method,
                    "n_named": len(names),
                    "n_right": len(set(names) & INDUCED),
                    "named": ", ".join(names),
                }
            )
        print(f"stimulus, {cell_type}: {rows[-3]['n_right']} of {rows[-3]['n_named']}", flush=True)
    return rows


def named_genes(adata: AnnData) -> list[str]:
    """Genes that the sentence names as higher in the first group."""
    found = scmm.get.comparison_df(adata)
    told = found[(found["topic"] == "genes") & found["sentence"].str.startswith('Higher in "a"')]
    if told.empty:
        return []
    listed = told["sentence"].iloc[0].split(": ", 1)[1].rstrip(".")
    return [name for name in re.split(", ", listed) if not name.startswith("and ")]


def pairs_of_types(adata: AnnData, model: Model, given: argparse.Namespace) -> list[Row]:
    """Compare types with one another: is what is said of either true of it?"""
    cl = ontology.load()
    terms = adata.obs.astype(str).groupby("cell_type")["cell_type_id"].first()
    rows = []
    for first, second in combinations(sorted(terms.index), 2):
        sides = [(adata.obs["cell_type"] == name).to_numpy() for name in (first, second)]
        cells = two_sides(adata, *sides, given=given)
        if cells is None:
            continue
        found = scmm.get.comparison_df(compared(cells, model))
        for row in found.itertuples():
            for side, label in claims(row.topic, row.sentence):
                said = cl.resolve(label) or ""
                term = terms[first] if side == "a" else terms[second]
                other = terms[second] if side == "a" else terms[first]
                rows.append(
                    {
                        "question": "types",
                        "group": f"{first} | {second}",
                        "topic": row.topic,
                        "claim": f"{side}: {label}",
                        "right": bool(consistent([term], [said])[0]),
                        "right_of_other": bool(consistent([other], [said])[0]),
                    }
                )
        print(f"types, {first} and {second}", flush=True)
    return rows


def two_sides(
    adata: AnnData, a: NDArray[np.bool_], b: NDArray[np.bool_], *, given: argparse.Namespace
) -> AnnData | None:
    """Return some cells of two groups as the sides of `obs["side"]`; `None` where there are few."""
    rng = np.random.default_rng(given.seed)
    rows = [rng.permutation(np.flatnonzero(mask))[: given.group_cells] for mask in (a, b)]
    if min(map(len, rows)) < FEWEST:
        return None
    cells = adata[np.concatenate(rows)].copy()
    cells.obs["side"] = np.repeat(["a", "b"], [len(part) for part in rows])
    return cells


if __name__ == "__main__":
    main()
