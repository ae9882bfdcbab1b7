"""From counts under any names of genes to embeddings and labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.cli import main

LABELS = {"T cell": "A lymphocyte of the blood.", "B cell": "A large monocyte.", "other": "cell"}


def rows_of(adata, model):
    return csr_matrix(adata[:, list(model.genes.symbols)].X)


def test_embed(counts_adata, make_folder):
    folder = make_folder()
    scmm.tl.embed(counts_adata, model=folder)
    model = scmm.load_model(folder)
    expected = model.encode_cells(rows_of(counts_adata, model)).cell
    found = counts_adata.obsm["X_langcell"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_annotate_scores_by_the_published_rule(counts_adata, make_folder):
    folder = make_folder()
    scmm.tl.annotate(counts_adata, LABELS, model=folder)
    model = scmm.load_model(folder)
    texts = [f"cell type: {name}. {text}" for name, text in LABELS.items()]
    expected = model.zero_shot(rows_of(counts_adata, model), texts)
    found = counts_adata.obsm["scmm_cell_type_scores"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    table = scmm.get.annotation_df(counts_adata)
    assert table["label"].tolist() == [list(LABELS)[i] for i in expected.argmax(axis=1)]
    assert table["label"].nunique() > 1
    np.testing.assert_allclose(table["score"], expected.max(axis=1), atol=1e-4)
    assert set(table["reason"]) == {"ok"}
    assert counts_adata.uns["scmm_cell_type"]["params"]["model"] == "LangCell"


def test_labels_are_explained_by_leaving_genes_out(counts_adata, make_folder):
    model = scmm.load_model(make_folder())
    scmm.tl.annotate(counts_adata, LABELS, model=model)
    scmm.tl.explain(counts_adata, model=model, max_cells=2)
    genes = scmm.get.explanation_df(counts_adata)
    first = genes.loc[genes["attribution"].idxmax()]
    rows = rows_of(counts_adata, model)[counts_adata.obs_names.get_loc(first["cell"])].toarray()
    less = rows * (np.array(model.genes.symbols) != first["gene"])
    texts = [f"cell type: {name}. {text}" for name, text in LABELS.items()]
    p = model.zero_shot(csr_matrix(np.vstack([rows, less])), texts)
    sides = [list(LABELS).index(first[side]) for side in ("label", "against")]
    odds = np.log(p[:, sides[0]] / p[:, sides[1]])
    assert first["attribution"] == pytest.approx(odds[0] - odds[1], abs=1e-4)
    with pytest.raises(ValueError, match="LangCell reads genes as a list"):
        scmm.tl.explain(counts_adata, model=model, method="integrated_gradients")


def test_names_are_defined_by_the_ontology(counts_adata, make_folder):
    folder = make_folder()
    scmm.tl.annotate(counts_adata, ["T cell", "CL:0000236"], model=folder)
    model, cl = scmm.load_model(folder), scmm.ontology.load()
    texts = [
        f"cell type: {name}. {cl.definition(key)}"
        for name, key in (("T cell", "CL:0000084"), ("B cell", "CL:0000236"))
    ]
    expected = model.zero_shot(rows_of(counts_adata, model), texts)
    found = counts_adata.obsm["scmm_cell_type_scores"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert list(found) == ["T cell", "B cell"]


def test_groups_levels_thresholds_and_cells_without_counts(counts_adata, make_folder):
    counts = counts_adata.X.toarray()
    counts[3] = 0
    counts_adata.X = csr_matrix(counts)
    model, labels = scmm.load_model(make_folder()), ["T cell", "B cell"]
    scmm.tl.annotate(counts_adata, labels, "cluster", model=model, level="deepest")
    groups = counts_adata.uns["scmm_cell_type"]["groups"]
    assert sorted(groups["group"]) == sorted(counts_adata.obs["cluster"].unique())
    scmm.tl.annotate(counts_adata, labels, model=model, threshold=0.999)
    reasons = counts_adata.obs["scmm_cell_type_reason"]
    assert reasons.iloc[3] == "no counts"
    assert set(reasons.drop("cell3")) == {"low score"}


def test_batches_and_order_do_not_matter(counts_adata, make_folder):
    model = scmm.load_model(make_folder())
    scmm.tl.annotate(counts_adata, LABELS, model=model)
    other = counts_adata[::-1].copy()
    scmm.tl.annotate(other, LABELS, model=model, batch_size=7)
    found = other[counts_adata.obs_names].obsm["scmm_cell_type_scores"]
    np.testing.assert_allclose(found, counts_adata.obsm["scmm_cell_type_scores"], rtol=0, atol=1e-5)


def test_what_it_cannot_do(counts_adata, make_folder):
    model = scmm.load_model(make_folder())
    with pytest.raises(ValueError, match="has no labels of its own. Name those"):
        scmm.tl.annotate(counts_adata, model=model)
    with pytest.raises(ValueError, match="LangCell compares cells with texts: it embeds cells"):
        scmm.tl.describe(counts_adata, "cluster", model=model)
    assert "scmm_cell_type" not in counts_adata.obs


def test_no_words_no_labels(counts_adata, make_folder):
    model = scmm.load_model(make_folder(words=None))
    with pytest.raises(FileNotFoundError, match="no vocabulary of words"):
        scmm.tl.annotate(counts_adata, LABELS, model=model)
    assert "scmm_cell_type" not in counts_adata.obs


def test_info(make_folder, capsys):
    assert main(["info", str(make_folder())]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in (
        "LangCell, a published model of cells and texts (kind langcell)",
        "zero-shot labels",
        "embed; annotate with --labels of your own",
        "303 tokens of genes, 23 of words",
        "generate: it compares cells with texts and writes none",
    ):
        assert part in out


def test_info_without_words(make_folder, capsys):
    assert main(["info", str(make_folder(words=None))]) == 0
    out = "".join(capsys.readouterr().out.split())
    assert "annotateoncethevocabularyofitswords,vocab.txt,liesin" in out
    assert "langcell/text_bert" in out


def test_workers_score_by_the_same_rule(counts_adata, make_folder, dask_client):
    import dask.array as da

    folder, chunked = make_folder(), counts_adata.copy()
    chunked.X = da.from_array(counts_adata.X, chunks=(25, counts_adata.n_vars), asarray=False)
    scmm.tl.annotate(chunked, LABELS, model=folder, client=dask_client)
    scmm.tl.annotate(counts_adata, LABELS, model=folder)
    found, expected = (x.obsm["scmm_cell_type_scores"] for x in (chunked, counts_adata))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
