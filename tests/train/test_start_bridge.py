"""Any BERT-like folder starts the bridge, whose text mode is then that BERT."""

from __future__ import annotations

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from scmmgpt_tl.model.bridge import Bridge
from scmmgpt_tl.model.config import BridgeConfig
from scmmgpt_tl.train.start_bridge import bridge_config, read_text_tokenizer, start_bridge

_BERT = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 30,
}
FAMILIES = {
    "bert": _BERT | {"pad_token_id": 0},
    "roberta": _BERT | {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": _BERT | {"pad_token_id": 1, "hidden_act": "relu"},
    "distilbert": {
        "vocab_size": 60,
        "dim": 24,
        "n_layers": 2,
        "n_heads": 3,
        "hidden_dim": 40,
        "max_position_embeddings": 26,
    },
}
GIVEN = {"n_queries": 3, "projection": 16}


def make(family, *, kind=AutoModel, **change):
    config = AutoConfig.for_model(family, **FAMILIES[family] | change)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind.from_config(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
    return model.requires_grad_(requires_grad=False)


def start(folder, **given):
    bridge = Bridge(bridge_config(folder, GIVEN | given), state_width=12).eval()
    start_bridge(bridge, folder)
    return bridge.requires_grad_(requires_grad=False)


def apart(bridge, reference, *, n_words=9):
    """Largest difference of word states; two texts are padded."""
    torch.manual_seed(1)
    ids = torch.randint(4, 50, (4, n_words))
    mask = torch.ones_like(ids)
    mask[1, 6:] = mask[3, 2:] = 0
    pad = reference.config.pad_token_id
    theirs = reference(input_ids=ids.masked_fill(mask == 0, pad), attention_mask=mask)
    ours = bridge.encode_text(ids.masked_fill(mask == 0, 0), mask)
    expected = theirs.last_hidden_state[mask.bool()]
    assert expected.abs().mean() > 0.1
    return (ours[mask.bool()] - expected).abs().max()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [AutoModel, AutoModelForMaskedLM], ids=["bare", "with head"])
def test_text_mode_is_the_network_it_started_from(family, kind, tmp_path):
    saved = make(family, kind=kind)
    saved.save_pretrained(tmp_path)
    reference = saved if kind is AutoModel else saved.base_model
    assert apart(start(tmp_path), reference) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_are_those_of_the_folder(family, tmp_path):
    model = make(family)
    model.save_pretrained(tmp_path)
    found = bridge_config(tmp_path, {"dropout": 0.3})
    assert found.hidden == model.config.hidden_size
    assert found.n_layers == model.config.num_hidden_layers
    assert found.n_heads == model.config.num_attention_heads
    assert found.vocabulary == model.config.vocab_size
    # RoBERTas number places from behind the padding's.
    assert found.max_positions == (
        28 if "roberta" in family else FAMILIES[family]["max_position_embeddings"]
    )
    assert found.dropout == 0.3
    assert found.n_queries == BridgeConfig().n_queries


def test_files_of_torch_and_old_names_are_read(tmp_path):
    model = make("bert", kind=AutoModelForMaskedLM)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    old = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for key, value in model.state_dict().items()
    }
    assert any(key.startswith("bert.") and key.endswith("gamma") for key in old)
    torch.save(old, tmp_path / "pytorch_model.bin")
    assert apart(start(tmp_path), model.base_model) < 1e-5


def test_weights_in_half_precision_are_read(tmp_path):
    model = make("bert").bfloat16()
    model.save_pretrained(tmp_path)
    bridge = start(tmp_path)
    assert {p.dtype for p in bridge.parameters()} == {torch.float32}
    assert apart(bridge, model.float()) < 1e-5


