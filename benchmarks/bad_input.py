"""What becomes of cells with something wrong about them: a right answer, an error, or silence.

`python benchmarks/bad_input.py` teaches CellTypist and scANVI one half of a data set, and asks them
and scmmgpt-tl about the other, once as it is and once with every fault of `_faults.py`. Each method
runs in a process of its own; `--peers PYTHON` names the interpreter that has the packages of others.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _bad_input_worker import LABEL, UNKNOWN
from _faults import CELL, FAULTS, NOTHING, ONE_EMPTY, POORER, UNREADABLE
from _page import bullets, table
from _run import base_parser, bundle_folder, data_sets, describe_run, save_parts, save_rows

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from _faults import Fault

NAME = "bad_input"
N_GENES = 3000
PACKAGES = {"celltypist": "celltypist", "scanvi": "scvi-tools", "scanvi_prepared": "scvi-tools"}
METHODS = {
    "scmmgpt": "scmmgpt-tl",
    "celltypist": "CellTypist",
    "scanvi": "scANVI",
    "scanvi_prepared": "scANVI, query prepared",
}
RIGHT, NAMED, ERROR, TOLD, SILENT = (
    "right",
    "error, named",
    "error",
    "labels, told",
    "silently wrong",
)
# Labels that may differ where nothing is lost, and where half of the genes are.
SAME_SHARE, POORER_SHARE = 0.99, 0.95
_SHOWN = 160


@dataclass(frozen=True)
class Verdict:
    """What a method made of a fault.

    Parameters
    ----------
    kind
        One of the five.
    share
        Share of the cells with the label that they had without the fault; missing after an error.
    said
        Error or warnings.
    """

    kind: str
    share: float
    said: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    (path, *_) = data_sets(given)
    folder = given.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    facts = split(path, folder, max_cells=given.max_cells, seed=given.seed)
    results = run(folder, given)
    rows = [
        {"method": method, "fault": fault.name, **vars(judge(fault, result))}
        for method, result in results.items()
        for fault in FAULTS
    ]
    save_rows(pd.DataFrame(rows), given, name=NAME)
    facts = [*describe_run(given), facts, packages(given)]
    save_parts(report(pd.DataFrame(rows), results, facts=facts), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.set_defaults(only=["pbmc3k_labelled"], max_cells=600)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--peers", default=sys.executable, help="python that has their packages")
    return parser.parse_args(arguments)


def split(path: Path, folder: Path, *, max_cells: int, seed: int) -> str:
    """Write what methods learn from and what they are asked about, genes by their Ensembl ids."""
    whole = ad.read_h5ad(path)
    genes = scmm.load_model("default").genes
    report = scmm.pp.match_genes(whole, genes=genes)
    ids = np.array([*genes.ensembl_ids, ""], dtype=object)[report.index]
    firsts = ~pd.Series(ids).duplicated().to_numpy() & (ids != "")
    whole = whole[:, firsts].copy()
    whole.var = pd.DataFrame(index=ids[firsts])
    whole.obs = whole.obs[[LABEL]].astype(str)
    total = np.asarray(whole.X.sum(axis=0)).ravel()
    whole = whole[:, np.sort(np.argsort(-total, kind="stable")[:N_GENES])].copy()
    rows = np.random.default_rng(seed).permutation(whole.n_obs)[:max_cells]
    half = len(rows) // 2
    for name, part in (("train", rows[:half]), ("query", rows[half:])):
        whole[np.sort(part)].copy().write_h5ad(folder / f"{name}.h5ad")
    n_labels = whole.obs[LABEL].nunique()
    return (
        f"Data set: {path.stem}, {half} cells to learn from and {len(rows) - half} to ask about, "
        f"{n_labels} cell types, the {whole.n_vars:,} genes with the most counts, by Ensembl id."
    )


def run(folder: Path, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Ask the methods, those of each package in a process of its own."""
    script = Path(__file__).with_name("_bad_input_worker.py")
    for package in dict.fromkeys(PACKAGES.get(method, "") for method in given.methods):
        own = [method for method in given.methods if PACKAGES.get(method, "") == package]
        python = given.peers if package else sys.executable
        words = [python, script, folder, bundle_folder(given.model), *own]
        subprocess.run([str(word) for word in words], check=True)
    files = {method: folder / f"{method}.json" for method in given.methods}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items()}


