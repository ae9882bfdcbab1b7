"""Whether proteins of CITE-seq find the labels that RNA got wrong.

`python benchmarks/proteins.py --out build/benchmarks` annotates CITE-seq data sets from their RNA,
gates cells by some of their proteins as cytometry does, and asks `tl.proteins` about the labels
with the others, with all, and with the RNA of the same proteins' genes in their place. Beside it,
cells that are alike by RNA, or by RNA and the other proteins, decide together (`tl.refine`).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from _alike import LATENT, add_total_vi, refined
from _gates import LINEAGE, QUESTIONS, gate, gate_positive, proteins_of
from _page import bullets, share, table
from _run import (
    base_parser,
    check_packages,
    data_sets,
    describe_run,
    packages_of,
    save_parts,
    save_rows,
)

import scmmgpt_tl as scmm
from scmmgpt_tl.proteins._table import find

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "proteins"
CELLS = "protein_expression"
SOURCES = {"held out": "other proteins", "all": "all proteins", "rna": "RNA of the other proteins"}
# Cells that are alike, which say nothing of a label but give another one.
ALIKE = {
    "alike by RNA": "cells alike by RNA (refine)",
    "totalvi": "cells alike by RNA and other proteins (totalVI, refine)",
}
PACKAGES = {"totalvi": ("scvi-tools",)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    packages = packages_of(given.alike, PACKAGES)
    check_packages(packages)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, object]] = []
    for path in data_sets(given):
        cells = read_cells(path, max_cells=given.max_cells, seed=given.seed)
        if cells is not None:
            rows += compare(path.stem, cells, model, given=given)
            save_rows(pd.DataFrame(rows), given, name=NAME)
    results = pd.DataFrame(rows)
    facts = describe_run(given, packages)
    if "totalvi" in given.alike:
        facts.append(f"totalVI: {given.epochs} epochs on the 2,000 most variable genes.")
    save_parts([bullets(facts), *tables(results)], given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    data = parser.get_default("data").parent / "tasks"
    parser.set_defaults(data=data, only=["cite_"])
    add = parser.add_argument
    add("--alike", nargs="*", choices=ALIKE, default=list(ALIKE), help="how cells are alike")
    add("--epochs", type=int, default=200, help="epochs of totalVI")
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


def compare(
    name: str, adata: AnnData, model: Model, *, given: argparse.Namespace
) -> list[dict[str, object]]:
    """Ask every question of one data set, of every source.

    Parameters
    ----------
    name
        Of the data set.
    adata
        Cells with proteins.
    model
        That annotates them.
    given
        Command line.
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
        for way in given.alike:
            if way == "totalvi":
                add_total_vi(adata, "held out", epochs=given.epochs, seed=given.seed)
            found = refined(adata, model, use_rep=LATENT if way == "totalvi" else None)
            counted = count_right(adata, truth, found, labels=question.labels)
            rows.append({"data_set": name, "question": question.name, "source": way, **counted})
            print(f"{name:28} {question.name:24} {way:9} {counted}", flush=True)
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
    counts = count_right(adata, truth, adata.obs["asked_joint"].astype(str), labels=labels)
    conflict = (truth != "") & (called(adata.obs["scmm_cell_type"], labels) != truth)
    disagrees = (adata.obs["asked"] == "disagrees").to_numpy()
    found = int((conflict & disagrees).sum())
    alarms = int(((truth != "") & disagrees).sum()) - found
    return {**counts, "found": found, "false_alarms": alarms}


def count_right(
    adata: AnnData, truth: NDArray[np.object_], found: Iterable[str], *, labels: dict[str, str]
) -> dict[str, int]:
    """Count gated cells, and those that the label of the RNA, and another one, is right of.

    Parameters
    ----------
    adata
        Annotated cells.
    truth
        What the gates say of each cell, `""` where they say nothing.
    found
        The other label of each cell.
    labels
        What the labels are called by the gates.
    """
    gated = truth != ""
    right = gated & (called(adata.obs["scmm_cell_type"], labels) == truth)
    counts = {
        "gated": gated,
        "right_rna": right,
        "right_joint": gated & (called(found, labels) == truth),
        "conflicts": gated & ~right,
    }
    return {name: int(cells.sum()) for name, cells in counts.items()}


def called(found: Iterable[str], labels: dict[str, str]) -> NDArray[np.object_]:
    """What labels are called by the gates."""
    return np.array([labels.get(str(label)) for label in found], dtype=object)


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
            rows.append(
                line(
                    "**all together**", own.sum(numeric_only=True, min_count=1), source=str(source)
                )
            )
        head = [
            "data set",
            "evidence",
            "gated cells",
            "label of RNA right",
            "joint, or refined, label right",
        ]
        head += ["conflicts", "of these found", "false alarms"]
        parts += [f"{question[0].upper()}{question[1:]}:", table(head, rows)]
    return parts


def line(name: str, row: pd.Series, *, source: str) -> list[str]:
    """Write one row: shares with the numbers that they come from."""
    agreeing = row["gated"] - row["conflicts"]
    return [
        name,
        (SOURCES | ALIKE)[source],
        f"{int(row['gated']):,}",
        _of(row["right_rna"], row["gated"]),
        _of(row["right_joint"], row["gated"]),
        f"{int(row['conflicts']):,}",
        _of(row["found"], row["conflicts"]),
        _of(row["false_alarms"], agreeing),
    ]


def _of(part: float, whole: float) -> str:
    if not whole or np.isnan(part):
        return ""
    return f"{share(part / whole)} ({int(part):,} of {int(whole):,})"


if __name__ == "__main__":
    main()
