"""What every benchmark asks for on its command line, and says of its run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

from _page import write_section

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
# The training run of the model that ships.
DEFAULT_RUN = ROOT / "benchmarks" / "training" / "default.yaml"
STATIC = Path("_static")
# Rows that the documentation offers for download.
RESULTS = STATIC / "results"


def base_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser of the options that all benchmarks share.

    Parameters
    ----------
    doc
        Docstring of the script.
    """
    data = Path(os.environ.get("SCMM_BENCH_DATA", SHARED / "data"))
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=data / "dev", help="folder of labelled .h5ad files")
    add("--model", type=Path, help="bundle folder; by default the model that ships")
    add("--only", nargs="+", metavar="NAME", help="data sets to run, by the start of their name")
    add("--max-cells", type=int, default=2000, help="most cells of a data set")
    add("--seed", type=int, default=0)
    add_output(parser)
    return parser


def add_output(parser: argparse.ArgumentParser, *, page: str = "benchmarks.md") -> None:
    """Add the options of where results go.

    Parameters
    ----------
    parser
        Of the script.
    page
        Page of the documentation that has them.
    """
    add = parser.add_argument
    add("--out", type=Path, default=ROOT / "build" / "benchmarks", help="folder for the results")
    add("--docs", type=Path, default=ROOT / "docs", help=f"where {page} lies")
    add("--no-docs", action="store_true", help="leave the documentation as it is")


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the options of baselines that train on the model's own sources."""
    add = parser.add_argument
    add(
        "--config",
        type=Path,
        default=DEFAULT_RUN,
        help="training run that the model comes from; the baselines train on its sources",
    )
    add("--cells-per-type", type=int, default=60, help="training cells, in the mean over types")
    add("--reuse", action="store_true", help="use training cells that were drawn before")


def add_markers(parser: argparse.ArgumentParser) -> None:
    """Add the option of baselines that score marker genes."""
    default = SHARED / "assets" / "cell_type_markers.csv.gz"
    parser.add_argument("--markers", type=Path, default=default, help="table of marker genes")


def add_sentences(parser: argparse.ArgumentParser) -> None:
    """Add the option of baselines that compare sentences."""
    parser.add_argument(
        "--sentences",
        type=Path,
        default=ROOT / "build" / "sources" / "minilm",
        help="folder of the sentence encoder that training/sources.py fetched",
    )


def data_sets(given: argparse.Namespace, *, within: Sequence[str] = ("",)) -> list[Path]:
    """Return the files to run on, or leave where there are none.

    Parameters
    ----------
    given
        Command line.
    within
        Folders of `given.data` to look into.
    """
    found = [path for folder in within for path in sorted((given.data / folder).glob("*.h5ad"))]
    paths = [path for path in found if is_wanted(path.stem, given.only)]
    if not paths:
        sys.exit(f"There are no data sets in {given.data}. Pass --data FOLDER.")
    given.out.mkdir(parents=True, exist_ok=True)
    return paths


def is_wanted(name: str, only: Sequence[str] | None) -> bool:
    """Tell whether a data set is to be run on.

    Parameters
    ----------
    name
        Of the data set.
    only
        How the names start of those that are; `None` for all.
    """
    return only is None or name.startswith(tuple(only))


def packages_of(methods: Sequence[str], packages: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the distributions that methods use.

    Parameters
    ----------
    methods
        Their names.
    packages
        Distributions of each method that needs some.
    """
    return [name for method in methods for name in packages.get(method, ())]


def check_packages(packages: Sequence[str]) -> None:
    """Leave where a baseline's package is not installed, before hours went by.

    Parameters
    ----------
    packages
        Distributions that the baselines use.
    """
    missing = sorted({name for name in packages if not _is_installed(name)})
    if missing:
        sys.exit(
            f"{', '.join(missing)} cannot be found. Install them with `pip install --group "
            "bench-all`, or leave their methods out with --methods."
        )


def bundle_folder(model: Path | None) -> Path:
    """Folder of a bundle, by default of the one that ships."""
    return model or Path(scmm.__file__).parent / "models" / "default"


def describe_run(given: argparse.Namespace, packages: Sequence[str] = ()) -> list[str]:
    """Say what was run, on what, with which seed.

    Parameters
    ----------
    given
        Command line.
    packages
        Distributions that the baselines use.
    """
    config = json.loads((bundle_folder(given.model) / "config.json").read_text(encoding="utf-8"))
    model = f"{config['name']}, revision {config['revision']}"
    cells = f"at most {given.max_cells:,} of each data set, chosen with seed {given.seed}"
    facts = [
        f"Model: {model}; scmmgpt-tl {version('scmmgpt-tl')}.",
        f"Cells: {cells}; those that the data set calls unknown are left out.",
        f"Machine: {machine()}, threads: {threads()}; Python {platform.python_version()}, torch {version('torch')}.",
    ]
    used = ", ".join(f"{name} {version(name)}" for name in dict.fromkeys(packages))
    return [*facts, f"Baselines: {used}."] if used else facts


def machine() -> str:
    """What the benchmark runs on."""
    return f"{os.cpu_count()} CPUs ({platform.machine()})"


def threads() -> str:
    """How many threads the libraries of products may use."""
    return os.environ.get("OMP_NUM_THREADS", "all")


def save_rows(results: pd.DataFrame, given: argparse.Namespace, *, name: str) -> None:
    """Write the rows of a benchmark."""
    results.to_csv(given.out / f"{name}.csv", index=False, float_format="%.6g")


def save_parts(
    parts: Sequence[str],
    given: argparse.Namespace,
    *,
    name: str,
    page: str = "benchmarks.md",
    rows: Sequence[str] = (),
) -> None:
    """Write the tables of a benchmark, into the documentation unless told otherwise, and print them.

    The rows that they were made of, as :func:`save_rows` left them, go beside them.

    Parameters
    ----------
    parts
        Paragraphs, tables and pictures.
    given
        Command line.
    name
        Of the benchmark.
    page
        Of the documentation.
    rows
        Names of further rows than those of this name.
    """
    text = "\n\n".join(parts)
    (given.out / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    if not given.no_docs:
        write_section(given.docs / page, name, [*parts, _offer((name, *rows), given)])
    print(f"\n{text}\n\nWrote {given.out / f'{name}.csv'}")


def _offer(names: Sequence[str], given: argparse.Namespace) -> str:
    """Lay rows beside the documentation, and say where they are."""
    folder = given.docs / RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    files = [f"{name}.csv" for name in names]
    for file in files:
        copyfile(given.out / file, folder / file)
    links = (f"[{file}]({(RESULTS / file).as_posix()})" for file in files)
    return f"All rows: {', '.join(links)}."


def picture_folders(given: argparse.Namespace) -> list[Path]:
    """Return the folders that pictures are written to."""
    return [given.out] if given.no_docs else [given.out, given.docs / STATIC]


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
