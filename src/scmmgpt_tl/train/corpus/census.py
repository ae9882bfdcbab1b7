"""Labelled cells in CELLxGENE Census or another SOMA store, of which blocks are read at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scmmgpt_tl.train.mapping import gene_map

from .cells import Cells, Labels, as_categorical

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

    from .entry import CensusEntry

PRIMARY = "is_primary_data"
# Of a census: which genes each data set measured, and where each was published.
PRESENCE = "feature_dataset_presence_matrix"
CITED = ("citation", "collection_doi", "collection_name", "dataset_title")


class SomaCounts:
    """Rows of a SOMA array, over the genes of the model.

    Parameters
    ----------
    array
        Sparse array of cells and genes.
    ids
        Where in it the cells are, ascending.
    to_model
        0/1 matrix from the genes of the array to those of the model.
    store
        That the array is in. An array is closed with its store, and that when nobody holds it.
    """

    def __init__(
        self, array: Any, ids: NDArray[np.int64], to_model: sp.csr_matrix, *, store: Any
    ) -> None:
        self._array, self._ids, self._to_model, self._store = array, ids, to_model, store

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return len(self._ids), self._to_model.shape[1]

    def __getitem__(self, rows: NDArray[np.int64], /) -> sp.csr_matrix:
        """Read some cells, in any order."""
        ids, place = np.unique(self._ids[rows], return_inverse=True)
        found = self._array.read((ids,)).tables().concat()
        row, gene, value = (found[name].to_numpy() for name in found.column_names)
        shape = len(ids), self._to_model.shape[0]
        counts = sp.csr_matrix((value, (np.searchsorted(ids, row), gene)), shape=shape)
        return sp.csr_matrix(counts @ self._to_model, dtype=np.float32)[place]


def open_census(
    entry: CensusEntry, genes: GeneTable, *, without_types: Collection[str] = ()
) -> list[Cells]:
    """Read the labels of the cells of a store; counts are read when they are asked for.

    Parameters
    ----------
    entry
        Which cells of which store.
    genes
        Gene table of the model.
    without_types
        Cell Ontology ids to leave out, with all kinds of them.

    Returns
    -------
    Cells of each study that has any with a type.

    Raises
    ------
    ValueError
        If the store lacks a column or an array, or no gene of it is in the table.
    """
    store = _open(entry)
    is_census = "census_data" in store
    experiment = _part(store["census_data"], entry.organism, entry) if is_census else store
    measurement = _part(experiment.ms, entry.measurement, entry)
    array = _part(measurement["X"], entry.layer, entry)
    to_model = _gene_map(measurement.var, entry, genes)
    about = _about(store) if is_census else {}
    presence = measurement.get(PRESENCE)
    obs = _read_obs(experiment.obs, entry)
    studies = as_categorical(obs[entry.study])
    found = []
    for code, study in enumerate(studies.categories):
        own = obs[studies.codes == code].sort_values("soma_joinid")
        labels = Labels(
            own[entry.term], own[entry.tissue], own[entry.donor], without_types=without_types
        )
        if len(labels.rows):
            ids = own["soma_joinid"].to_numpy()[labels.rows]
            row, cited = about.get(study, (None, ""))
            found.append(
                Cells(
                    counts=SomaCounts(array, ids, to_model, store=store),
                    measured=_measured(to_model, presence, row),
                    terms=labels.terms,
                    tissues=labels.tissues,
                    donors=labels.donors,
                    study=str(study),
                    source=entry.name,
                    cited=cited,
                )
            )
    return found


def _open(entry: CensusEntry) -> Any:
    try:
        if entry.version:
            import cellxgene_census

            return cellxgene_census.open_soma(census_version=entry.version)
        import tiledbsoma
    except ImportError as error:
        error.add_note('`census` needs `pip install "scmmgpt-tl[train,census]"`.')
        raise
    return tiledbsoma.open(entry.uri or str(entry.path))


def _part(collection: Mapping[str, Any], name: str, entry: CensusEntry) -> Any:
    _check_names([name], collection.keys(), entry)
    return collection[name]


def _check_names(wanted: Collection[str], there: Collection[str], entry: CensusEntry) -> None:
    if missing := [name for name in wanted if name not in there]:
        msg = (
            f"`census`: {entry.name!r} has no {', '.join(map(repr, missing))}. Name what it has, of "
            f"{sorted(there)!r}."
        )
        raise ValueError(msg)


def _read_obs(obs: Any, entry: CensusEntry) -> pd.DataFrame:
    columns = ["soma_joinid", entry.term, entry.tissue, entry.study, entry.donor]
    wanted = f"({entry.value_filter})" if entry.value_filter else ""
    if entry.primary_only:
        _check_names([PRIMARY], obs.keys(), entry)
        wanted = " and ".join(filter(None, (f"{PRIMARY} == True", wanted)))
    _check_names(columns, obs.keys(), entry)
    return obs.read(column_names=columns, value_filter=wanted or None).concat().to_pandas()


def _gene_map(var: Any, entry: CensusEntry, genes: GeneTable) -> sp.csr_matrix:
    _check_names([entry.gene], var.keys(), entry)
    table = var.read(column_names=["soma_joinid", entry.gene]).concat().to_pandas()
    place = table["soma_joinid"].to_numpy()
    names = np.full(place.max() + 1, "", dtype=object)
    names[place] = table[entry.gene].astype(str)
    return gene_map(names.tolist(), genes)


def _about(census: Any) -> dict[str, tuple[int, str]]:
    """Return where the presence matrix has each data set, and what it cites."""
    table = census["census_info"]["datasets"].read().concat().to_pandas()
    cited = table[[name for name in CITED if name in table]].astype(str)
    texts = (" ".join(row) for row in cited.itertuples(index=False))
    rows = zip(map(int, table["soma_joinid"]), texts, strict=True)
    return dict(zip(map(str, table["dataset_id"]), rows, strict=True))


def _measured(to_model: sp.csr_matrix, presence: Any, row: int | None) -> NDArray[np.bool_]:
    if presence is None or row is None:
        return np.asarray(to_model.sum(0)).ravel() > 0
    found = presence.read(([row],)).tables().concat()
    there = np.zeros(to_model.shape[0], dtype=np.float32)
    there[found["soma_dim_1"].to_numpy()[found["soma_data"].to_numpy() > 0]] = 1
    return there @ to_model > 0
