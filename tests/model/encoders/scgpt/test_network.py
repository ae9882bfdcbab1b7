"""The network computes what was published: against the original, and against its equations."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.tokens import GeneTokens

ATTENTION = "transformer_encoder.layers.{}.self_attn."


def as_in_proj(state):
    """Names of torch's own attention, which the original uses without flash attention."""
    return {key.replace("Wqkv.", "in_proj_"): part for key, part in state.items()}


def as_wrapper(state):
    """Names of the wrapper in the latest original."""
    return {key.replace(".self_attn.", ".self_attn._impl."): part for key, part in state.items()}


@pytest.fixture
def cells():
    """Five cells of 1 to 30 tokens: the cell's own, then genes with bins."""
    rng = np.random.default_rng(0)
    lengths = [12, 1, 30, 7, 30]
    ids = [np.r_[201, rng.choice(200, n - 1, replace=False)] for n in lengths]
    values = [np.r_[-2.0, rng.integers(1, 51, n - 1)] for n in lengths]
    return GeneTokens.from_numpy(
        np.concatenate(ids).astype(np.int64),
        np.concatenate(values).astype(np.float32),
        np.r_[0, np.cumsum(lengths)].astype(np.int64),
    )


def outputs(model, tokens, **more):
    """Everything the network tells: states, predictions of both kinds, embedding."""
    network = model.network
    ids = tokens.rectangle(pad_id=200)[0]
    with torch.inference_mode():
        states, mask = network(tokens, **more)
        value, zero = network.predict_masked(states, **more)
        profile, profile_zero = network.predict_from_cell(states[:, 0], ids, **more)
        found = {
            "states": states,
            "masked": value,
            "mvc": profile,
            "genes": network.embed_genes(ids),
        }
        found |= {"zero": zero, "mvc_zero": profile_zero}
        places = {name: part[mask] for name, part in found.items() if part is not None}
        return places | {"cell": network.pool(states, mask, tokens)}


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, part in expected.items():
        torch.testing.assert_close(found[name], part, rtol=0, atol=1e-5, msg=name)


class Equations(nn.Module):
    """The published equations in their plainest form: one cell at a time, no padding, no mask."""

    def __init__(self, state, *, n_heads=2):
        super().__init__()
        self.state, self.n_heads = state, n_heads

    def linear(self, name, x):
        bias = self.state.get(f"{name}.bias")
        return x @ self.state[f"{name}.weight"].T + (0 if bias is None else bias)

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def value(self, values):
        if "value_encoder.embedding.weight" in self.state:
            rows = self.state["value_encoder.embedding.weight"][values.long()]
            return self.norm("value_encoder.enc_norm", rows)
        if "value_encoder.linear1.weight" not in self.state:
            return None
        hidden = self.linear("value_encoder.linear1", values.clamp(max=512)[:, None]).relu()
        return self.norm("value_encoder.norm", self.linear("value_encoder.linear2", hidden))

    def attention(self, layer, x):
        name = ATTENTION.format(layer)
        query, key, value = self.linear(f"{name}Wqkv", x).chunk(3, -1)
        size = query.shape[-1] // self.n_heads
        heads = []
        for h in range(self.n_heads):
            own = slice(h * size, (h + 1) * size)
            weights = (query[:, own] @ key[:, own].T / size**0.5).softmax(-1)
            heads.append(weights @ value[:, own])
        return self.linear(f"{name}out_proj", torch.cat(heads, -1))

    def three_maps(self, name, x):
        for place in ("0", "2"):
            x = self.linear(f"{name}.{place}", x)
            x = torch.where(x > 0, x, 0.01 * x)
        return self.linear(f"{name}.4", x)[:, 0]

    def forward(self, ids, values, batch=None):
        genes = self.norm("encoder.enc_norm", self.state["encoder.embedding.weight"][ids])
        entered = self.value(values)
        x = genes * values[:, None] if entered is None else genes + entered
        for prefix in ("bn", f"dsbn.bns.{batch}"):
            if f"{prefix}.running_mean" in self.state:
                part = {k: self.state[f"{prefix}.{k}"] for k in ("running_mean", "running_var")}
                x = (x - part["running_mean"]) / (part["running_var"] + 6.1e-5).sqrt()
                if f"{prefix}.weight" in self.state:
                    x = x * self.state[f"{prefix}.weight"] + self.state[f"{prefix}.bias"]
        for layer in range(2):
            name = f"transformer_encoder.layers.{layer}"
            x = self.norm(f"{name}.norm1", x + self.attention(layer, x))
            inner = self.linear(f"{name}.linear2", self.linear(f"{name}.linear1", x).relu())
            x = self.norm(f"{name}.norm2", x + inner)
        seen, cell = x, x[0]
        if "batch_encoder.embedding.weight" in self.state:
            told = self.state["batch_encoder.embedding.weight"][batch]
            told = self.norm("batch_encoder.enc_norm", told)
            seen = torch.cat([x, told.expand(len(x), -1)], -1)
            cell = torch.cat([cell, told])
        query = 1 / (1 + (-self.linear("mvc_decoder.gene2query", genes)).exp())
        found = {"states": x, "genes": genes, "masked": self.three_maps("decoder.fc", seen)}
        found["mvc"] = self.linear("mvc_decoder.W", query) @ cell
        if "decoder.zero_logit.0.weight" in self.state:
            zero = self.three_maps("decoder.zero_logit", seen)
            found["zero"] = 1 / (1 + (-zero).exp())
            logit = self.linear("mvc_decoder.W_zero_logit", query) @ cell
            found["mvc_zero"] = 1 / (1 + (-logit).exp())
        return found | {"cell": x[0] / x[0].norm()}

    def of(self, tokens, batch=None):
        """Outputs of all cells, back to back."""
        parts = []
        for i in range(tokens.n_cells):
            own = slice(int(tokens.offsets[i]), int(tokens.offsets[i + 1]))
            label = None if batch is None else int(batch[i])
            parts.append(self(tokens.gene_ids[own], tokens.values[own], label))
        join = {name: torch.stack if name == "cell" else torch.cat for name in parts[0]}
        return {name: join[name]([part[name] for part in parts]) for name in parts[0]}


