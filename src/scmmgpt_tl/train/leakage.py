"""Refuse a run that learns from what it is calibrated or tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from anndata.io import read_elem

from .corpus.cells import as_categorical, donor_names
from .corpus.files import open_group, read_cited, read_donors
from .origin import Origin, in_common
from .reference import cited_studies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from .config import RunConfig
    from .corpus.cells import Cells

# Of a table of studies.
NAMES = ("study", "file")
CITED = ("reference", "citation", "doi", "accession", "dataset_id")
MOST_TOLD = 5


def check_leakage(config: RunConfig, cells: Sequence[Cells]) -> None:
    """Compare what a run learns from with what it holds out, and both with what is kept out of it.

    Parameters
    ----------
    config
        The run.
    cells
        Real cells that it trains on.

    Raises
    ------
    ValueError
        If the same study, or the same donor, may be on two sides; or a study to be held out is
        none of those of the profiles.
    """
    files = (*config.profiles, *config.ortholog_profiles)
    profiles = [Origin(*found) for path in files for found in cited_studies(path)]
    profiles = [origin for origin in profiles if not origin.study.startswith(config.exclude)]
    held = [origin for origin in profiles if origin.study.startswith(config.held_out_studies)]
    for name in config.held_out_studies:
        if not any(origin.study.startswith(name) for origin in held):
            msg = f"`held_out_studies`: {name!r} is the beginning of no study of `profiles`."
            raise ValueError(msg)
    trained = [origin for origin in profiles if origin not in held]
    trained += [
        Origin(part.study, part.source, part.cited, donor_names(part.donors)) for part in cells
    ]
    held += [read_origin(path) for path in config.held_out_cells]
    kept = list(_kept_out(config))
    pairs = [tuple(map(str.strip, pair.split("~"))) for pair in config.known_apart]
    leaks = [
        f"{one.study!r} ({one.source}), which is {use}, and {other.study!r} ({other.source}), "
        f"which is {kind}, share {shared}"
        for use, left, kind, right in (
            ("trained on", trained, "held out", held),
            ("trained on", trained, "kept out", kept),
            ("calibrated with", held, "kept out", kept),
        )
        for one, other, shared in _leaks(left, right, pairs)
    ]
    if leaks:
        told = ";\n".join(leaks[:MOST_TOLD])
        more = f"\nand {len(leaks) - MOST_TOLD} more pairs" if len(leaks) > MOST_TOLD else ""
        msg = (
            f"The run may learn from what it must not see:\n{told}{more}.\nLeave the first of the two "
            "out, or, if they are different studies, name them in `known_apart`: 'first ~ second'."
        )
        raise ValueError(msg)


def read_origin(path: Path) -> Origin:
    """Read what a file of cells says of its study and its donors; nothing else of it is looked at."""
    group = open_group(path)
    n_cells = len(read_elem(group["obs"][group["obs"].attrs["_index"]]))
    donors = donor_names(as_categorical(read_donors(group, n_cells)))
    return Origin(path.stem, path.name, read_cited(group), donors)


def read_table(path: Path, *, splits: Sequence[str] = ()) -> list[Origin]:
    """Read a table of studies, one a row.

    Parameters
    ----------
    path
        `.csv` with the name of a study in the column `study` or `file`, and what is known of it in
        `reference`, `citation`, `doi`, `accession`, `dataset_id` and `donor` (parted by `;`).
    splits
        Values of the column `split` whose rows to read.

    Raises
    ------
    ValueError
        If there is no column of names, or no row of the splits.
    """
    table = pd.read_csv(path, dtype=str).fillna("")
    name = next((column for column in NAMES if column in table), None)
    if name is None:
        msg = f"{path.name!r} needs a column `study` or `file`, found {list(table)!r}."
        raise ValueError(msg)
    if splits and "split" in table:
        table = table[table["split"].isin(list(splits))]
        if table.empty:
            msg = f"No row of {path.name!r} has a `split` of `keep_out_splits`, {list(splits)!r}."
            raise ValueError(msg)
    cited = map("; ".join, table[[column for column in CITED if column in table]].to_numpy())
    donors = table["donor"] if "donor" in table else [""] * len(table)
    return [
        Origin(study, path.name, text, frozenset(map(str.strip, names.split(";"))) - {""})
        for study, text, names in zip(table[name], cited, donors, strict=True)
    ]


def _kept_out(config: RunConfig) -> Iterator[Origin]:
    for path in config.keep_out:
        if path.suffix == ".csv":
            yield from read_table(path, splits=config.keep_out_splits)
        else:
            yield read_origin(path)


def _leaks(
    left: Iterable[Origin], right: Sequence[Origin], apart: Sequence[tuple[str, ...]]
) -> Iterator[tuple[Origin, Origin, str]]:
    for one in left:
        for other in right:
            known = any(
                one.study.startswith(first) and other.study.startswith(second)
                for first, second in apart
            )
            if not known and (shared := in_common(one, other)):
                yield one, other, shared