def packages(given: argparse.Namespace) -> str:
    """Say which versions of others were asked."""
    names = sorted({PACKAGES[method] for method in given.methods if method in PACKAGES})
    code = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    out = subprocess.run(
        [given.peers, "-c", code, *names], check=True, capture_output=True, text=True
    )
    return f"Baselines: {out.stdout.strip() or 'none'}."


def judge(fault: Fault, result: Mapping[str, Any]) -> Verdict:
    """Say what an answer is worth.

    Parameters
    ----------
    fault
        What was wrong with the cells.
    result
        What `_bad_input_worker.py` wrote of a method.
    """
    found, good = result["found"][fault.name], np.array(result["good"], dtype=object)
    if "error" in found:
        named = bool(fault.says) and bool(re.search(fault.says, found["error"], re.IGNORECASE))
        return Verdict(NAMED if named else ERROR, np.nan, found["error"])
    labels = np.array(found["labels"], dtype=object)
    warned = "; ".join(found["warned"])
    told = bool(fault.says) and bool(re.search(fault.says, warned, re.IGNORECASE))
    if fault.leaves == NOTHING:
        return Verdict(RIGHT if not len(labels) else SILENT, np.nan, warned)
    if len(labels) == 1:
        good = good[[CELL]]
    same = labels == good
    if fault.leaves == ONE_EMPTY:
        right = labels[CELL] == UNKNOWN and np.delete(same, CELL).mean() >= SAME_SHARE
    elif fault.leaves == UNREADABLE:
        right = bool((labels == UNKNOWN).all())
    else:
        right = same.mean() >= (POORER_SHARE if fault.leaves == POORER else SAME_SHARE)
    told |= _says_coverage(found, result)
    return Verdict(RIGHT if right else TOLD if told else SILENT, float(same.mean()), warned)


def _says_coverage(found: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether the result itself says that less could be read."""
    return "coverage" in found and found["coverage"] < 0.9 * result["coverage"]


def report(
    rows: pd.DataFrame, results: Mapping[str, Mapping[str, Any]], *, facts: Sequence[str]
) -> list[str]:
    """Return the parts of the page."""
    methods = list(results)
    lines = []
    for fault in FAULTS:
        own = rows[rows["fault"] == fault.name].set_index("method")
        lines.append([fault.name, *(_cell(own.loc[method]) for method in methods)])
    kinds = (RIGHT, NAMED, ERROR, TOLD, SILENT)
    counts = {method: Counter(rows.loc[rows["method"] == method, "kind"]) for method in methods}
    lines += [[f"**{kind}**", *(str(counts[m][kind]) for m in methods)] for kind in kinds]
    right = [f"{METHODS[method]} {result['right']:.3f}" for method, result in results.items()]
    parts = [
        bullets([*facts, f"Accuracy without any fault: {', '.join(right)}."]),
        table(["fault", *(METHODS[method] for method in methods)], lines),
    ]
    errors = rows[(rows["method"] == "scmmgpt") & rows["kind"].isin([NAMED, ERROR])]
    if len(errors):
        said = [[row.fault, f"`{_short(row.said)}`"] for row in errors.itertuples()]
        parts += ["What scmmgpt-tl says (the beginning of it):", table(["fault", "error"], said)]
    return parts


def _cell(row: pd.Series) -> str:
    differ = 1 - row["share"]
    if row["kind"] in {TOLD, SILENT} and differ == differ:  # noqa: PLR0124 - a NaN differs from itself
        return f"{row['kind']} ({differ:.0%} differ)"
    return str(row["kind"])


def _short(text: str) -> str:
    line = " ".join(text.replace("`", "'").replace("|", "/").split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


if __name__ == "__main__":
    main()
