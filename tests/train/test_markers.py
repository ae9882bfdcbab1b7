from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.train import draw
from scmmgpt_tl.train.draw import CellSource
from scmmgpt_tl.train.markers import read_markers

# As written by the fixture run_file.
T_CELL, PLASMA_CELL = "CL:0000084", "CL:0000786"
N_MARKERS = 12


@pytest.fixture(scope="module")
def markers(run_config, gene_table):
    return read_markers(run_config.markers, gene_table, without=run_config.markers_without)


def source_of(material, markers, **options):
    options = {"real_share": 0.0, "marker_share": 0.0} | options
    return CellSource(material.profiles, (), types=material.types, markers=markers, **options)


def test_only_positive_human_markers_of_wanted_resources_are_read(markers):
    assert set(markers[PLASMA_CELL].genes.tolist()) == set(range(280, 288))


def test_resources_are_left_out_on_request_only(run_config, gene_table):
    everything = read_markers(run_config.markers, gene_table)
    assert 200 in everything[PLASMA_CELL].genes


def test_what_more_resources_name_weighs_more(markers):
    genes, weights = markers[PLASMA_CELL]
    assert genes[0] == 280
    np.testing.assert_allclose(weights, [4 / 11, *[1 / 11] * 7])


def test_types_with_few_markers_have_none(markers):
    assert set(markers) == {T_CELL, PLASMA_CELL}


def test_a_type_known_by_markers_alone_is_learned(material):
    assert PLASMA_CELL in material.types
    assert PLASMA_CELL not in material.profiles.terms


def test_cells_made_of_markers_express_them(material, markers):
    batch = source_of(material, markers, marker_share=1.0).draw(300, np.random.default_rng(0))
    assert (batch.profile == -1).all()
    assert (batch.term == material.types.index(PLASMA_CELL)).all()
    assert not batch.values[~batch.measured].any()
    genes, others = batch.values[:, 280:288], batch.values[:, 288:]
    assert genes.mean() > 1.5 * others.mean()


def test_some_drawn_cells_express_markers_more_strongly(material, markers, monkeypatch):
    t_cell = material.types.index(T_CELL)
    # Genes that T cells hardly express by themselves.
    borrowed = {T_CELL: markers[PLASMA_CELL]}
    means = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(draw, "STRESSED", share)
        batch = source_of(material, borrowed).draw(600, np.random.default_rng(0))
        means.append(batch.values[batch.term == t_cell][:, 280:288].mean())
    assert means[1] > 1.2 * means[0]


def test_without_markers_no_cell_is_made_of_them(material):
    source = source_of(material, None, marker_share=1.0)
    assert (source.draw(50, np.random.default_rng(0)).profile >= 0).all()
