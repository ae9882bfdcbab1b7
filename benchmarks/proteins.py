"""Whether proteins of CITE-seq find the labels that RNA got wrong.

`python benchmarks/proteins.py --out build/benchmarks` annotates CITE-seq data sets from their RNA,
gates cells by some of their proteins as cytometry does, and asks `tl.proteins` about the labels
with the others, with all, and with the RNA of the same proteins' genes in their place.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from _page import bullets, share, table
from _run import base_parser, data_sets, describe_run, save_parts, save_rows
from sklearn.cluster import KMeans

import scmmgpt_tl as scmm
from scmmgpt_tl.proteins._table import find, is_control

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "proteins"
CELLS = "protein_expression"
# A gate stands where two groups of cells differ in the mean of log(1 + counts) by this, 4.5-fold.
LEAST_GAP = 1.5
LINEAGE_LABELS = {
    "T cell": "T",
    "B cell": "B",
    "natural killer cell": "NK",
    "monocyte": "monocyte",
    "dendritic cell": "dendritic",
}
T_CELL_LABELS = {
    "CD4-positive, alpha-beta T cell": "CD4 T",
    "CD8-positive, alpha-beta T cell": "CD8 T",
    "B cell": "B",
    "natural killer cell": "NK",
    "monocyte": "monocyte",
    "dendritic cell": "dendritic",
}
LINEAGE = ("CD3", "CD19", "CD14", "CD56")


class Question(NamedTuple):
    """What is asked: labels, gates that say what a cell is, and proteins not to be heard then."""

    name: str
    labels: dict[str, str]
    gates: dict[str, str]
    hidden: tuple[str, ...]


# "CD3+ CD19-" and so on, set before any result was seen.
LINEAGES = {
    "T": "CD3+ CD19- CD14- CD56-",
    "B": "CD3- CD19+ CD14- CD56-",
    "NK": "CD3- CD19- CD14- CD56+",
    "monocyte": "CD3- CD19- CD14+ CD56-",
}
T_CELL = "CD3+ CD19- CD14- CD56-"
QUESTIONS = (
    Question("lineage", LINEAGE_LABELS, LINEAGES, LINEAGE),
    Question(
        "CD4 T or CD8 T, by CD8",
        T_CELL_LABELS,
        {"CD8 T": f"{T_CELL} CD8+", "CD4 T": f"{T_CELL} CD8-"},
        ("CD8",),
    ),
    Question(
        "CD4 T or CD8 T, by CD4",
        T_CELL_LABELS,
        {"CD4 T": f"{T_CELL} CD4+", "CD8 T": f"{T_CELL} CD4-"},
        ("CD4",),
    ),
)
SOURCES = {"held out": "other proteins", "all": "all proteins", "rna": "RNA of the other proteins"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, object]] = []
    for path in data_sets(given):
        cells = read_cells(path, max_cells=given.max_cells, seed=given.seed)
        if cells is not None:
            rows += compare(path.stem, cells, model)
            save_rows(pd.DataFrame(rows), given, name=NAME)
    results = pd.DataFrame(rows)
    facts = describe_run(given)
    save_parts([bullets(facts), *tables(results)], given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    data = parser.get_default("data").parent / "tasks"
    parser.set_defaults(data=data, only=["cite_"])
    return parser.parse_args(arguments)


def read_cells(path: Path, *, max_cells: int, seed: int) -> AnnData | None:
    """Read the cells of a data set, or a sample; nothing where it has no proteins."""
    adata = ad.read_h5ad(path)
    if CELLS not in adata.obsm:
        return None
    if adata.n_obs <= max_cells:
        return adata
    rows = np.random.default_rng(seed).choice(adata.n_obs, max_cells, replace=False)
    return adata[np.sort(rows)].copy()


def annotate(adata: AnnData, labels: Sequence[str], model: Model) -> None:
    """Give every cell the best label by its RNA, however unsure it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        scmm.tl.annotate(adata, list(labels), threshold=0.0, model=model)


def compare(name: str, adata: AnnData, model: Model) -> list[dict[str, object]]:
    """Ask every question of one data set, of every source.

    Parameters
    ----------
    name
        Of the data set.
    adata
        Cells with proteins.
    model
        That annotates them.
    """
    positive = gate_positive(adata.obsm[CELLS])
    rows = []
    for question in QUESTIONS:
        if not positive["CD3"].any():
            # Where this antibody did not work, CD5 stands for it among T cells, and nothing else can.
            if question.hidden == LINEAGE or "CD5" not in positive:
                continue
            gates = {k: signs.replace("CD3+", "CD5+") for k, signs in question.gates.items()}
            question = question._replace(gates=gates)  # noqa: PLW2901
        annotate(adata, list(question.labels), model)
        truth = gate(positive, question.gates)
        proteins = proteins_of(adata.obsm[CELLS].columns)
        kept = [a for a, protein in proteins.items() if protein not in question.hidden]
        adata.obsm["held out"] = adata.obsm[CELLS][kept]
        adata.obsm["all"] = adata.obsm[CELLS]
        adata.obsm["rna"] = rna_of(adata, [proteins[a] for a in kept if proteins[a]])
        for source in SOURCES:
            scores = ask(adata, truth, source=source, labels=question.labels, model=model)
            rows.append({"data_set": name, "question": question.name, "source": source, **scores})
            print(f"{name:28} {question.name:24} {source:9} {scores}", flush=True)
    return rows


