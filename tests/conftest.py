"""Shared material: a tiny model with random weights, the shipped one, and small data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import torch
    from anndata import AnnData
    from distributed import Client
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from scmmgpt_tl.model.model import Model
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

# Tests reach no network: ONNX Runtime would report on its use.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

HERE = Path(__file__).parent
# A script of its own, which needs a package that nothing else does.
collect_ignore = ["fuzz_readers.py"]
SHARED_DATA = HERE.parents[1] / "shared" / "data"

LABELS = {
    "T cell": ("CL:0000084", ()),
    "CD4-positive, alpha-beta T cell": ("CL:0000624", ()),
    "CD8-positive, alpha-beta T cell": ("CL:0000625", ()),
    "B cell": ("CL:0000236", ()),
    "plasma cell": ("CL:0000786", ()),
    "natural killer cell": ("CL:0000623", ()),
    "classical monocyte": ("CL:0000860", ("blood",)),
    "non-classical monocyte": ("CL:0000875", ("blood",)),
    "dendritic cell": ("CL:0000451", ()),
    "platelet": ("CL:0000233", ("blood",)),
    "erythrocyte": ("CL:0000232", ("blood",)),
    "hepatocyte": ("CL:0000182", ("liver",)),
}
MARKERS = {
    "T": ("CD3D", "CD3E", "CD3G", "IL7R", "TRAC"),
    "B": ("MS4A1", "CD79A", "CD79B", "CD19"),
    "mono": ("LYZ", "CD14", "S100A8", "S100A9", "CST3"),
}

_LLAMA = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}
LANGUAGE_MODELS = {
    "llama": _LLAMA,
    "qwen2": _LLAMA | {"tie_word_embeddings": True},
    "qwen3": _LLAMA | {"head_dim": 16},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 2048},
    # Words are narrower than the layers, as in OPT-350m.
    "opt": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "ffn_dim": 48,
        "word_embed_proj_dim": 16,
        "max_position_embeddings": 2048,
    },
    # Knows no places.
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4},
}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real cells that are too large to ship."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{SHARED_DATA} does not exist here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle of a whole network at tiny sizes; copy it before changing anything."""
    from scmmgpt_tl.model.bundle import write_bundle
    from scmmgpt_tl.model.calibration import Calibration
    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.model.labels import LabelTable
    from scmmgpt_tl.model.load import bundle_tensors

    folder = tmp_path_factory.mktemp("models") / "tiny"
    genes = GeneTable.read(HERE / "data" / "genes.tsv")
    ids, tissues = zip(*LABELS.values(), strict=True)
    words, bytes_ = _word_tokenizer(), _byte_tokenizer()
    network = _tiny_network(len(genes), words.get_vocab_size(), bytes_.get_vocab_size())
    write_bundle(
        folder,
        config=network.config.to_dict(),
        tensors=bundle_tensors(network, _embed(network, words), min_size=512),
        genes=genes,
        labels=LabelTable(tuple(LABELS), ids, tissues),
        calibration=Calibration(0.05, 0.8, -0.2, 0.1, 5, ("noise",)),
        text_tokenizer_json=words.to_str(),
        decoder_tokenizer_json=bytes_.to_str(),
        card="# tiny\n\nRandom weights, for tests.\n",
        name="tiny",
        revision="r1",
        licence="BSD-3-Clause",
    )
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_bundle: Path) -> Model:
    """The tiny model, on the CPU."""
    from scmmgpt_tl.model.load import load_model

    return load_model(tiny_bundle, device="cpu")


@pytest.fixture(scope="session")
def default_model() -> Model:
    """The model that ships with the package, on the CPU."""
    from scmmgpt_tl.model.load import load_model

    return load_model("default", device="cpu")


@pytest.fixture(scope="session")
def tiny_language_model() -> Callable[..., PreTrainedModel]:
    """Language models of several families, with random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    def make(family: str, *, vocabulary: int = 40, **change: Any) -> PreTrainedModel:
        sizes = {"vocab_size": vocabulary, "bos_token_id": 1, "eos_token_id": 2, **change}
        config = AutoConfig.for_model(family, **LANGUAGE_MODELS[family] | sizes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            model = AutoModelForCausalLM.from_config(config).eval()
            for parameter in model.parameters():
                # Biases and norms that start as zeros and ones would hide a part mixed up.
                parameter.data += 0.3 * torch.randn_like(parameter)
        return model.requires_grad_(requires_grad=False)

    return make


@pytest.fixture(scope="session")
def scgpt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scGPT as published, with random weights at a tiny size; copy it before changing anything."""
    import json

    import torch

    from scmmgpt_tl.model.genes import GeneTable

    folder = tmp_path_factory.mktemp("models") / "scgpt"
    folder.mkdir()
    symbols = GeneTable.read(HERE / "data" / "genes.tsv").symbols
    names = [*symbols[:200], "<pad>", "<cls>", "<eoc>", *symbols[200:]]
    args = {"embsize": 16, "nheads": 2, "d_hid": 24, "nlayers": 2, "n_layers_cls": 3}
    args |= {"dropout": 0.2, "pad_token": "<pad>", "pad_value": -2, "mask_value": -1}
    args |= {"input_style": "binned", "input_emb_style": "continuous", "n_bins": 51}
    (folder / "args.json").write_text(json.dumps(args | {"max_seq_len": 120}))
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    torch.save(_scgpt_state(len(names), width=16, inner=24), folder / "best_model.pt")
    return folder


