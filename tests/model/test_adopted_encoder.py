"""A published encoder in the place of our own."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model import adopted_encoder
from scmmgpt_tl.model.config import AdoptedConfig, ModelConfig
from scmmgpt_tl.model.encoders import build_encoder
from scmmgpt_tl.model.encoders.published import cell_part
from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.model.load_encoder import load_encoder
from scmmgpt_tl.model.matched_tokenizer import MatchedTokenizer
from scmmgpt_tl.model.scmmgpt import ScMMGPT


@pytest.fixture(params=["scgpt", "geneformer"])
def published(request):
    folder = request.getfixturevalue(f"{request.param}_folder")
    return load_encoder(folder, torch.device("cpu"), torch.float32)


def adopt(published, *, genes=None, **changes):
    """An encoder of ours around the published network."""
    genes = published.genes if genes is None else genes
    tokenizer = MatchedTokenizer.between(
        genes, kind=published.kind, own=published.tokenizer, table=published.genes
    )
    config = AdoptedConfig(
        kind=published.kind,
        title=published.name,
        licence=published.licence,
        sha256=published.sha256,
        n_genes=len(genes),
        n_known=tokenizer.n_known,
        state_width=published.network.config.width,
        sizes=cell_part(published.kind).write_sizes(published.network),
        width=8,
    )
    config = replace(config, **changes)
    encoder = build_encoder(config, tokenizer).eval()
    encoder.published.load_state_dict(published.network.state_dict())
    return encoder


@pytest.fixture
def rows():
    """Twelve cells x 300 genes of very different length, one of them empty."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.3, 1.0, 300) * rng.gamma(0.3, 4.0, (12, 1))
    rate[7] = 0
    return csr_matrix(rng.poisson(rate).astype(np.float32))


@pytest.mark.parametrize("budget", [1, 300, 100_000])
def test_a_cell_is_read_as_if_alone(published, rows, monkeypatch, budget):
    encoder = adopt(published)
    monkeypatch.setattr(adopted_encoder, "places_at_once", lambda *_: budget)
    with torch.inference_mode():
        states, mask = encoder(encoder.tokenizer(rows))
        assert states.shape == (*mask.shape, encoder.config.state_width)
        for i in range(12):
            alone, places = published.network(published.tokenizer(rows[i]))
            torch.testing.assert_close(states[i][mask[i]], alone[0][places[0]], rtol=0, atol=1e-5)


def test_a_cell_without_tokens_has_one_state_of_zeros(geneformer_folder, rows):
    published = load_encoder(geneformer_folder, torch.device("cpu"), torch.float32)
    # As the first version has it: without tokens that begin and end a cell.
    bare = replace(published, tokenizer=replace(published.tokenizer, cls=None, eos=None))
    encoder = adopt(bare)
    with torch.inference_mode():
        states, mask = encoder(encoder.tokenizer(rows))
        none, nowhere = encoder(encoder.tokenizer(rows[:0]))
    assert mask[7].nonzero().tolist() == [[0]]
    assert not states[7].any()
    assert states[~mask].abs().max() == 0
    assert none.shape[0] == nowhere.shape[0] == 0


def test_only_a_tuned_one_goes_into_training(published):
    frozen, tuned = adopt(published).train(), adopt(published, tuned=True).train()
    assert not any(part.training for part in frozen.published.modules())
    assert all(part.training for part in tuned.published.modules())
    assert not any(part.training for part in tuned.eval().modules())


def test_a_batch_norm_keeps_the_statistics_it_was_published_with(scgpt_folder, rows):
    published = load_encoder(scgpt_folder, torch.device("cpu"), torch.float32)
    sizes = cell_part("scgpt").write_sizes(published.network) | {"batch_norm": "shared"}
    network = cell_part("scgpt").build(sizes)
    encoder = adopt(replace(published, network=network), tuned=True).train()
    before = encoder.published.batch_norm.running_mean.clone()
    encoder(encoder.tokenizer(rows))
    assert torch.equal(encoder.published.batch_norm.running_mean, before)


