from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel

from scmmgpt_tl.model.bridge import Bridge
from scmmgpt_tl.model.config import BridgeConfig
from scmmgpt_tl.train.start_bridge import start_bridge

SIZES = {"hidden": 32, "n_layers": 3, "n_heads": 4, "intermediate": 48, "vocabulary": 50}
CONFIG = BridgeConfig(
    **SIZES, n_queries=3, projection=16, max_positions=20, cross_attention_frequency=2
)
WIDTH = 12


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def bridge():
    return randomise(Bridge(CONFIG, state_width=WIDTH).eval())


@pytest.fixture
def bert():
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=30,
        type_vocab_size=2,
        pad_token_id=0,
    )
    return randomise(BertModel(config, add_pooling_layer=False).eval())


@pytest.fixture
def states():
    return torch.randn(4, 5, WIDTH), torch.ones(4, 5, dtype=torch.bool)


@pytest.fixture
def words():
    """Four texts, the second and fourth padded."""
    ids = torch.randint(4, 50, (4, 9))
    mask = torch.ones(4, 9, dtype=torch.int64)
    mask[1, 6:] = mask[3, 2:] = 0
    return ids.masked_fill(mask == 0, 0), mask


def randomise(module):
    """Random weights everywhere, also where training starts from zeros and ones."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return module.requires_grad_(requires_grad=False)


def test_text_mode_is_the_bert_it_started_from(bridge, bert, words, tmp_path):
    bert.save_pretrained(tmp_path)
    start_bridge(bridge, tmp_path)
    ids, mask = words
    expected = bert(input_ids=ids, attention_mask=mask).last_hidden_state
    found = bridge.encode_text(ids, mask)
    kept = mask.bool()
    assert expected[kept].abs().mean() > 0.1
    assert (found[kept] - expected[kept]).abs().max() < 1e-5


def test_sentence_type_is_folded_into_the_positions(bridge, bert, tmp_path):
    bert.save_pretrained(tmp_path)
    start_bridge(bridge, tmp_path)
    table = bert.embeddings
    expected = table.position_embeddings.weight[:20] + table.token_type_embeddings.weight[0]
    assert torch.equal(bridge.words.position_embeddings.weight, expected)


def test_query_feed_forward_starts_as_the_texts(bridge, bert, tmp_path):
    bert.save_pretrained(tmp_path)
    start_bridge(bridge, tmp_path)
    for ours, theirs in zip(bridge.qformer.encoder.layer, bert.encoder.layer, strict=True):
        assert torch.equal(ours.intermediate_query.dense.weight, theirs.intermediate.dense.weight)
        assert torch.equal(ours.output_query.dense.bias, theirs.output.dense.bias)
        assert torch.equal(ours.output_query.LayerNorm.weight, theirs.output.LayerNorm.weight)


def test_what_is_new_stays_new(bridge, bert, tmp_path):
    before = {k: v.clone() for k, v in bridge.state_dict().items()}
    bert.save_pretrained(tmp_path)
    start_bridge(bridge, tmp_path)
    after = bridge.state_dict()
    for key, value in before.items():
        if "crossattention" in key or key.startswith(("queries", "match_head", "caption_")):
            assert torch.equal(value, after[key]), key


def test_text_projection_starts_orthogonal(bridge, bert, tmp_path):
    bert.save_pretrained(tmp_path)
    start_bridge(bridge, tmp_path)
    weight = bridge.text_projection.weight
    assert (weight @ weight.T - torch.eye(16)).abs().max() < 1e-5
    assert not bridge.text_projection.bias.any()


def test_padding_words_change_no_text(bridge, words):
    ids, mask = words
    alone = bridge.project_text(bridge.encode_text(ids[3:, :2], mask[3:, :2]), mask[3:, :2])
    padded = bridge.project_text(bridge.encode_text(ids, mask), mask)[3:]
    assert (alone - padded).abs().max() < 1e-5


def test_text_vector_is_the_projected_mean_of_its_words(bridge, words):
    ids, mask = words
    states = bridge.encode_text(ids, mask)
    found = bridge.project_text(states, mask)
    for i, length in enumerate(mask.sum(1).tolist()):
        mean = states[i, :length].mean(0)
        vector = bridge.text_projection.weight @ mean + bridge.text_projection.bias
        assert (found[i] - vector / vector.norm()).abs().max() < 1e-5


def test_cells_are_read_independently(bridge, states):
    values, mask = states
    together = bridge.encode_cells(values, mask)
    assert together.shape == (4, 3, 32)
    for i in range(4):
        alone = bridge.encode_cells(values[i : i + 1], mask[i : i + 1])
        assert (alone[0] - together[i]).abs().max() < 1e-5


def test_masked_states_are_not_read(bridge, states):
    values, mask = states
    mask[:, 3:] = False
    before = bridge.encode_cells(values, mask)
    values[:, 3:] = 99.0
    assert (bridge.encode_cells(values, mask) - before).abs().max() < 1e-5


def test_cells_become_unit_vectors(bridge, states):
    projected = bridge.project_cells(bridge.encode_cells(*states), *states)
    assert projected.shape == (4, 3, 16)
    assert (projected.norm(dim=-1) - 1).abs().max() < 1e-5


def test_match_ignores_padding_words(bridge, states, words):
    ids, mask = words
    before = bridge.match(*states, ids, mask)
    assert before.shape == (4, 2)
    changed = torch.where(mask == 0, torch.randint(4, 50, ids.shape), ids)
    assert not torch.equal(changed, ids)
    assert (bridge.match(*states, changed, mask) - before).abs().max() < 1e-5


def test_match_is_the_same_without_padding(bridge, states, words):
    (values, cells), (ids, mask) = states, words
    before = bridge.match(values, cells, ids, mask)[3:]
    alone = bridge.match(values[3:], cells[3:], ids[3:, :2], mask[3:, :2])
    assert (alone - before).abs().max() < 1e-5


def test_match_sees_words_and_cell(bridge, states, words):
    (values, cells), (ids, mask) = states, words
    before = bridge.match(values, cells, ids, mask)
    other_word = ids.clone()
    other_word[:, 1] = (ids[:, 1] - 3) % 46 + 4
    assert ((bridge.match(values, cells, other_word, mask) - before).abs() > 1e-5).any(1).all()
    assert ((bridge.match(-values, cells, ids, mask) - before).abs() > 1e-5).any(1).all()


@pytest.mark.parametrize("place", [1, 4, 8])
def test_caption_sees_nothing_that_comes_later(bridge, states, words, place):
    (values, cells), (ids, _) = states, words
    everywhere = torch.ones_like(ids)
    before = bridge.caption(values, cells, ids, everywhere)
    changed = ids.clone()
    changed[:, place] = (ids[:, place] - 3) % 46 + 4
    after = bridge.caption(values, cells, changed, everywhere)
    assert before.shape == (4, 9, 50)
    assert (after[:, :place] - before[:, :place]).abs().max() < 1e-5
    assert (after[:, place:] - before[:, place:]).abs().amax((1, 2)).min() > 1e-4


def test_caption_sees_the_cell_at_every_word(bridge, states, words):
    (values, cells), (ids, mask) = states, words
    before = bridge.caption(values, cells, ids, mask)
    after = bridge.caption(-values, cells, ids, mask)
    assert (after - before).abs().amax(2).min() > 1e-5


def test_caption_queries_do_not_see_words(bridge, states, words):
    # The first word is all that its own logits may depend on, besides the cell.
    (values, cells), (ids, mask) = states, words
    one = bridge.caption(values, cells, ids[:, :1], mask[:, :1])
    assert (bridge.caption(values, cells, ids, mask)[:, :1] - one).abs().max() < 1e-5


def test_caption_puts_out_words_through_the_table_it_reads_with(bridge, states, words):
    before = bridge.caption(*states, *words)
    bridge.caption_bias[7] += 2.0
    change = bridge.caption(*states, *words) - before
    assert (change[..., 7] - 2.0).abs().max() < 1e-4
    change[..., 7] = 0
    assert change.abs().max() < 1e-4
