"""scBERT as published, at a tiny size, and its equations written down once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import pytest
import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_GENES, BINS, WIDTH, DEPTH, HEADS, HEAD, DIRECTIONS, TYPES = 300, 7, 12, 2, 2, 5, 6, 4


class Reference(nn.Module):
    """The published equations, one cell and one head at a time, in float64."""

    def __init__(self, layer: type, *, tuned: bool, bias: bool) -> None:
        super().__init__()
        self.bins, self.genes = nn.Embedding(BINS, WIDTH), nn.Embedding(N_GENES + 1, WIDTH)
        self.layers = nn.ModuleList(
            layer(WIDTH, HEADS, HEAD, DIRECTIONS, bias=bias) for _ in range(DEPTH)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.masked = None if tuned else nn.Linear(WIDTH, BINS)
        self.conv1 = nn.Conv2d(1, 1, (1, WIDTH)) if tuned else None
        self.fc1 = nn.Linear(N_GENES + 1, 9) if tuned else None
        self.fc2 = nn.Linear(9, 8) if tuned else None
        self.fc3 = nn.Linear(8, TYPES) if tuned else None
        self.double()

    def published(self) -> dict[str, torch.Tensor]:
        """State dict under the published names."""
        names = {"bins": "token_emb", "genes": "pos_emb.emb", "norm": "norm", "masked": "to_out"}
        found = {}
        for key, value in self.state_dict().items():
            first, _, rest = key.partition(".")
            new = f"{names.get(first, f'to_out.{first}')}.{rest}"
            if first == "layers":
                new = self.layers[0].published(key)
            found[new] = value.float()
        return found | {"performer.calls_since_last_redraw": torch.tensor(7)}

    def encode(self, bins: torch.Tensor) -> torch.Tensor:
        """States of all places of one cell, (places, width)."""
        hidden = self.bins.weight[bins] + self.genes.weight
        for layer in self.layers:
            hidden = layer(hidden)
        return self.norm(hidden)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Of the classes, for one cell."""
        hidden = F.relu(self.conv1(states[None, None])).flatten()
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(hidden)))))


@pytest.fixture(scope="session")
def reference(performer_layer, randomise) -> Callable[..., Reference]:
    """Networks with random weights."""

    def make(*, tuned: bool = False, bias: bool = False) -> Reference:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(tuned)
            network = Reference(performer_layer, tuned=tuned, bias=bias)
            randomise(network.eval().requires_grad_(requires_grad=False))
        return network

    return make


@pytest.fixture
def make_folder(reference, symbols, tmp_path: Path) -> Callable[..., Path]:
    """Write a folder as published, and change the state dict before."""

    def make(
        change: Callable[[dict[str, torch.Tensor]], object] = lambda _: None,
        *,
        tuned: bool = False,
        bias: bool = False,
        names: str = "genes.txt",
    ) -> Path:
        folder = tmp_path / "scbert"
        folder.mkdir()
        state = reference(tuned=tuned, bias=bias).published()
        change(state)
        content = {"epoch": 3, "model_state_dict": state, "losses": [0.5]}
        torch.save(content, folder / ("finetuned.pth" if tuned else "panglao_pretrained.pth"))
        if names == "genes.txt":
            (folder / names).write_text("\n".join(symbols) + "\n")
        else:
            with h5py.File(folder / names, "w") as file:
                group = file.create_group("var")
                group.attrs["_index"] = "_index"
                group["_index"] = symbols
        return folder

    return make