@pytest.fixture(scope="session")
def geneformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Geneformer V2 as published, with random weights at a tiny size; copy it before changing it."""
    import json

    import torch
    from transformers import BertConfig, BertForMaskedLM

    from scmmgpt_tl.model.genes import GeneTable

    folder = tmp_path_factory.mktemp("models") / "geneformer"
    genes = GeneTable.read(HERE / "data" / "genes.tsv").ensembl_ids
    names = ["<pad>", "<mask>", "<cls>", "<eos>", *genes]
    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "intermediate_size": 16}
    sizes |= {"num_attention_heads": 2, "max_position_embeddings": 128, "initializer_range": 0.3}
    config = BertConfig(vocab_size=len(names), hidden_act="relu", pad_token_id=0, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertForMaskedLM(config).eval().save_pretrained(folder)
    medians = dict(zip(genes, np.random.default_rng(0).gamma(2.0, size=len(genes)), strict=True))
    tokens = {name: i for i, name in enumerate(names)}
    (folder / "token_dictionary.json").write_text(json.dumps(tokens))
    (folder / "gene_median_dictionary.json").write_text(json.dumps(medians))
    return folder


@pytest.fixture(scope="session")
def dask_client() -> Iterator[Client]:
    """Two workers of Dask, threads of this process."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    )
    # Other tests' dask arrays are none of its business.
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def counts_adata() -> AnnData:
    """60 cells x 303 genes of raw counts in three clusters; three genes are no model's."""
    from anndata import AnnData

    from scmmgpt_tl.model.genes import GeneTable

    rng = np.random.default_rng(0)
    genes = GeneTable.read(HERE / "data" / "genes.tsv")
    symbols = [*genes.symbols, "FOREIGN1", "FOREIGN2", "FOREIGN3"]
    clusters = np.repeat(list(MARKERS), 20)
    rate = np.tile(rng.gamma(0.3, 1.0, len(symbols)), (len(clusters), 1))
    for name, markers in MARKERS.items():
        rate[np.ix_(clusters == name, np.isin(symbols, markers))] += 8.0
    return AnnData(
        csr_matrix(rng.poisson(rate).astype(np.float32)),
        obs=pd.DataFrame(
            {"cluster": pd.Categorical(clusters)}, index=[f"cell{i}" for i in range(60)]
        ),
        var=pd.DataFrame(
            {"gene_ids": [*genes.ensembl_ids, "foreign1", "foreign2", "foreign3"]}, index=symbols
        ),
        obsm={"X_umap": rng.normal(size=(60, 2))},
    )


@pytest.fixture
def experiment_adata(counts_adata: AnnData) -> AnnData:
    """360 cells in four groups, of which two and two express alike and raise the same genes."""
    from anndata import AnnData

    rng = np.random.default_rng(1)
    symbols = list(counts_adata.var_names)
    rate = np.tile(2 + rng.gamma(2.0, 2.0, len(symbols)), (360, 1))
    group = np.repeat(["a1", "a2", "b1", "b2"], 90)
    of_a = np.char.startswith(group, "a")
    rate[np.ix_(of_a, np.arange(100, 130))] += 30
    rate[np.ix_(~of_a, np.arange(130, 160))] += 30
    done = np.tile(["control", "JAK1", "interferon beta"], 120)
    for name, first in (("JAK1", 0), ("interferon beta", 40)):
        for side, genes in ((of_a, np.arange(20)), (~of_a, np.arange(20, 40))):
            rate[np.ix_((done == name) & side, first + genes)] += 30
    return AnnData(
        csr_matrix(rng.poisson(rate).astype(np.float32)),
        obs=pd.DataFrame(
            {"done": pd.Categorical(done), "group": pd.Categorical(group)},
            index=[f"cell{i}" for i in range(360)],
        ),
        var=counts_adata.var.copy(),
    )


