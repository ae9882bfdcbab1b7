"""What a run reads of CELLxGENE Census, or of another SOMA store."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

# By annotation: what is accepted, and how to say so.
_KINDS = {
    "str": (str, "a text"),
    "bool": (bool, "true or false"),
    "Path | None": (Path | None, "a path, or nothing"),
}


@dataclass(frozen=True)
class CensusEntry:
    """Cells of one organism in one store.

    Parameters
    ----------
    version
        Release of CELLxGENE Census, such as `"2025-11-08"`.
    uri
        Another store: a census, or a single SOMA experiment.
    path
        The same on disk.
    organism
        Experiment of a census.
    measurement, layer
        Where in the experiment the counts are.
    value_filter
        Which cells to read, as `tiledbsoma` spells it: `"tissue_general == 'lung'"`.
    primary_only
        Whether to leave out cells that another study of the census has too.
    term, tissue, study, donor
        Columns of `obs`.
    gene
        Column of `var` with symbols or Ensembl ids.

    Raises
    ------
    ValueError
        If a value is of another type than its annotation says, or there is not exactly one store.
    """

    version: str = ""
    uri: str = ""
    path: Path | None = None
    organism: str = "homo_sapiens"
    measurement: str = "RNA"
    layer: str = "raw"
    value_filter: str = ""
    primary_only: bool = True
    term: str = "cell_type_ontology_term_id"
    tissue: str = "tissue"
    study: str = "dataset_id"
    donor: str = "donor_id"
    gene: str = "feature_id"

    def __post_init__(self) -> None:
        for item in fields(self):
            kind, wanted = _KINDS[str(item.type)]
            if not isinstance(found := getattr(self, item.name), kind):
                msg = f"`census`: `{item.name}` must be {wanted}, found {found!r}."
                raise ValueError(msg)
        if sum(map(bool, (self.version, self.uri, self.path))) != 1:
            msg = (
                "`census`: each entry needs one of `version`, `uri` and `path`, found "
                f"{self.version!r}, {self.uri!r} and {self.path and str(self.path)!r}."
            )
            raise ValueError(msg)

    @property
    def name(self) -> str:
        """What the store is called in messages."""
        return self.uri or (f"census {self.version}" if self.version else str(self.path))
