"""Cells made of texts."""

from __future__ import annotations

import inspect

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._generation.prompts import between

TEXTS = ["T cell", "odd cell in the liver"]


@pytest.fixture
def generate(tiny_model):
    """Generate with the tiny model."""
    return lambda *given, **more: scmm.tl.generate(*given, **{"model": tiny_model} | more)


def total(adata):
    return np.asarray(adata.X.sum(1)).ravel()


def test_layout(generate, tiny_model):
    adata = generate(TEXTS, 7)
    assert adata.shape == (14, len(tiny_model.genes))
    assert list(adata.var_names) == list(tiny_model.genes.symbols)
    assert adata.X.format == "csr"
    assert adata.X.dtype == np.float32
    assert (adata.X.data == np.rint(adata.X.data)).all()
    assert list(adata.obs["scmm_prompt"]) == np.repeat(TEXTS, 7).tolist()
    assert list(adata.obs["scmm_prompt_cl"]) == ["CL:0000084"] * 7 + [""] * 7
    assert "scmm_prompt_place" not in adata.obs
    shares = adata.varm["scmm_prompt_share"]
    assert list(shares) == TEXTS
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-4)
    record = adata.uns["scmm_prompt"]
    assert record["params"]["model"] == "tiny"
    assert list(record["prompts"]["cl_id"]) == ["CL:0000084", ""]
    assert record["prompts"]["text"].iloc[0].startswith("T cell / T cell: ")
    scmm.pp.check_counts(adata)


def test_is_written_and_read_again(generate, tmp_path):
    adata = generate(["CD4+/CD8+ cell", "B cell"], 2, steps=3)
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(again.X.toarray(), adata.X.toarray())
    assert list(again.varm["scmm_prompt_share"]) == list(adata.varm["scmm_prompt_share"])


def test_one_text_a_name_and_a_dict(generate):
    assert list(generate("B cell", 2).obs["scmm_prompt"]) == ["B cell"] * 2
    named = generate({"mine": "B cell"}, 2)
    assert list(named.obs["scmm_prompt"]) == ["mine"] * 2
    np.testing.assert_array_equal(named.X.toarray(), generate("B cell", 2).X.toarray())


def test_genes_are_those_asked_for(generate, tiny_model):
    first, second = tiny_model.genes.symbols[:2]
    third = tiny_model.genes.ensembl_ids[2]
    with pytest.warns(UserWarning, match=r"1 of 4 `genes` are left out.*FOREIGN"):
        adata = generate("T cell", 3, genes=[third, first, "FOREIGN", second])
    assert list(adata.var_names) == [third, first, second]
    whole = generate("T cell", 3).varm["scmm_prompt_share"].to_numpy()[:, 0]
    np.testing.assert_allclose(
        adata.varm["scmm_prompt_share"].to_numpy()[:, 0], whole[[2, 0, 1]], rtol=1e-5
    )


def test_library_size_is_the_expected_total_of_the_genes(generate, tiny_model):
    genes = tiny_model.genes.symbols[:50]
    one = generate("T cell", 2000, genes=genes, library_size=300)
    assert total(one).mean() == pytest.approx(300, rel=0.03)
    two = total(generate("T cell", 1000, genes=genes, library_size=[50, 5000], dispersion=0))
    low = two < 500
    assert low.mean() == pytest.approx(0.5, abs=0.06)
    assert two[low].mean() == pytest.approx(50, rel=0.05)
    assert two[~low].mean() == pytest.approx(5000, rel=0.05)


def test_depth_is_that_of_real_cells_where_none_is_given(generate, tiny_model):
    whole = total(generate("T cell", 1000))
    assert np.median(whole) == pytest.approx(tiny_model.sampling.depth, rel=0.1)
    assert np.log(whole).std() == pytest.approx(tiny_model.sampling.depth_spread, rel=0.1)
    half = generate("T cell", 1000, genes=tiny_model.genes.symbols[:150])
    share = generate("T cell", 1).varm["scmm_prompt_share"].to_numpy()[:150].sum()
    assert np.median(total(half)) == pytest.approx(tiny_model.sampling.depth * share, rel=0.1)


@pytest.mark.parametrize("dispersion", [0.0, 0.8])
def test_dispersion(generate, dispersion):
    adata = generate("T cell", 4000, library_size=3000, dispersion=dispersion)
    values = adata.X.toarray().astype(float)
    mean = values.mean(0)
    excess = ((values.var(0) - mean) / mean**2)[mean > 3]
    assert np.median(excess) == pytest.approx(dispersion, abs=0.03)


def test_steps_lead_from_one_text_to_the_other(generate):
    adata = generate(TEXTS, 3, steps=4)
    places = adata.obs["scmm_prompt_place"].to_numpy()
    np.testing.assert_allclose(places, np.repeat([0, 1 / 3, 2 / 3, 1], 3), rtol=1e-6)
    assert set(adata.obs["scmm_prompt"]) == {" to ".join(TEXTS)}
    shares = adata.varm["scmm_prompt_share"].to_numpy()
    ends = generate(TEXTS, 3).varm["scmm_prompt_share"].to_numpy()
    np.testing.assert_allclose(shares[:, [0, -1]], ends, rtol=1e-4)
    # Ratios of neighbouring genes change by one factor a step.
    ratio = np.log(shares[1:] / shares[:-1])
    np.testing.assert_allclose(np.diff(ratio, n=2, axis=1), 0, atol=1e-4)
    assert list(adata.uns["scmm_prompt"]["prompts"]["column"]) == ["stop 0", "stop 3"]


