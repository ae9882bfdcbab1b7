from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from anndata import read_h5ad

from scmmgpt_tl.train.material import prepare


def test_profiles_of_another_species_are_drawn_from_and_nothing_else(
    run_config, material, tmp_path
):
    adata = read_h5ad(next(path for path in run_config.profiles if path.stem == "human_a"))
    adata.obs["cell_type_id"] = ["CL:0000540"] * 2 + list(adata.obs["cell_type_id"][2:])
    adata.write_h5ad(tmp_path / "mouse_a.h5ad")
    run = replace(run_config, ortholog_profiles=(tmp_path / "mouse_a.h5ad",), ortholog_share=0.5)
    found = prepare(run)
    assert found.profiles.studies == material.profiles.studies
    np.testing.assert_array_equal(found.average, material.average)
    before, after = (
        Counter(dict(zip(part.types, part.n_profiles, strict=True))) for part in (material, found)
    )
    # However many profiles of another species there are, they count as one more.
    assert after - before == Counter(set(found.orthologs.terms))
    assert after["CL:0000540"] == 1
    drawn = found.source.draw(200, np.random.default_rng(0))
    assert (drawn.profile < 0).sum() > (
        material.source.draw(200, np.random.default_rng(0)).profile < 0
    ).sum()


def test_no_other_species_by_itself(material):
    assert material.orthologs is None
