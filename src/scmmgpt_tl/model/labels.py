"""The label set a model was trained with: names, Cell Ontology ids and tissues."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

_HEADER = ("name", "cl_id", "tissues", "n_profiles")
_CL_ID = re.compile(r"CL:\d{7}")


@dataclass(frozen=True)
class LabelTable:
    """Labels of a model, in the order of the rows of its label embeddings.

    Parameters
    ----------
    names
        Unique readable names.
    cl_ids
        Cell Ontology id of each name (``"CL:0000084"``), ``""`` where none fits.
    tissues
        Tissues in which each label is found; empty where it may be found anywhere.
    n_profiles
        How many reference profiles the model learned each label from; by default one each.

    Raises
    ------
    ValueError
        If the columns differ in length, a name is empty or repeated, an id is malformed, or a
        number of profiles is below one.

    Examples
    --------
    >>> table = LabelTable(("T cell", "hepatocyte"), ("CL:0000084", "CL:0000182"), ((), ("liver",)))
    >>> len(table), table.tissues[1]
    (2, ('liver',))
    """

    names: tuple[str, ...]
    cl_ids: tuple[str, ...]
    tissues: tuple[tuple[str, ...], ...]
    n_profiles: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.n_profiles:
            object.__setattr__(self, "n_profiles", (1,) * len(self.names))
        if not len(self.names) == len(self.cl_ids) == len(self.tissues):
            msg = (
                f"A label table needs as many names as ids and tissues; found {len(self.names)}, "
                f"{len(self.cl_ids)} and {len(self.tissues)}."
            )
            raise ValueError(msg)
        _check_names(self.names)
        _check_ids(self.cl_ids)
        if len(self.n_profiles) != len(self.names) or min(self.n_profiles, default=1) < 1:
            msg = "`n_profiles` needs a number of at least 1 for each label."
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> LabelTable:
        """Read ``labels.tsv``: tab-separated, tissues joined by ``|``.

        Raises
        ------
        ValueError
            If the header or a line does not have the four columns, or a number is none.
        """
        path = Path(path)
        header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        rows = [line.split("\t") for line in lines]
        if tuple(header.split("\t")) != _HEADER or any(len(row) != len(_HEADER) for row in rows):
            msg = f"{path} is not a label table: every line needs the columns {', '.join(_HEADER)}."
            raise ValueError(msg)
        return cls(
            names=tuple(row[0] for row in rows),
            cl_ids=tuple(row[1] for row in rows),
            tissues=tuple(tuple(filter(None, row[2].split("|"))) for row in rows),
            n_profiles=tuple(int(row[3]) for row in rows),
        )

    def write(self, path: str | PathLike[str]) -> None:
        """Write what :meth:`read` reads."""
        joined = ["|".join(tissues) for tissues in self.tissues]
        counts = map(str, self.n_profiles)
        rows = [_HEADER, *zip(self.names, self.cl_ids, joined, counts, strict=True)]
        text = "".join("\t".join(row) + "\n" for row in rows)
        Path(path).write_text(text, encoding="utf-8", newline="\n")


def _check_names(names: tuple[str, ...]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    # A name lands in a line of the file and in a column of a frame.
    broken = [name for name in names if not name.strip() or set(name) & set("\t\r\n")]
    if repeated or broken:
        msg = f"Label names must be unique and one line long; found {(repeated or broken)[:3]!r}."
        raise ValueError(msg)


def _check_ids(ids: tuple[str, ...]) -> None:
    broken = [cl_id for cl_id in ids if cl_id and not _CL_ID.fullmatch(cl_id)]
    if broken:
        msg = f"Cell Ontology ids look like 'CL:0000084', or are empty; found {broken[:3]!r}."
        raise ValueError(msg)