def _tiny_network(n_genes: int, n_words: int, n_bytes: int) -> ScMMGPT:
    import torch

    from scmmgpt_tl.model.config import (
        BridgeConfig,
        DecoderConfig,
        EncoderConfig,
        ExpressionConfig,
        ModelConfig,
    )
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    bridge = BridgeConfig(
        hidden=32,
        n_layers=2,
        n_heads=4,
        intermediate=64,
        n_queries=3,
        projection=16,
        vocabulary=n_words,
        max_positions=64,
    )
    llama = _LLAMA | {"vocab_size": n_bytes, "model_type": "llama"}
    decoder = DecoderConfig(llama, eos=2)
    config = ModelConfig(
        encoder=EncoderConfig(n_genes=n_genes, width=24, n_blocks=1, n_states=4, state_width=16),
        bridge=bridge,
        decoder=decoder,
        expression=ExpressionConfig(width=16, n_heads=2, n_types=3, n_axes=4),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ScMMGPT(config).eval()


def _scgpt_state(n_tokens: int, *, width: int, inner: int) -> dict[str, torch.Tensor]:
    """Random tensors under the names and in the shapes that were published."""
    import torch

    def linear(name: str, into: int, out: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}

    def norm(name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (width,), f"{name}.bias": (width,)}

    shapes = {"encoder.embedding.weight": (n_tokens, width)} | norm("encoder.enc_norm")
    shapes |= linear("value_encoder.linear1", 1, width) | norm("value_encoder.norm")
    shapes |= linear("value_encoder.linear2", width, width)
    for layer in ("transformer_encoder.layers.0", "transformer_encoder.layers.1"):
        shapes |= linear(f"{layer}.self_attn.Wqkv", width, 3 * width)
        shapes |= linear(f"{layer}.self_attn.out_proj", width, width)
        shapes |= linear(f"{layer}.linear1", width, inner) | linear(
            f"{layer}.linear2", inner, width
        )
        shapes |= norm(f"{layer}.norm1") | norm(f"{layer}.norm2")
    for place, out in (("0", width), ("2", width), ("4", 1)):
        shapes |= linear(f"decoder.fc.{place}", width, out)
    shapes |= linear("mvc_decoder.gene2query", width, width)
    shapes |= {"mvc_decoder.W.weight": (width, width)}
    shapes |= linear("cls_decoder.out_layer", width, 1)
    chance = torch.Generator().manual_seed(0)
    state = {name: torch.randn(shape, generator=chance) / 2 for name, shape in shapes.items()}
    return state | {name: 1 + part for name, part in state.items() if "norm" in name}


def _embed(network: ScMMGPT, words: Tokenizer) -> np.ndarray:
    import torch

    rows = [torch.tensor([words.encode(name).ids]) for name in LABELS]
    with torch.inference_mode():
        vectors = [network.embed_text(ids, torch.ones_like(ids)) for ids in rows]
    return torch.cat(vectors).numpy()


def _word_tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *(f"##{c}" for c in characters)]
    vocabulary = {name: i for i, name in enumerate([*names, "cell"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def _byte_tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: i for i, name in enumerate([*special, *characters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.add_special_tokens(special)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.fixture
def cite_adata(counts_adata: AnnData, tiny_model: Model) -> AnnData:
    """Cells whose proteins are known, with the label that belongs to their cluster.

    The 20 T cells are called CD4-positive; the last ten of them have CD8 instead.
    """
    import scmmgpt_tl as scmm

    adata, rng = counts_adata, np.random.default_rng(1)
    names = ["CD4-positive, alpha-beta T cell", "CD8-positive, alpha-beta T cell"]
    names += ["B cell", "classical monocyte"]
    scmm.tl.annotate(adata, names, threshold=0.0, model=tiny_model)
    label = {"T": names[0], "B": names[2], "mono": names[3]}
    labels = adata.obs["cluster"].astype(str).map(label)
    adata.obs["scmm_cell_type"] = pd.Categorical(labels, categories=names)
    adata.obs["scmm_cell_type_cl"] = pd.Categorical([LABELS[name][0] for name in labels])
    p = np.full((60, 4), 0.1, dtype=np.float32)
    p[np.arange(60), [names.index(name) for name in labels]] = 0.7
    adata.obsm["scmm_cell_type_scores"] = pd.DataFrame(p, adata.obs_names, names)
    is_t, is_b, is_mono = ((adata.obs["cluster"] == name).to_numpy() for name in ("T", "B", "mono"))
    is_cd8 = is_t & (np.cumsum(is_t) > 10)
    positive = {
        "CD3_TotalSeqB": is_t,
        "CD4_TotalSeqB": is_t & ~is_cd8,
        "CD8a_TotalSeqB": is_cd8,
        "CD19_TotalSeqB": is_b,
        "CD14_TotalSeqB": is_mono,
        "IgG1_control": np.zeros(60, dtype=bool),
        "Mystery": np.zeros(60, dtype=bool),
    }
    counts = {k: rng.poisson(np.where(cells, 500, 5)) for k, cells in positive.items()}
    adata.obsm["protein_expression"] = pd.DataFrame(counts, index=adata.obs_names)
    return adata
