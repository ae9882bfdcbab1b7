"""What the published encoders have in common, written down once more for their tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.encoders.published import cell_part
from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.model.load_encoder import load_encoder
from scmmgpt_tl.model.state import load_strict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class PerformerLayer(nn.Module):
    """The equations of a Performer's layer for one cell, one head at a time."""

    PLACES = {
        "norm1": "0.norm",
        "q": "0.fn.to_q",
        "k": "0.fn.to_k",
        "v": "0.fn.to_v",
        "o": "0.fn.to_out",
        "directions": "0.fn.fast_attention.projection_matrix",
        "norm2": "1.norm",
        "w1": "1.fn.fn.w1",
        "w2": "1.fn.fn.w2",
    }

    def __init__(self, width: int, heads: int, head: int, directions: int, *, bias: bool) -> None:
        super().__init__()
        self.head = head
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, heads * head, bias=bias) for _ in range(3))
        self.o = nn.Linear(heads * head, width)
        self.w1, self.w2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("directions", torch.randn(directions, head))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (places, width) to the same."""
        x = self.norm1(hidden)
        parts = (part(x) / self.head**0.25 for part in (self.q, self.k))
        query, key = (part.split(self.head, dim=1) for part in parts)
        value = self.v(x).split(self.head, dim=1)
        largest = max((part @ self.directions.T).max() for part in key)
        heads = []
        for q, k, v in zip(query, key, value, strict=True):
            along_q, along_k = q @ self.directions.T, k @ self.directions.T
            fq = (along_q - q.pow(2).sum(1, True) / 2 - along_q.max(1, True).values).exp() + 1e-4
            fk = (along_k - k.pow(2).sum(1, True) / 2 - largest).exp() + 1e-4
            kernel = fq @ fk.T
            heads.append(kernel @ v / kernel.sum(1, keepdim=True))
        hidden = hidden + self.o(torch.cat(heads, dim=1))
        return hidden + self.w2(F.gelu(self.w1(self.norm2(hidden))))

    @classmethod
    def published(cls, key: str) -> str:
        """Published name of a tensor of `layers.N`, without what stands before the stack."""
        _, layer, part, *rest = key.split(".")
        return ".".join(["performer.net.layers", layer, cls.PLACES[part], *rest])


@pytest.fixture(scope="session")
def performer_layer() -> type[PerformerLayer]:
    """A layer to build references from."""
    return PerformerLayer


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module], None]:
    """Fill a network with random weights, norms near 1, all else large enough to matter."""

    def fill(network: nn.Module) -> None:
        for key, part in network.named_parameters():
            part.copy_(torch.randn(part.shape) * 0.3 + ("norm" in key and "weight" in key))

    return fill


@pytest.fixture(scope="session")
def symbols(request: pytest.FixtureRequest) -> list[str]:
    """The genes, in the order of the tests' table."""
    table = GeneTable.read(request.config.rootpath / "tests" / "data" / "genes.tsv")
    return list(table.symbols)


@pytest.fixture
def reads_alike() -> Callable[[Path], None]:
    """Write down the part of a folder that reads cells, build it again from that, and compare."""

    def check(folder: Path) -> None:
        model = load_encoder(folder, torch.device("cpu"), torch.float32)
        part = cell_part(model.kind)
        cells = part.take(model.network)
        written = json.dumps([part.write_sizes(cells), part.write_tokenizer(model.tokenizer)])
        sizes, options = json.loads(written)
        again, tokenizer = part.build(sizes).eval(), part.build_tokenizer(options, n_genes=300)
        load_strict(again, cells.state_dict())
        counts = np.random.default_rng(0).poisson(0.3, (5, len(model.genes))).astype(np.float32)
        counts[2] = 0
        rows = csr_matrix(counts)
        tokens, same = model.tokenizer(rows), tokenizer(rows)
        assert all(map(torch.equal, tokens, same))
        with torch.inference_mode():
            (states, mask), (found, seen) = model.network(tokens), again(same)
        assert torch.equal(mask, seen)
        assert torch.equal(states, found)
        assert found.shape[-1] == again.config.width

    return check
