"""For cells in any form, a tool gives the right answer, or an error that says where it lies."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from hypothesis import HealthCheck, given, settings

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._on_files import results_path

from .adatas import Cells, adatas, placed

TOOLS = {
    "annotate": lambda cells, **more: scmm.tl.annotate(cells, ["T cell", "B cell"], **more),
    "embed": scmm.tl.embed,
    "search": lambda cells, **more: scmm.tl.search(cells, "T cell", **more),
}


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS.keys())
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cells=adatas())
def test_right_answer_or_an_error_that_names_the_slot(tiny_model, tool, cells: Cells):
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        # A view is made an actual object, and says so.
        warnings.filterwarnings("ignore", "Received a view")
        warnings.filterwarnings("ignore", ".*not.*writ", FutureWarning)
        given_ = placed(cells, Path(name))
        if cells.bad:
            _assert_refused(tool, given_, cells, tiny_model)
        else:
            tool(given_, model=tiny_model)
            tool(cells.plain, model=tiny_model)
            found = read_h5ad(results_path(given_)) if isinstance(given_, Path) else given_
            _assert_same_numbers(cells.plain, found)
        if isinstance(given_, AnnData) and given_.isbacked:
            given_.file.close()


def _assert_refused(tool, given_, cells: Cells, model) -> None:
    slot = r"layers\['counts'\]" if cells.place == "layer" else "X"
    with pytest.raises(ValueError, match=rf"^{slot} holds .*{cells.bad}"):
        tool(given_, model=model)
    if isinstance(given_, Path):
        assert not results_path(given_).exists()
        assert [p.name for p in given_.parent.iterdir() if p.is_dir()] == []
    else:
        assert not given_.uns
        assert not list(given_.obsm)
        assert not list(given_.obs)


def _assert_same_numbers(plain: AnnData, found: AnnData) -> None:
    assert list(found.obs) == list(plain.obs)
    for column in plain.obs:
        if plain.obs[column].dtype == np.float32:
            np.testing.assert_allclose(found.obs[column], plain.obs[column], rtol=0, atol=1e-5)
        else:
            assert list(found.obs[column].astype(str)) == list(plain.obs[column].astype(str))
    assert set(found.obsm) == set(plain.obsm)
    for key, value in plain.obsm.items():
        np.testing.assert_allclose(
            np.asarray(found.obsm[key]), np.asarray(value), rtol=0, atol=1e-5
        )