def test_between_is_the_weighted_geometric_mean():
    a, b = np.array([0.5, 0.25, 0.25]), np.array([0.1, 0.1, 0.8])
    weight = a**0.7 * b**0.3
    np.testing.assert_allclose(between(a, b, 0.3), weight / weight.sum())


def test_rng_decides_all_that_chance_does(generate):
    first, again = generate(TEXTS, 4, rng=3), generate(TEXTS, 4, rng=3)
    np.testing.assert_array_equal(first.X.toarray(), again.X.toarray())
    pd.testing.assert_frame_equal(first.obs, again.obs)
    other = generate(TEXTS, 4, rng=4)
    assert (first.X.toarray() != other.X.toarray()).any()
    generator = np.random.default_rng(3)
    np.testing.assert_array_equal(generate(TEXTS, 4, rng=generator).X.toarray(), first.X.toarray())
    assert (generate(TEXTS, 4, rng=generator).X.toarray() != first.X.toarray()).any()


def test_no_cell_leaks_in(generate, tiny_model, counts_adata):
    """Nothing that the model saw in between changes what comes out: text, genes, rng alone do."""
    before = generate(TEXTS, 5, genes=tiny_model.genes.symbols[:40])
    scmm.tl.annotate(counts_adata, model=tiny_model)
    scmm.tl.embed(counts_adata, model=tiny_model)
    np.random.default_rng().random(5)
    after = generate(TEXTS, 5, genes=tiny_model.genes.symbols[:40])
    np.testing.assert_array_equal(before.X.toarray(), after.X.toarray())
    assert "adata" not in inspect.signature(scmm.tl.generate).parameters
    with pytest.raises(TypeError, match=r"cells are generated from words alone.*genes=adata.var"):
        generate(counts_adata)


def test_what_reads_cells_is_not_used(tiny_bundle):
    """Expression is the same where everything that reads cells is made unusable."""
    import torch

    from scmmgpt_tl.model.bundle import read_bundle
    from scmmgpt_tl.model.config import ModelConfig
    from scmmgpt_tl.model.load import _build, load_model

    bundle = read_bundle(tiny_bundle)
    network = _build(bundle, ModelConfig.from_dict(bundle.config))
    reads_cells = ("bridge.cell_", "bridge.shortcut", "bridge.queries", "bridge.match_head")
    broken = 0
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            gene_vectors = name == "cell_encoder.genes.weight"
            if name.startswith(reads_cells) or (name.startswith("cell_enc") and not gene_vectors):
                parameter.fill_(torch.nan)
                broken += 1
    assert broken > 5
    whole = load_model(tiny_bundle, device="cpu").network
    ids = torch.tensor([[2, 9, 12, 3]])
    with torch.inference_mode():
        found = network.expression(ids, torch.ones_like(ids))
        assert torch.equal(found, whole.expression(ids, torch.ones_like(ids)))


@pytest.mark.parametrize(
    ("given", "more", "error", "message"),
    [
        (([],), {}, ValueError, "`prompts` is empty"),
        ((["T cell", " "],), {}, ValueError, "`prompts` holds an empty text"),
        ((["T cell", "T cell"],), {}, ValueError, "holds 'T cell' twice. Raise `n_cells`"),
        (([3],), {}, TypeError, "`prompts` must hold strings, found int"),
        ((5,), {}, TypeError, "`prompts` must be a text, a list of texts, or a dict"),
        (("T cell", 0), {}, ValueError, "`n_cells` must be a whole number, 1 or more, found 0"),
        (("T cell", 2.5), {}, ValueError, "`n_cells` must be a whole number"),
        (("T cell",), {"genes": "CD3D"}, TypeError, "`genes` must be a list of names, not str"),
        (("T cell",), {"genes": [1]}, TypeError, "`genes` must hold strings, found int"),
        (("T cell",), {"genes": []}, ValueError, "`genes` holds none .* found none"),
        (("T cell",), {"genes": ["NO", "NE"]}, ValueError, "`genes` holds none .* NO, NE"),
        (("T cell",), {"library_size": 0}, ValueError, "`library_size` must be positive.* found 0"),
        (("T cell",), {"library_size": [5, -1]}, ValueError, "`library_size` .* found -1"),
        (("T cell",), {"library_size": []}, ValueError, r"`library_size` .* shape \(0,\)"),
        (("T cell",), {"library_size": "deep"}, ValueError, "must be a number, or a list of"),
        (("T cell",), {"dispersion": -1}, ValueError, "`dispersion` must be 0 or more, found -1"),
        ((TEXTS,), {"steps": 1}, ValueError, "`steps` must be a whole number, 2 or more"),
        (("T cell",), {"steps": 3}, ValueError, "`prompts` must be two; found 1"),
        (("T cell",), {"key_added": "a/b"}, ValueError, "`key_added` must be"),
    ],
)
def test_what_cannot_be_meant_is_refused(generate, given, more, error, message):
    with pytest.raises(error, match=message):
        generate(*given, **more)


def test_mouse_genes_are_refused(generate):
    with pytest.raises(ValueError, match=r"`genes` look like mouse genes \(such as Cd3d"):
        generate("T cell", genes=["Cd3d", "Cd3e", "Cd8a", "Ptprc", "Gm12345", "Actb", "Ms4a1"])
