"""Whatever is wrong with cells: a right answer, or an error that names the slot, of every tool."""

from __future__ import annotations

import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import scmmgpt_tl as scmm

from .conftest import TOOLS as SOME
from .conftest import assert_same
from .faults import FAULTS, INJECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .faults import Fault

# The cells were annotated and searched before: what comes now goes elsewhere.
TOOLS: Mapping[str, Callable[..., Any]] = {
    **{name: partial(SOME[name], key_added="new") for name in SOME},
    "integrate": lambda adata, **more: scmm.tl.integrate(adata, "batch", **more),
    "refine": scmm.tl.refine,
    # All cells, so that it is not by their names which ones are explained.
    "explain": lambda adata, **more: scmm.tl.explain(adata, max_cells=None, **more),
    "explain_search": lambda adata, **more: scmm.tl.explain_search(adata, n_cells=5, **more),
    "gene_network": partial(scmm.tl.gene_network, max_cells=None, n_genes=20, n_edges=15),
    "perturb": lambda adata, **more: scmm.tl.perturb(adata, "CD3D", "cluster", **more),
    "proteins": lambda adata, **more: scmm.tl.proteins(adata, joint=True, **more),
    "score_gene_sets": lambda adata, **more: scmm.tl.score_gene_sets(
        adata, {"T": ["CD3D", "CD3E"], "B": ["CD19", "MS4A1"]}, **more
    ),
    "neighborhoods": lambda adata, model, **more: scmm.pp.neighborhoods(adata, 3, **more),
}
# Reads antibodies, and of the counts nothing.
READ_NO_COUNTS = {"proteins"}
READ_NO_GENES = {"neighborhoods"}
GENES = {
    "no gene that the model knows", "no genes", "one gene", "genes in another order",
    "names of genes repeated", 'names of genes made unique by "-1"', "20,000 more genes",
    "Ensembl ids with versions", "names of genes in lower case",
}  # fmt: skip

_made: dict[object, Any] = {}


@pytest.fixture(autouse=True)
def _shortest_texts(_short_texts, monkeypatch):
    monkeypatch.setattr("scmmgpt_tl.tl._writing.write_up.MAX_NEW_TOKENS", 1)


@pytest.fixture
def cells(counts_adata, tiny_model) -> AnnData:
    """Cells that every tool can be asked about: annotated, searched, with batch, place, proteins."""
    if "cells" not in _made:
        _made["cells"] = _prepare(counts_adata, tiny_model)
    return _made["cells"].copy()


