"""scFoundation as published, at a tiny size, and its equations written down once more."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_GENES, WIDTH, DEPTH, HEADS, BINS, ALPHA = 300, 16, 2, 2, 7, 0.7
NARROW, DECODER_DEPTH, DECODER_HEADS, HEAD, DIRECTIONS = 12, 2, 3, 4, 5
CONFIG = {
    "model": "mae_autobin",
    "model_config": {
        "mae_autobin": {
            "encoder": {
                "hidden_dim": WIDTH,
                "depth": DEPTH,
                "heads": HEADS,
                "dim_head": WIDTH // HEADS,
                "module_type": "transformer",
                "norm_first": False,
            },
            "decoder": {
                "hidden_dim": NARROW,
                "depth": DECODER_DEPTH,
                "heads": DECODER_HEADS,
                "dim_head": HEAD,
                "module_type": "performer",
                "norm_first": False,
            },
            "bin_num": BINS,
            "bin_alpha": ALPHA,
            "n_class": 104,
            "pad_token_id": 103,
            "mask_token_id": 102,
        }
    },
    "dataset_config": {"rnaseq": {"seq_len": N_GENES + 2}},
}


class Reference(nn.Module):
    """The published equations, one cell at a time, by the layers that torch itself has."""

    def __init__(self, layer: type) -> None:
        super().__init__()
        linear = nn.Linear
        self.token_emb = nn.ModuleDict(
            {
                "mlp": linear(1, BINS),
                "mlp2": linear(BINS, BINS),
                "emb": nn.Embedding(BINS, WIDTH),
                "emb_mask": nn.Embedding(1, WIDTH),
                "emb_pad": nn.Embedding(1, WIDTH),
            }
        )
        self.pos_emb = nn.Embedding(N_GENES + 3, WIDTH)
        layers = [
            nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, batch_first=True)
            for _ in range(DEPTH)
        ]
        self.encoder = nn.ModuleDict(
            {"transformer_encoder": nn.ModuleList(layers), "norm": nn.LayerNorm(WIDTH)}
        )
        self.decoder_embed = linear(WIDTH, NARROW)
        self.layers = nn.ModuleList(
            layer(NARROW, DECODER_HEADS, HEAD, DIRECTIONS, bias=True) for _ in range(DECODER_DEPTH)
        )
        self.decoder_norm = nn.LayerNorm(NARROW)
        self.norm = nn.LayerNorm(NARROW)
        self.to_final = linear(NARROW, 1)

    def published(self) -> dict[str, torch.Tensor]:
        """State dict under the published names."""
        found = {}
        for key, value in self.state_dict().items():
            new = key.replace("decoder_norm.", "decoder.norm.")
            if key.startswith("layers."):
                new = f"decoder.{self.layers[0].published(key)}"
            found[f"model.{new}"] = value.clone()
        found["model.decoder.performer.calls_since_last_redraw"] = torch.tensor(3)
        return found

    def embed_values(self, values: torch.Tensor) -> torch.Tensor:
        """Soft bins of values (n,)."""
        parts = self.token_emb
        hidden = F.leaky_relu(parts["mlp"](values[:, None]), 0.1)
        weight = torch.softmax(ALPHA * hidden + parts["mlp2"](hidden), dim=-1)
        return sum(weight[:, [i]] * parts["emb"].weight[i] for i in range(BINS))

    def encode(self, dense: torch.Tensor) -> torch.Tensor:
        """States of what is above zero, of one cell (genes + 2,)."""
        places = torch.nonzero(dense > 0)[:, 0]
        hidden = self.embed_values(dense[places]) + self.pos_emb.weight[places]
        hidden = hidden[None]
        for layer in self.encoder["transformer_encoder"]:
            hidden = layer(hidden)
        return self.encoder["norm"](hidden)[0]

    def pool(self, states: torch.Tensor) -> torch.Tensor:
        """The cell embedding, of the states of one cell."""
        genes = states[:-2]
        return torch.cat([states[-1], states[-2], genes.max(0).values, genes.mean(0)])

    def embed_genes(self, dense: torch.Tensor) -> torch.Tensor:
        """States of all genes of one cell."""
        hidden = self.embed_values(dense)
        hidden[dense > 0] = self.encode(dense)
        hidden = self.decoder_embed(hidden + self.pos_emb.weight[: N_GENES + 2])
        for layer in self.layers:
            hidden = layer(hidden)
        return self.norm(self.decoder_norm(hidden))[:N_GENES]


@pytest.fixture(scope="session")
def references(performer_layer, randomise) -> dict[str, Reference]:
    """The three parts, with random weights."""
    found = {}
    with torch.random.fork_rng(devices=[]):
        for seed, name in enumerate(("cell", "rde", "gene")):
            torch.manual_seed(seed)
            found[name] = Reference(performer_layer).eval().requires_grad_(requires_grad=False)
            randomise(found[name])
    return found


@pytest.fixture
def make_folder(references, symbols, tmp_path: Path) -> Callable[..., Path]:
    """Write a folder as published, and change what is in the checkpoint before."""

    def make(change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
        folder = tmp_path / "scfoundation"
        folder.mkdir()
        content = {
            name: {"config": deepcopy(CONFIG), "state_dict": reference.published()}
            for name, reference in references.items()
        }
        change(content)
        torch.save(content, folder / "models.ckpt")
        rows = [f"{symbol}\t{i}" for i, symbol in enumerate(symbols)]
        table = "\n".join(["gene_name\tindex", *rows])
        (folder / "OS_scRNA_gene_index.19264.tsv").write_text(f"{table}\n")
        return folder

    return make