def test_gradients_reach_the_network_through_all_batches(published, rows, monkeypatch):
    encoder = adopt(published, tuned=True)
    monkeypatch.setattr(adopted_encoder, "places_at_once", lambda *_: 150)
    states, mask = encoder(encoder.tokenizer(rows))
    states[mask].square().mean().backward()
    first = next(encoder.published.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0
    assert all(name.startswith("published.") for name, _ in encoder.named_parameters())


def test_two_genes_that_are_one_to_the_encoder_are_added_up(published):
    symbols, ids = published.genes.symbols, published.genes.ensembl_ids
    # One gene under its symbol, and once more under its id alone.
    genes = GeneTable((symbols[0], "other", symbols[1]), ("", ids[0], ids[1]), ((), (), ()))
    tokenizer = adopt(published, genes=genes).tokenizer
    assert tokenizer.columns.tolist() == [0, 0, 1]
    found = tokenizer(csr_matrix(np.array([[2.0, 3.0, 1.0]], dtype=np.float32)))
    expected = np.zeros((1, len(published.genes)), dtype=np.float32)
    expected[0, :2] = 5, 1
    assert all(map(torch.equal, found, published.tokenizer(csr_matrix(expected))))


def test_a_tokenizer_is_read_as_it_was_written(published, rows, tmp_path):
    tokenizer = adopt(published).tokenizer
    (tmp_path / "t.json").write_text(tokenizer.to_json())
    again = MatchedTokenizer.read(tmp_path / "t.json")
    assert all(map(torch.equal, tokenizer(rows), again(rows)))
    assert again.to_json() == tokenizer.to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("columns"), r"must hold columns, kind, n_columns, tokenizer"),
        (lambda raw: raw["columns"].append(300), r"with a column below `n_columns` for each gene"),
        (lambda raw: raw["columns"].append("x"), r"with a column below `n_columns` for each gene"),
        (lambda raw: raw.update(kind="cellm"), r"There is no cell encoder of the kind 'cellm'"),
        (
            lambda raw: raw.update(kind=["scgpt"]),
            r"There is no cell encoder of the kind \['scgpt'\]",
        ),
        (lambda raw: raw["tokenizer"].update(new=1), r"is none of its kind .*unexpected keyword"),
        (
            lambda raw: raw["tokenizer"].pop("token_ids"),
            r"is none of its kind .*missing 1 required",
        ),
        (lambda raw: raw["tokenizer"]["token_ids"].pop(), r"`token_ids` .* 299 entries, not 300"),
        (lambda raw: raw.update(tokenizer=[1]), r"must hold columns, kind, n_columns, tokenizer"),
    ],
    ids=["no columns", "column", "text", "kind", "kinds", "new", "lacks", "length", "list"],
)
def test_a_tokenizer_that_is_none(published, tmp_path, change, message):
    raw = json.loads(adopt(published).tokenizer.to_json())
    change(raw)
    (tmp_path / "t.json").write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=message):
        MatchedTokenizer.read(tmp_path / "t.json")


def test_a_tokenizer_that_is_no_json(tmp_path):
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(ValueError, match=r"t.json is not JSON"):
        MatchedTokenizer.read(tmp_path / "t.json")


@pytest.mark.parametrize("change", [{"new": 1}, {"width": "wide"}, {"n_heads": 0}, {"width": -3}])
def test_sizes_that_no_network_has(published, change):
    encoder = adopt(published)
    sizes = encoder.config.sizes | change
    with pytest.raises(
        ValueError, match=r"`architecture\['encoder'\]\['sizes'\]` in config.json are"
    ):
        build_encoder(replace(encoder.config, sizes=sizes), encoder.tokenizer)


def test_a_tokenizer_that_does_not_fit(published):
    encoder = adopt(published)
    with pytest.raises(
        ValueError, match=rf"of kind '{published.kind}' and needs its .* found none"
    ):
        build_encoder(encoder.config)
    with pytest.raises(ValueError, match=r"reads 300 genes where the model has 7"):
        build_encoder(replace(encoder.config, n_genes=7), encoder.tokenizer)


def test_the_config_is_read_as_it_was_written(published):
    config = ModelConfig(encoder=adopt(published).config)
    raw = json.loads(json.dumps(config.to_dict()))
    assert ModelConfig.from_dict(raw) == config
    del raw["encoder"]["sha256"]
    with pytest.raises(
        ValueError, match=r"`architecture\['encoder'\]` .* lacks the keys \['sha256'"
    ):
        ModelConfig.from_dict(raw)


def test_a_model_with_it_is_exported(published, tiny_model, exported_alike):
    encoder = adopt(published)
    config = replace(tiny_model.config, encoder=encoder.config, decoder=None)
    network = ScMMGPT(config, encoder.tokenizer).eval().requires_grad_(requires_grad=False)
    network.cell_encoder.load_state_dict(encoder.state_dict())
    model = replace(tiny_model, config=config, network=network, genes=published.genes)
    facts = exported_alike(model)
    assert list(facts["inputs"]) == ["gene_ids", "values", "mask", "n_expressed", "measured"]
    assert "cell_tokenizer.json" in facts["files"]