def _prepare(adata: AnnData, model) -> AnnData:
    rng = np.random.default_rng(1)
    adata.obs["batch"] = pd.Categorical(np.tile(["one", "two"], 30))
    adata.obsm["spatial"] = rng.uniform(size=(60, 2))
    cluster = adata.obs["cluster"].to_numpy(dtype=object)
    counts = {
        f"{name}_TotalSeqB": rng.poisson(np.where(cluster == of, 500, 5))
        for name, of in {"CD3": "T", "CD19": "B", "CD14": "mono"}.items()
    }
    adata.obsm["protein_expression"] = pd.DataFrame(counts, index=adata.obs_names)
    scmm.tl.annotate(adata, ["T cell", "B cell", "monocyte"], threshold=0.0, model=model)
    scmm.tl.search(adata, "plasma cell in blood", model=model)
    return adata


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_in_every_tool(cells, tiny_model, name, fault, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = fault.change(cells.copy(), tmp_path)
        before = _Before(adata)
        if fault.refused and not _is_spared(name, fault):
            with pytest.raises(ValueError, match=fault.refused):
                TOOLS[name](adata, model=tiny_model)
            before.assert_nothing_changed(adata)
            return
        found = _run(name, adata, tiny_model)
        before.assert_only_added(adata)
        if not fault.refused:
            expected = _expected(name, fault, cells, tiny_model)
            _assert_same_results(expected, found, is_covered=fault.is_covered)
            if name == "perturb" or (name in READ_NO_GENES and fault.name not in GENES):
                # Tools that make an object of their own.
                left, right = (sparse.csr_matrix(adata.X).toarray() for adata in (expected, found))
                np.testing.assert_allclose(left, right, rtol=0, atol=1e-5)
        if adata.isbacked:
            adata.file.close()


def _is_spared(name: str, fault: Fault) -> bool:
    return name in READ_NO_COUNTS or (name in READ_NO_GENES and fault.name in GENES)


def _run(name: str, adata: AnnData, model) -> AnnData:
    made = TOOLS[name](adata, model=model)
    return adata if made is None else made


def _expected(name: str, fault: Fault, cells: AnnData, model) -> AnnData:
    key = (name, fault.like)
    if key not in _made:
        _made[key] = _run(name, fault.like(cells.copy()), model)
    return _made[key].copy()


def _assert_same_results(expected: AnnData, found: AnnData, *, is_covered: bool = True) -> None:
    """By position, whatever cells are called, and without what the fault itself added."""
    keys, columns = set(expected.uns), list(expected.obs)
    results = []
    for adata in (expected, found):
        # First of all: not every name is one that a new object can be made with.
        adata.obs_names = [str(place) for place in range(adata.n_obs)]
        obs = adata.obs[columns].astype(dict.fromkeys(_categories(adata) & set(columns), str))
        if not is_covered:
            obs = obs.drop(columns=[name for name in columns if name.endswith("_coverage")])
        uns = {key: dict(adata.uns[key]) for key in keys}
        for record in uns.values():
            _forget_what_may_differ(record, is_covered=is_covered)
        results.append(AnnData(obs=obs, obsm=dict(adata.obsm), uns=uns))
    assert_same(*results, exact=False)


def _categories(adata: AnnData) -> set[str]:
    return set(adata.obs.select_dtypes("category"))


def _forget_what_may_differ(record: Any, *, is_covered: bool) -> None:
    """Drop names of cells, and what is told of the file itself."""
    dropped = {"cell"} if is_covered else {"cell", "coverage"}
    for part in ("params", "genes"):
        if (
            part in record
            and hasattr(record[part], "keys")
            and not hasattr(record[part], "columns")
        ):
            del record[part]
    for name, table in record.items():
        if isinstance(table, pd.DataFrame):
            record[name] = table.drop(columns=list(dropped & set(table)))


class _Before:
    """What an object held."""

    def __init__(self, adata: AnnData) -> None:
        self._matrices = {name: _parts(matrix) for name, matrix in _matrices(adata)}
        self._obs, self._var = adata.obs.copy(), adata.var.copy()
        self._obsm = {key: np.array(value) for key, value in adata.obsm.items()}
        self.keys = set(adata.uns)

    def assert_only_added(self, adata: AnnData) -> None:
        """Whatever there was is as it was; only results came on top."""
        for name, matrix in _matrices(adata):
            for left, right in zip(self._matrices[name], _parts(matrix), strict=True):
                assert left.dtype == right.dtype
                np.testing.assert_array_equal(left, right)
        pd.testing.assert_frame_equal(adata.var, self._var)
        pd.testing.assert_frame_equal(adata.obs[list(self._obs)], self._obs)
        for key, value in self._obsm.items():
            np.testing.assert_array_equal(np.array(adata.obsm[key]), value)
        assert self.keys <= set(adata.uns)

    def assert_nothing_changed(self, adata: AnnData) -> None:
        """As it was, and nothing more."""
        self.assert_only_added(adata)
        assert list(adata.obs) == list(self._obs)
        assert set(adata.obsm) == set(self._obsm)
        assert set(adata.uns) == self.keys


def _matrices(adata: AnnData) -> list[tuple[str, Any]]:
    if adata.isbacked:  # the file is read-only
        return []
    return [("X", adata.X), *((name, adata.layers[name]) for name in adata.layers if name)]


def _parts(matrix: Any) -> list[np.ndarray]:
    """Copies of the arrays that a matrix is made of, in the order that they are in."""
    if hasattr(matrix, "dask"):
        return _parts(matrix.compute())
    if sparse.issparse(matrix):
        return [matrix.data.copy(), matrix.indices.copy(), matrix.indptr.copy()]
    return [np.array(matrix)]


POOR = {
    # What cannot be said of such cells, by tool; all others give numbers.
    "no counts at all": {
        "compare": "Fewer than 3 cells of 'T' express genes enough to be read",
        "integrate": "No cell has enough genes that the model knows",
    },
    "no cells": {
        "annotate-groups": "do not name groups: found \\[\\]",
        "compare": "do not name groups|names no group",
        "describe": "do not name groups: found \\[\\]",
        "explain": "nothing to explain",
        "gene_network": "nothing to explain",
        "explain_search": "of 0 cells some must be left to compare with",
        "integrate": "do not name groups: found \\[\\]",
        "perturb": "do not name groups: found \\[\\]",
        "rank_terms": "do not name groups: found \\[\\]",
    },
    "one cell": {
        "compare": "names no group 'B'",
        "gene_network": r"No group has \d+ cells",
        "explain_search": "of 1 cells some must be left to compare with",
        "integrate": "has one batch, 'one': there is nothing to integrate",
    },
    "one cell of them without counts": {},
}
POORER = {
    "no counts at all": lambda adata: _with_values(adata, np.zeros(adata.shape, np.float32)),
    "no cells": lambda adata: adata[:0].copy(),
    "one cell": lambda adata: adata[:1].copy(),
    "one cell of them without counts": lambda adata: _with_values(
        adata, adata.X.toarray() * (np.arange(60) != 4)[:, None]
    ),
}


def _with_values(adata: AnnData, values: np.ndarray) -> AnnData:
    adata.X = sparse.csr_matrix(values)
    return adata


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("kind", POOR)
def test_little_or_nothing_to_read(cells, tiny_model, name, kind):
    adata = POORER[kind](cells)
    before = _Before(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in POOR[kind]:
            with pytest.raises(ValueError, match=POOR[kind][name]):
                TOOLS[name](adata, model=tiny_model)
            before.assert_nothing_changed(adata)
            return
        found = _run(name, adata, tiny_model)
    before.assert_only_added(adata)
    assert found.n_obs == adata.n_obs or name == "perturb"
    for table in (found.obs.select_dtypes("number"), *found.obsm.values()):
        assert np.isfinite(np.asarray(table, dtype=float)).all() or name in {"perturb", "proteins"}


@pytest.mark.parametrize("name", [name for name in TOOLS if name not in READ_NO_COUNTS])
def test_fractional_counts_are_taken_with_one_warning(cells, tiny_model, name):
    cells.X = cells.X * np.float32(0.37)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        TOOLS[name](cells, model=tiny_model)
    assert sum("They are taken as linear" in str(one.message) for one in told) == 1


@pytest.mark.parametrize("name", [name for name in TOOLS if name not in READ_NO_COUNTS])
def test_missing_counts_are_zeros_where_the_settings_say_so(cells, tiny_model, name):
    zeros = _with_values(cells.copy(), np.where(_gap(), 0, cells.X.toarray()))
    cells = _with_values(cells, np.where(_gap(), np.nan, cells.X.toarray()))
    before = _Before(cells)
    with warnings.catch_warnings(), scmm.settings.override(nan="zero"):
        warnings.simplefilter("ignore")
        expected = _run(name, zeros, tiny_model)
        found = _run(name, cells, tiny_model)
    before.assert_only_added(cells)
    if name not in READ_NO_GENES:
        (record,) = (found.uns[key] for key in found.uns if key not in before.keys)
        assert record["params"]["nan"] == "zero"
    _assert_same_results(expected, found)


def _gap() -> np.ndarray:
    """Cells that lack genes, as after joining two data sets."""
    return (np.arange(60) % 2 == 0)[:, None] & (np.arange(303) % 5 == 0)


BY_GROUP: Mapping[str, Callable[..., Any]] = {
    "annotate": lambda adata, by, **more: scmm.tl.annotate(adata, None, by, **more),
    "compare": lambda adata, by, **more: scmm.tl.compare(
        adata, *adata.obs[by].dropna().unique()[:2], groupby=by, **more
    ),
    "describe": scmm.tl.describe,
    "explain": lambda adata, by, **more: scmm.tl.explain(adata, by, key="scmm_cell_type", **more),
    "perturb": lambda adata, by, **more: scmm.tl.perturb(adata, "CD3D", by, **more),
    "rank_terms": lambda adata, by, **more: scmm.tl.rank_terms(adata, None, by, **more),
}


@pytest.mark.filterwarnings("ignore:This changes genes")
@pytest.mark.parametrize("name", BY_GROUP)
@pytest.mark.parametrize("dtype", ["category", object, float])
def test_groups_may_be_numbers_empty_or_missing(cells, tiny_model, name, dtype):
    values = np.repeat([1, 2, 3], 20).astype(object)
    values[::10] = None
    groups = pd.Series(values, index=cells.obs_names).astype(dtype)
    if dtype == "category":
        groups = groups.cat.add_categories(["nobody"])
    cells.obs["group"] = groups
    found = BY_GROUP[name](cells, "group", key_added="new", model=tiny_model)
    found = cells if found is None else found
    said = [found.obs[column] for column in found.obs if column.startswith(("new", "group", "n_"))]
    tables = [table for table in found.uns["new"].values() if isinstance(table, pd.DataFrame)]
    for column in (*said, *(table[column] for table in tables for column in table)):
        assert not {"nan", "None", "nobody"} & set(column.astype(object).map(str)[column.notna()])


@pytest.mark.parametrize("name", ["integrate", "neighborhoods", "proteins"])
def test_every_cell_must_be_of_a_sample(cells, tiny_model, name):
    cells.obs["sample"] = cells.obs["batch"].astype(object).where(np.arange(60) > 1, None)
    before = _Before(cells)
    argument = "library_key" if name == "neighborhoods" else "batch_key"
    call = {
        "integrate": partial(scmm.tl.integrate, model=tiny_model),
        "neighborhoods": scmm.pp.neighborhoods,
        "proteins": scmm.tl.proteins,
    }[name]
    with pytest.raises(
        ValueError, match=rf"2 cells have nothing in .obs\['sample'\] of `{argument}`"
    ):
        call(cells, **{argument: "sample"})
    before.assert_nothing_changed(cells)


# A comparison names its groups in its own sentences.
@pytest.mark.parametrize("name", [name for name in BY_GROUP if name != "compare"])
def test_names_of_groups_are_no_instructions(cells, tiny_model, name):
    plain = cells.copy()
    cells.obs["cluster"] = cells.obs["cluster"].cat.rename_categories({"T": INJECTED})
    plain.obs["cluster"] = plain.obs["cluster"].cat.rename_categories({"T": "first"})
    results = []
    for adata in (cells, plain):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = BY_GROUP[name](adata, "cluster", key_added="new", model=tiny_model)
        results.append(adata if made is None else made)
    found, expected = results
    for adata in results:
        for record in (*adata.uns.values(), adata.__dict__["_obs"]):
            _rename(record)
    _assert_same_results(expected, found)


def _rename(record: Any) -> None:
    """Call the group alike in tables and columns."""

    def alike(value: object) -> object:
        return "T" if value in {INJECTED, "first"} else value

    for name, value in record.items():
        is_text = isinstance(value, pd.Series) and value.dtype in (object, "category")
        if is_text or isinstance(value, pd.DataFrame):
            record[name] = value.astype(object).map(alike)


@pytest.mark.parametrize("name", TOOLS)
def test_a_view_of_a_backed_file_is_read_or_refused(cells, tiny_model, name, tmp_path):
    from anndata import read_h5ad

    cells.write_h5ad(tmp_path / "cells.h5ad")
    view = read_h5ad(tmp_path / "cells.h5ad", backed="r")[10:50]
    if name in READ_NO_GENES:
        found = TOOLS[name](view, model=tiny_model)
        expected = TOOLS[name](cells[10:50].copy(), model=tiny_model)
        np.testing.assert_array_equal(found.X.toarray(), expected.X.toarray())
    else:
        with pytest.raises(
            ValueError, match=r"view of a backed object. Pass `adata.to_memory\(\)`"
        ):
            TOOLS[name](view, model=tiny_model)
    view.file.close()


@pytest.mark.parametrize("name", TOOLS)
def test_nothing_global_is_left_changed(cells, tiny_model, name):
    import torch

    before = _global_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        TOOLS[name](cells, model=tiny_model)
    after = _global_state()
    assert torch.equal(before.pop("torch"), after.pop("torch"))
    assert before == after


def _global_state() -> dict[str, Any]:
    import torch

    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - it is the one that may be touched
    return {
        "numpy": (name, tuple(keys), *rest),
        "python": random.getstate(),
        "torch": torch.get_rng_state(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "errors": tuple(np.geterr().items()),
    }


@pytest.mark.filterwarnings("ignore")
def test_all_tools_at_once_give_what_they_give_alone(cells, tiny_model):
    names = sorted(set(TOOLS) - {"describe"})
    alone = {name: _expected(name, FAULTS[2], cells, tiny_model) for name in names}
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda name: _run(name, cells.copy(), tiny_model), names * 2))
    for name, found in zip(names * 2, at_once, strict=True):
        _assert_same_results(alone[name].copy(), found)


@pytest.mark.parametrize(
    "names",
    [
        lambda var: [f"{name}.2" for name in var["gene_ids"]],
        lambda var: list(var.index.str.lower()),
        lambda var: [*var.index, var.index[0]],
    ],
    ids=["versions", "lower case", "repeated"],
)
def test_generated_genes_are_those_meant(cells, tiny_model, names):
    var = cells.var[:30]
    expected = scmm.tl.generate("T cell", 3, genes=list(var.index), model=tiny_model)
    given = names(var)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = scmm.tl.generate("T cell", 3, genes=given, model=tiny_model)
    np.testing.assert_array_equal(found.X.toarray(), expected.X.toarray())
    assert list(found.var_names) == given[:30]
    assert any("left out" in str(one.message) for one in told) == (len(given) > 30)
