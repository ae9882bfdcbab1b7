"""From a published folder to the cell encoder of a run, and what is said of those that do not fit."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.encoders.published import adoptable
from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.train.adopt import adopt
from scmmgpt_tl.train.batches import Batch, draw_batch
from scmmgpt_tl.train.config import RunConfig
from scmmgpt_tl.train.encoder_entry import EncoderEntry
from scmmgpt_tl.train.entering import states_of
from scmmgpt_tl.train.material import build_network


@pytest.fixture
def adopted(run_config, gene_table):
    """Adopt a folder for the tiny run."""

    def make(kind, folder, *, genes=gene_table, encoder=None, **changes):
        sizes = {**run_config.architecture, "encoder": encoder or {}}
        entry = EncoderEntry(kind, folder)
        return adopt(replace(run_config, architecture=sizes, encoder=entry, **changes), genes)

    return make


def test_a_run_without_one_has_our_own(run_config, gene_table):
    assert adopt(run_config, gene_table) is None


def test_what_is_known_of_it(adopted, scgpt_folder):
    found = adopted("scgpt", scgpt_folder, encoder={"width": 20}).config
    assert (found.kind, found.title, found.state_width) == ("scgpt", "scGPT", 16)
    assert (found.n_genes, found.n_known, found.width, found.tuned) == (300, 300, 20, False)
    assert len(found.sha256) == 64
    assert found.licence.startswith("MIT")


def test_genes_that_it_does_not_know_are_silent(adopted, scgpt_folder, gene_table):
    """Thirty genes are foreign: whatever their counts, the tokens are those of the others."""
    foreign = tuple(f"FOREIGN{i}" for i in range(30))
    genes = GeneTable(
        foreign + gene_table.symbols,
        ("",) * 30 + gene_table.ensembl_ids,
        ((),) * 30 + gene_table.aliases,
    )
    found = adopted("scgpt", scgpt_folder, genes=genes)
    assert found.config.n_known == 300
    counts = np.random.default_rng(0).poisson(0.5, (4, 330)).astype(np.float32)
    tokens = found.tokenizer(csr_matrix(counts))
    counts[:, :30] = 0
    assert all(map(torch.equal, tokens, found.tokenizer(csr_matrix(counts))))
    assert tokens.lengths.tolist() == np.minimum(1 + (counts > 0).sum(1), 120).tolist()


def test_drawn_cells_are_read_as_counts(adopted, material, run_config, geneformer_folder):
    """The states in training are those of the counts that were drawn."""
    found = adopted("geneformer", geneformer_folder)
    network = build_network(run_config, replace(material, adopted=found)).eval()
    drawn = draw_batch(material.source, 12, parts=2, seed=(1, 2))
    batch = Batch.of(drawn, network.cell_encoder)
    with torch.inference_mode():
        states, mask = states_of(network.cell_encoder, batch.cells)
        tokens = found.tokenizer(csr_matrix(drawn.counts))
        for i in range(12):
            alone, _ = found.network(tokens.take(torch.tensor([i])))
            torch.testing.assert_close(states[i][mask[i]], alone[0], rtol=0, atol=1e-5)


def test_fewer_tokens(adopted, scgpt_folder):
    counts = csr_matrix(np.ones((2, 300), dtype=np.float32))
    short = adopted("scgpt", scgpt_folder, encoder_tokens=33).tokenizer
    assert short(counts).lengths.tolist() == [33, 33]
    with pytest.raises(ValueError, match=r"`encoder_tokens` is 500; .* with at most 120"):
        adopted("scgpt", scgpt_folder, encoder_tokens=500)
    with pytest.raises(ValueError, match=r"`encoder_tokens` is 1, but needs room for a gene"):
        adopted("scgpt", scgpt_folder, encoder_tokens=1)


def test_a_folder_that_is_not_there(adopted, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`encoder` names the folder '.*none', which is not"
    ):
        adopted("scgpt", tmp_path / "none")


def test_a_folder_of_another_kind(adopted, scgpt_folder):
    with pytest.raises(
        ValueError, match=r"`encoder` names 'geneformer', but .* args.json.* looks like scGPT. What"
    ):
        adopted("geneformer", scgpt_folder)


def test_a_folder_of_nothing(adopted, tmp_path):
    with pytest.raises(ValueError, match=r"holds nothing. What was looked for is scGPT: args.json"):
        adopted("scgpt", tmp_path)


def test_a_folder_that_is_not_whole(adopted, scgpt_folder, tmp_path):
    folder = shutil.copytree(scgpt_folder, tmp_path / "scgpt")
    (folder / "vocab.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"looks like scGPT, but lacks vocab.json"):
        adopted("scgpt", folder)


def test_sizes_that_are_the_encoders_own(adopted, scgpt_folder):
    with pytest.raises(ValueError, match=r"`architecture` gives n_states, state_width of the `enc"):
        adopted("scgpt", scgpt_folder, encoder={"state_width": 8, "n_states": 2})


def test_genes_of_another_species(adopted, scgpt_folder):
    mouse = GeneTable(tuple(f"Gm{i}" for i in range(50)), ("",) * 50, ((),) * 50)
    with pytest.raises(
        ValueError, match=r"scGPT knows 0 of the 50 genes of the run, such as 'Gm0'"
    ):
        adopted("scgpt", scgpt_folder, genes=mouse)


@pytest.fixture
def read(run_file, tmp_path):
    """The tiny run's file with other values."""

    def make(**changes):
        raw = yaml.safe_load(run_file.read_text(encoding="utf-8"))
        path = run_file.with_name("other.yaml")
        path.write_text(yaml.safe_dump(raw | changes), encoding="utf-8")
        return RunConfig.read(path)

    return make


def test_the_config_names_it(read, run_file, tmp_path):
    config = read(encoder="geneformer@models/gf", encoder_tuned=True, encoder_tokens=64)
    assert config.encoder == EncoderEntry("geneformer", run_file.parent / "models" / "gf")
    config.write(tmp_path / "again.yaml")
    assert RunConfig.read(tmp_path / "again.yaml").resolved() == config.resolved()
    assert read(encoder="geneset").encoder is None
    assert read(encoder="scgpt@/a/b").encoder.folder.as_posix() == "/a/b"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "cellm@folder"}, r"`encoder` names the kind 'cellm'; 'geneset' alone, or one"),
        ({"encoder": "scmmgpt@folder"}, r"`encoder` names the kind 'scmmgpt'"),
        (
            {"encoder": "scgpt"},
            r"`encoder` must be 'geneset', or the kind and the folder .*'scgpt'",
        ),
        ({"encoder": "scgpt@"}, r"`encoder` must be 'geneset', or the kind and the folder"),
        ({"encoder": 3}, r"`encoder` must be the kind and the folder of an encoder, .* found 3"),
        ({"encoder_tuned": True}, r"`encoder_tuned` is True, but the run names no published `enc"),
        ({"encoder_tokens": 9}, r"`encoder_tokens` is 9, but the run names no published `encoder`"),
    ],
)
def test_what_the_config_may_not_say(read, changes, message):
    with pytest.raises(ValueError, match=message):
        read(**changes)


def test_all_but_whole_models_can_be_adopted():
    assert adoptable() == ("scgpt", "geneformer", "langcell", "scfoundation", "scbert")
