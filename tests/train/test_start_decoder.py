"""A text decoder starts at a language model of any family, whole or cut."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models
from torch import nn

from scmmgpt_tl.train.language_folder import own_weights, read_language_model
from scmmgpt_tl.train.start_decoder import decoder_config, read_vocabulary, start_decoder

FAMILIES = ["llama", "qwen2", "qwen3", "gpt2", "opt"]
EOS = 2  # `<|im_end|>` of the tiny tokenizer
TEXTS = ["T cells express CD3D."]


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def model(tiny_language_model, tiny_model, family):
    """Knows nine words more than its tokenizer, as published ones do."""
    return tiny_language_model(family, vocabulary=tiny_model.decoder_tokenizer.get_vocab_size() + 9)


@pytest.fixture
def run(model, tiny_model, run_config, tmp_path):
    """A run that starts at the folder of the language model."""
    model.save_pretrained(tmp_path)
    tiny_model.decoder_tokenizer.save(str(tmp_path / "tokenizer.json"))
    return replace(run_config, language_model=tmp_path, architecture={})


def cut(run, **cuts):
    return replace(run, architecture={"decoder": cuts})


def start(run):
    words = read_vocabulary(run, TEXTS)
    return start_decoder(run, words, query_width=8).eval().requires_grad_(requires_grad=False)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_whole_it_is_the_language_model(run, model):
    decoder = start(run)
    assert decoder.config.eos == EOS
    ids = torch.randint(0, model.config.vocab_size, (2, 7))
    assert (decoder.language_model(ids).logits - model(ids).logits).abs().max() < 1e-5


def test_files_of_torch_are_read(run, model):
    path = run.language_model / "model.safetensors"
    torch.save(model.state_dict(), path.with_name("pytorch_model.bin"))
    path.unlink()
    ids = torch.randint(0, model.config.vocab_size, (2, 7))
    assert (start(run).language_model(ids).logits - model(ids).logits).abs().max() < 1e-5


def test_chosen_layers_and_words(run, model):
    run = cut(run, layers=[0, 2], trim_vocabulary=True)
    words = read_vocabulary(run, TEXTS)
    assert len(words.kept) < model.config.vocab_size
    decoder = start(run)
    name, stack = next(
        (name, part) for name, part in model.named_modules() if isinstance(part, nn.ModuleList)
    )
    for place, layer in enumerate((stack[0], stack[2])):
        for part in layer.modules():
            if hasattr(part, "layer_idx"):
                part.layer_idx = place
    model.set_submodule(name, nn.ModuleList([stack[0], stack[2]]))
    model.config.num_hidden_layers = 2
    ids = torch.randint(0, len(words.kept), (2, 7))
    expected = model(torch.tensor(words.kept)[ids]).logits[..., words.kept]
    assert (decoder.language_model(ids).logits - expected).abs().max() < 1e-5
    # The shape of what was cut is all in the config.
    again = type(decoder)(decoder_config(run, words), query_width=8)
    again.load_state_dict(decoder.state_dict())


def test_the_config_says_nothing_of_where_it_lay(run):
    words = read_vocabulary(run, TEXTS)
    assert str(run.language_model.name) not in json.dumps(decoder_config(run, words).hf)


def test_what_joins_it_to_the_cells_is_decided_by_the_seed(run):
    first, again, other = (start(r) for r in (run, run, replace(run, seed=7)))
    assert torch.equal(first.brackets, again.brackets)
    assert not torch.equal(first.brackets, other.brackets)


@pytest.fixture
def one(tiny_language_model, tiny_model, run_config, tmp_path):
    """A run with a single family, for what does not depend on it."""
    vocabulary = tiny_model.decoder_tokenizer.get_vocab_size()
    tiny_language_model("gpt2", vocabulary=vocabulary).save_pretrained(tmp_path)
    tiny_model.decoder_tokenizer.save(str(tmp_path / "tokenizer.json"))
    return replace(run_config, language_model=tmp_path, architecture={})


def change_config(run, **change):
    path = run.language_model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ({"layers": [0, 3]}, r"`architecture.decoder.layers` must be some of 0 to 2, .* \[0, 3\]"),
        ({"layers": [2, 0]}, r"in order, .* found \[2, 0\]"),
        ({"layers": [1, 1]}, r"found \[1, 1\]"),
        ({"layers": []}, r"found \[\]"),
        ({"layers": 2}, r"found 2"),
        ({"trim_vocabulary": "yes"}, r"`architecture.decoder.trim_vocabulary` must be true or"),
        ({"trim_vocabulary": ["a"]}, r"trim_vocabulary` must be true or false, found \['a'\]"),
        ({"hidden": 64}, r"unknown keys \['hidden'\]; it may say layers and trim_vocabulary"),
    ],
)
def test_cuts_that_cannot_be_made(one, cuts, message):
    with pytest.raises(ValueError, match=message):
        start(cut(one, **cuts))


def test_remote_code_is_refused(one):
    change_config(one, auto_map={"AutoModelForCausalLM": "modeling_x.X"})
    (one.language_model / "modeling_x.py").write_text("raise SystemExit\n")
    with pytest.raises(ValueError, match=r"`language_model`: config.json .* names code to run"):
        start(one)


@pytest.mark.parametrize("kind", ["gemma3", "llama4", "mllama"])
def test_more_than_a_language_model_is_refused(one, kind):
    (one.language_model / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(ValueError, match=rf"`language_model`: .* a '{kind}', .* its text part"):
        start(one)


@pytest.mark.parametrize("tied", [True, False])
def test_weights_of_its_own_are_the_whole_language_model(tiny_language_model, tied, tmp_path):
    model = tiny_language_model("llama", tie_word_embeddings=tied)
    save_file(own_weights(model), tmp_path / "model.safetensors", metadata={"format": "pt"})
    model.config.to_json_file(tmp_path / "config.json")
    ids = torch.randint(0, 40, (2, 7))
    assert torch.equal(read_language_model(tmp_path)(ids).logits, model(ids).logits)


def test_an_end_that_the_tokenizer_does_not_know_is_refused(one):
    change_config(one, eos_token_id=None)
    with pytest.raises(ValueError, match=r"says eos_token_id None, which is no word"):
        start(one)
    change_config(one, eos_token_id=[5, 6])
    assert start(one).config.eos == 5


def test_more_words_than_the_language_model_knows_are_refused(one, tiny_model):
    change_config(one, vocab_size=tiny_model.decoder_tokenizer.get_vocab_size() - 1)
    with pytest.raises(ValueError, match=r"numbers words to \d+ where the language model knows"):
        start(one)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_files_are_named(one, name):
    (one.language_model / name).unlink()
    wanted = "lacks" if name == "tokenizer.json" else "has none of"
    with pytest.raises(FileNotFoundError, match=rf"`language_model`: .* {wanted} .*{name}"):
        start(one)


@pytest.mark.parametrize("change", ["missing", "another shape", "cut short"])
def test_weights_that_are_not_whole_are_refused(one, change):
    path = one.language_model / "model.safetensors"
    state = load_file(path)
    key = next(key for key in state if key.endswith("h.1.mlp.c_fc.weight"))
    match change:
        case "missing":
            del state[key]
        case "another shape":
            state[key] = torch.zeros(3, 3)
    save_file(state, path, metadata={"format": "pt"})
    if change == "cut short":
        path.write_bytes(path.read_bytes()[:-5])
    wanted = rf"lack .*{key}" if change == "missing" else r"cannot be read"
    with pytest.raises(ValueError, match=rf"`language_model`: the weights in .* {wanted}"):
        start(one)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_would_run_is_refused(one, tmp_path):
    (tmp_path / "model.safetensors").unlink()
    crater = tmp_path / "crater"
    torch.save({"transformer.wte.weight": Bomb(str(crater))}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"`language_model`: the weights in .* cannot be read"):
        start(one)
    assert not crater.exists()


def test_a_damaged_tokenizer_is_refused(one):
    (one.language_model / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"`language_model`: .*tokenizer.json is no tokenizer"):
        start(one)


def test_other_tokenizers_are_kept_whole_or_refused(one):
    words = Tokenizer(models.WordLevel({"?": 0, "T": 1, "</s>": 2}, unk_token="?"))
    words.save(str(one.language_model / "tokenizer.json"))
    assert read_vocabulary(one, TEXTS).kept is None
    with pytest.raises(ValueError, match=r"is a WordLevel, and only byte-level BPEs"):
        read_vocabulary(cut(one, trim_vocabulary=True), TEXTS)


def test_a_trimmed_vocabulary_keeps_an_end_that_stands_behind_the_words(one, tiny_model):
    # As those of Qwen and Llama 3 do.
    whole = Tokenizer.from_str(tiny_model.decoder_tokenizer.to_str())
    n = whole.get_vocab_size()
    whole.add_special_tokens([AddedToken("<end>", special=True)])
    whole.save(str(one.language_model / "tokenizer.json"))
    change_config(one, vocab_size=n + 1, eos_token_id=n)
    words = read_vocabulary(cut(one, trim_vocabulary=True), TEXTS)
    assert words.kept[words.eos] == n
    assert words.tokenizer.id_to_token(words.eos) == "<end>"
    assert words.tokenizer.encode("T<end>").ids[-1] == words.eos
