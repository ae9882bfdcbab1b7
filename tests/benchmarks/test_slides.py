from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import slides
from _markers import Markers

OWN = {
    "CL:0000084": ["CD3D", "CD3E", "CD2", "IL7R", "CD28", "TRAC"],
    "CL:0000236": ["CD79A", "CD79B", "MS4A1", "CD19", "BANK1", "CD22"],
}


@pytest.fixture
def markers():
    """Each type has six of its own, best first, and one in common."""
    rows = [
        (term, gene, 10 - i)
        for term, genes in OWN.items()
        for i, gene in enumerate([*genes, "CD74"])
    ]
    return Markers(pd.DataFrame(rows, columns=["cell_type_id", "marker", "evidence"]))


def test_every_second_marker_of_one_type_alone_is_taken_out(markers, monkeypatch):
    network = markers.network(OWN, {"CD74", *OWN["CL:0000084"], *OWN["CL:0000236"][:4]})
    monkeypatch.setattr(slides, "FEWEST_OWN", 5)
    assert slides.taken_out(network) == {"CL:0000084": ("CD3D", "CD2", "CD28")}
    monkeypatch.setattr(slides, "FEWEST_OWN", 4)
    assert slides.taken_out(network)["CL:0000236"] == ("CD79A", "MS4A1")


def test_shares_follow_markers_that_no_method_saw(
    counts_adata, tiny_model, tmp_path, markers, monkeypatch
):
    pytest.importorskip("decoupler")
    monkeypatch.setattr(slides, "FEWEST_OWN", 4)
    monkeypatch.setattr("_markers.FEWEST_MARKERS", 2)
    seen = []
    shares_of = slides.shares_of

    def looked_at(adata, types, model):
        seen.extend(adata.var_names)
        return shares_of(adata, types, model)

    monkeypatch.setattr(slides, "shares_of", looked_at)
    counts_adata.obs["batch"] = np.tile(["one", "two"], 30)
    counts_adata.write_h5ad(tmp_path / "slide.h5ad")
    types = ["T cell", "B cell"]
    rows = pd.DataFrame(
        slides.follow_markers(tmp_path / "slide.h5ad", types, tiny_model, markers=markers)
    )
    assert not {"CD3D", "CD79A"} & set(seen)
    assert {"CD3E", "CD79B"} <= set(seen)
    assert set(rows["method"]) == set(slides.NAMES)
    assert rows.groupby(["type", "slide"]).size().eq(len(slides.NAMES)).all()
    # The clusters express all of their markers, so that the other half tells of these.
    means = rows[rows["method"] == "markers"][["own", "others"]].mean()
    assert means["own"] > 0.5 > means["others"]
    shown = slides.marker_table(rows)
    assert "| slide | T cell |" in shown
    assert "| slide | **own less others** |" in shown


def test_regions(counts_adata, tiny_model, tmp_path):
    counts_adata.obs["cell_type"] = np.where(
        counts_adata.obs["cluster"] == "B", "immune infiltrate", "connective tissue"
    )
    counts_adata.obs["section"] = np.tile(["one", "two"], 30)
    counts_adata.write_h5ad(tmp_path / "slides.h5ad")
    found = slides.compare_regions(tmp_path / "slides.h5ad", tiny_model)
    assert set(found["region"]) == {"immune infiltrate", "connective tissue"}
    assert found.groupby("region")["slide"].apply(list).map(sorted).tolist() == [["one", "two"]] * 2
    assert found["spots"].sum() == 60
    shown = slides.region_table(found)
    assert "| immune infiltrate | T cell, B cell, plasma cell | 20 | 2 |" in shown