def saved_state(folder):
    return torch.load(folder / "best_model.pt", weights_only=True)


@pytest.mark.parametrize("layout", [dict, as_in_proj, as_wrapper])
def test_every_layout_of_attention_gives_the_published_outputs(
    make_folder, cells, layout, scgpt_folder
):
    model = load_model(make_folder(layout), device="cpu")
    assert_close(outputs(model, cells), Equations(saved_state(scgpt_folder)).of(cells))


def test_safetensors_give_the_same(make_folder, cells, scgpt_folder):
    from safetensors.torch import save_file

    folder = make_folder()
    save_file(saved_state(folder), folder / "model.safetensors")
    (folder / "best_model.pt").unlink()
    model = load_model(folder, device="cpu")
    assert_close(outputs(model, cells), outputs(load_model(scgpt_folder, device="cpu"), cells))


def normal(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def with_categories(state):
    state = {key: part for key, part in state.items() if not key.startswith("value_encoder.")}
    norm = {"value_encoder.enc_norm.weight": normal(16), "value_encoder.enc_norm.bias": normal(16)}
    return state | norm | {"value_encoder.embedding.weight": normal(53, 16)}


def with_scaling(state):
    return {key: part for key, part in state.items() if not key.startswith("value_encoder.")}


@pytest.mark.parametrize(
    ("change", "args"),
    [
        pytest.param(
            with_categories, {"input_emb_style": "category", "pad_value": 51}, id="category"
        ),
        pytest.param(with_scaling, {"input_emb_style": "scaling"}, id="scaling"),
    ],
)
def test_other_input_styles(make_folder, cells, change, args):
    folder = make_folder(change, **args)
    cells = cells._replace(values=cells.values.where(cells.values > 0, torch.tensor(51.0)))
    if "category" not in args.values():
        # Bins up to 50 as factors, with random weights, leave float32 no digits to compare.
        cells = cells._replace(values=cells.values / 50)
    model = load_model(folder, device="cpu")
    assert model.tokenizer.cls_value == args.get("pad_value", -2)
    assert_close(outputs(model, cells), Equations(saved_state(folder)).of(cells))


def with_zero_chance(state):
    more = {f"decoder.zero_logit.{key.removeprefix('decoder.fc.')}": part / 2
            for key, part in state.items() if key.startswith("decoder.fc.")}  # fmt: skip
    more["mvc_decoder.W_zero_logit.weight"] = normal(16, 16)
    more["mvc_decoder.W_zero_logit.bias"] = normal(16)
    return state | more


def with_batch_norm(state):
    more = {"bn.weight": normal(16), "bn.bias": normal(16), "bn.running_mean": normal(16)}
    return state | more | {
        "bn.running_var": normal(16).exp(), "bn.num_batches_tracked": torch.tensor(3)
    }  # fmt: skip


@pytest.mark.parametrize("change", [with_zero_chance, with_batch_norm])
def test_further_parts(make_folder, cells, change):
    folder = make_folder(change)
    model = load_model(folder, device="cpu")
    assert_close(outputs(model, cells), Equations(saved_state(folder)).of(cells))


def with_batches(state):
    more = {"batch_encoder.embedding.weight": normal(3, 16)}
    more |= {"batch_encoder.enc_norm.weight": normal(16), "batch_encoder.enc_norm.bias": normal(16)}
    more["decoder.fc.0.weight"] = normal(16, 32) / 4
    more["mvc_decoder.W.weight"] = normal(32, 16) / 4
    for i in range(3):
        more[f"dsbn.bns.{i}.running_mean"] = normal(16, seed=i)
        more[f"dsbn.bns.{i}.running_var"] = normal(16, seed=i).exp()
        more[f"dsbn.bns.{i}.num_batches_tracked"] = torch.tensor(3)
    return state | more


def test_batches_are_read_and_must_be_named(make_folder, cells):
    folder = make_folder(with_batches)
    model = load_model(folder, device="cpu")
    batch = torch.tensor([2, 0, 1, 1, 2])
    expected = Equations(saved_state(folder)).of(cells, batch)
    assert_close(outputs(model, cells, batch=batch), expected)
    with pytest.raises(ValueError, match="normalises each of its 3 training batches by itself"):
        model.encode_tokens(cells)
    assert "only where each cell's training batch is named" in model.abilities[0]


def test_batch_labels_alone_change_only_what_is_decoded(make_folder, cells, scgpt_folder):
    def change(state):
        return {k: part for k, part in with_batches(state).items() if not k.startswith("dsbn.")}

    model = load_model(make_folder(change), device="cpu")
    plain = load_model(scgpt_folder, device="cpu")
    torch.testing.assert_close(model.encode_tokens(cells), plain.encode_tokens(cells))
    states, _ = model.network(cells)
    with pytest.raises(ValueError, match="told which of 3 training batches"):
        model.network.predict_masked(states)


def test_decoders_that_are_not_there_are_missed_in_words(make_folder, cells):
    def change(state):
        return {k: part for k, part in state.items() if "decoder" not in k}

    model = load_model(make_folder(change), device="cpu")
    states, _ = model.network(cells)
    with pytest.raises(ValueError, match="no weights of the masked expression decoder"):
        model.network.predict_masked(states)
    with pytest.raises(ValueError, match="no weights of the MVC decoder"):
        model.network.predict_from_cell(states[:, 0], cells.rectangle(pad_id=0)[0])
    assert len(model.abilities) == 2


@pytest.fixture(scope="module")
def original():
    """Module of the original network, without the package around it, which no longer imports."""
    spec = find_spec("scgpt")
    if spec is None:
        pytest.skip("scgpt is not installed")
    folder = Path(spec.submodule_search_locations[0])
    before = dict(sys.modules)
    for name in ("scgpt", "scgpt.model"):
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        package.logger = logging.getLogger(name)
        sys.modules[name] = package
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("scgpt.model.model")
    for name in set(sys.modules) - set(before):
        if name.startswith("scgpt"):
            del sys.modules[name]


def test_against_the_original(original, make_folder, cells):
    vocabulary = {"<pad>": 200}
    network = original.TransformerModel(
        303, 16, 2, 24, 2, vocab=vocabulary, pad_value=-2, do_mvc=True, n_cls=1
    ).eval()
    folder = make_folder(lambda _: network.state_dict())
    model = load_model(folder, device="cpu")
    ids, values, mask = cells.rectangle(pad_id=200, pad_value=-2)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        states = network._encode(ids, values, ~mask)
        # Its fast path leaves zeros, and no states, at padded places.
        states = torch.nn.functional.pad(states, (0, 0, 0, mask.shape[1] - states.shape[1]))
        expected = {
            "states": states[mask],
            "genes": network.cur_gene_token_embs[mask],
            "masked": network.decoder(states)["pred"][mask],
            "mvc": network.mvc_decoder(states[:, 0], network.cur_gene_token_embs)["pred"][mask],
            "cell": states[:, 0] / states[:, 0].norm(dim=1, keepdim=True),
        }
    assert_close(outputs(model, cells), expected)
