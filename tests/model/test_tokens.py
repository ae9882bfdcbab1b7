from __future__ import annotations

import numpy as np
import torch

from scmmgpt_tl.model.tokens import GeneTokens


def test_wraps_without_copying():
    ids, values = np.array([4, 2]), np.array([0.6, 0.8], dtype=np.float32)
    tokens = GeneTokens.from_numpy(ids, values, np.array([0, 2, 2]))
    ids[0] = 7
    assert tokens.gene_ids.tolist() == [7, 2]
    assert tokens.n_cells == 2


def test_moves_all_parts():
    tokens = GeneTokens.from_numpy(
        np.array([1]), np.array([1.0], dtype=np.float32), np.array([0, 1])
    ).to("meta")
    assert isinstance(tokens, GeneTokens)
    assert {part.device.type for part in tokens} == {"meta"}


def test_no_cells():
    empty = np.array([], dtype=np.int64)
    tokens = GeneTokens.from_numpy(empty, empty.astype(np.float32), np.array([0]))
    assert tokens.n_cells == 0
    assert tokens.offsets.dtype == torch.int64