def ask(
    adata: AnnData,
    truth: NDArray[np.object_],
    *,
    source: str,
    labels: dict[str, str],
    model: Model,
) -> dict[str, int]:
    """Count what is found among gated cells.

    Parameters
    ----------
    adata
        Annotated cells with the source in `obsm`.
    truth
        What the gates say of each cell, `""` where they say nothing.
    source
        Key of `obsm`.
    labels
        What the labels are called by the gates.
    model
        That annotated.

    Returns
    -------
    Gated cells, those that the label of the RNA, or the joint one, is right of, conflicts of label
    and gate, and how many of these, and of the other cells, have a label that the source disagrees
    with.
    """
    scmm.tl.proteins(adata, protein_key=source, joint=True, model=model, key_added="asked")
    gated = truth != ""
    by_rna, jointly = (
        adata.obs[key].astype(str).map(labels).to_numpy(dtype=object)
        for key in ("scmm_cell_type", "asked_joint")
    )
    conflict = gated & (by_rna != truth)
    disagrees = (adata.obs["asked"] == "disagrees").to_numpy()
    counts = {
        "gated": gated,
        "right_rna": gated & ~conflict,
        "right_joint": gated & (jointly == truth),
        "conflicts": conflict,
        "found": conflict & disagrees,
        "false_alarms": gated & ~conflict & disagrees,
    }
    return {name: int(cells.sum()) for name, cells in counts.items()}


def proteins_of(antibodies: Sequence[str]) -> dict[str, str]:
    """Name the protein of each antibody, `""` where it has none."""
    known = {name: None if is_control(name) else find(name) for name in antibodies}
    return {name: protein.name if protein else "" for name, protein in known.items()}


def gate_positive(counts: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Part the cells by each protein of the gates, by two means of log(1 + counts)."""
    found = {}
    for antibody, protein in proteins_of(counts.columns).items():
        values = np.log1p(counts[antibody].to_numpy(dtype=float))
        centres = KMeans(2, n_init=5, random_state=0).fit(values[:, None]).cluster_centers_
        gap = np.ptp(centres) >= LEAST_GAP
        found.setdefault(protein, (values > centres.mean()) & gap)
    return found


def gate(positive: dict[str, NDArray[np.bool_]], gates: dict[str, str]) -> NDArray[np.object_]:
    """Name the cells inside each gate; no cell is in two.

    Parameters
    ----------
    positive
        Cells that have each protein.
    gates
        What cells are, and by which proteins.
    """
    found = np.full(len(next(iter(positive.values()))), "", dtype=object)
    for name, signs in gates.items():
        inside = np.ones(len(found), dtype=bool)
        for sign in signs.split():
            inside &= positive[sign[:-1]] == (sign[-1] == "+")
        found[inside] = name
    return found


def rna_of(adata: AnnData, proteins: Sequence[str]) -> pd.DataFrame:
    """Log-normalised expression of the genes of proteins, as if they were antibodies."""
    total = np.asarray(adata.X.sum(1)).ravel()
    columns = {}
    for name in dict.fromkeys(proteins):
        genes = [gene for gene in find(name).genes if gene in adata.var_names]
        if genes:
            counts = np.asarray(adata[:, genes].X.sum(1)).ravel()
            columns[name] = np.log1p(1e4 * counts / np.maximum(total, 1))
    return pd.DataFrame(columns, index=adata.obs_names)


def tables(results: pd.DataFrame) -> list[str]:
    """Return one table a question, with a row for each data set and source, and all together."""
    parts = []
    for question, part in results.groupby("question", sort=False):
        rows = [
            line(str(row["data_set"]), row, source=str(row["source"])) for _, row in part.iterrows()
        ]
        for source, own in part.groupby("source", sort=False):
            rows.append(line("**all together**", own.sum(numeric_only=True), source=str(source)))
        head = ["data set", "evidence", "gated cells", "label of RNA right", "joint label right"]
        head += ["conflicts", "of these found", "false alarms"]
        parts += [f"{question[0].upper()}{question[1:]}:", table(head, rows)]
    return parts


def line(name: str, row: pd.Series, *, source: str) -> list[str]:
    """Write one row: shares with the numbers that they come from."""
    agreeing = row["gated"] - row["conflicts"]
    return [
        name,
        SOURCES[source],
        f"{int(row['gated']):,}",
        _of(row["right_rna"], row["gated"]),
        _of(row["right_joint"], row["gated"]),
        f"{int(row['conflicts']):,}",
        _of(row["found"], row["conflicts"]),
        _of(row["false_alarms"], agreeing),
    ]


def _of(part: float, whole: float) -> str:
    return f"{share(part / whole)} ({int(part):,} of {int(whole):,})" if whole else ""


if __name__ == "__main__":
    main()