def test_fewer_layers_and_places(tmp_path):
    model = make("bert")
    model.save_pretrained(tmp_path)
    bridge = start(tmp_path, n_layers=2, max_positions=9)
    assert bridge.words.position_embeddings.weight.shape == (9, 32)
    model.encoder.layer = model.encoder.layer[:2]
    assert apart(bridge, model) < 1e-5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": 64}, r"`architecture.bridge.hidden` is 64, but the BERT in `bert` .* has 32"),
        ({"n_heads": 8}, r"`architecture.bridge.n_heads` is 8"),
        ({"vocabulary": 49}, r"`architecture.bridge.vocabulary` is 49"),
        ({"n_layers": 4}, r"n_layers` is 4, .* has 3. Leave it out or make it 3 or less"),
        ({"n_layers": 0}, r"n_layers` is 0"),
        ({"max_positions": 31}, r"max_positions` is 31, .* make it 30 or less"),
        ({"n_layers": "1"}, r"n_layers` is '1', .* make it 3 or less"),
        ({"max_positions": None}, r"max_positions` is None, .* make it 30 or less"),
        ({"activation": "relu"}, r"activation` is 'relu', .* has 'gelu'"),
        ({"depth": 4}, r"`architecture.bridge` has unknown keys \['depth'\]"),
    ],
)
def test_what_is_not_to_be_had_is_refused(given, message, tmp_path):
    make("bert").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        bridge_config(tmp_path, given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mpnet"}, r"`bert`: .* holds a 'mpnet'; a bridge starts at one of bert, "),
        ({"position_embedding_type": "relative_key"}, r"'bert' with relative_key positions"),
        ({"hidden_size": "wide"}, r"has a damaged config.json"),
    ],
)
def test_other_networks_are_refused(change, message, tmp_path):
    make("bert").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        bridge_config(tmp_path, {})


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_files_are_named(name, tmp_path):
    make("bert").save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"`bert`: .* has none of .*{name}"):
        bridge_config(tmp_path, {})


KEY = "encoder.layer.2.attention.self.key.weight"


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda state: state.pop(KEY), rf"`bert`: the weights in .* lack {KEY}"),
        (lambda state: state.update({KEY: torch.zeros(3, 3)}), r"`bert`: the weights in .* cannot"),
    ],
)
def test_weights_that_are_not_whole_are_refused(tamper, message, tmp_path):
    make("bert").save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    tamper(state)
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=message):
        start(tmp_path)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_would_run_is_refused(tmp_path):
    make("bert").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    crater = tmp_path / "crater"
    torch.save({"embeddings": Bomb(str(crater))}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"`bert`: the weights in .* cannot be read"):
        start(tmp_path)
    assert not crater.exists()


def test_an_adapter_is_refused(tmp_path):
    make("bert").save_pretrained(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    with pytest.raises(ValueError, match=r"`bert`: .* holds an adapter"):
        start(tmp_path)


def test_the_tokenizer_is_the_folders(tmp_path, tiny_model):
    make("bert", vocab_size=141).save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"has neither tokenizer.json nor vocab.txt"):
        read_text_tokenizer(tmp_path)
    whole = Tokenizer.from_str(tiny_model.text_tokenizer.to_str())
    whole.enable_truncation(2)
    whole.save(str(tmp_path / "tokenizer.json"))
    expected = tiny_model.text_tokenizer.encode("a T cell").ids
    assert read_text_tokenizer(tmp_path).encode("a T cell").ids == expected


@pytest.mark.parametrize(("config", "lower"), [(None, True), ({"do_lower_case": False}, False)])
def test_a_list_of_words_is_read_as_it_is_cased(tmp_path, config, lower):
    make("bert").save_pretrained(tmp_path)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "T", "t", "cell"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    reference = BertWordPieceTokenizer(str(tmp_path / "vocab.txt"), lowercase=lower)
    found = read_text_tokenizer(tmp_path).encode("T cell").ids
    assert found == reference.encode("T cell").ids == [2, 6 if lower else 5, 7, 3]


def test_the_sentence_encoder_of_the_shipped_model(request):
    folder = request.config.rootpath / "build" / "sources" / "minilm"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist here")
    bridge = start(folder)
    assert bridge.config == BridgeConfig(**GIVEN, max_positions=512)
    assert apart(bridge, AutoModel.from_pretrained(folder).eval()) < 1e-5
    text = "natural killer cell"
    ids = read_text_tokenizer(folder).encode(text).ids
    assert len(ids) == 5
