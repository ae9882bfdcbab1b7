"""What a damaged bundle says of its cell encoder is refused in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from torch import nn

from scmmgpt_tl.model.cell_part import CellPart


@dataclass(frozen=True)
class Sizes:
    width: int


@dataclass(frozen=True)
class Tokenizer:
    medians: np.ndarray
    limit: int


PART = CellPart(Sizes, lambda sizes: nn.Linear(sizes.width, 1), Tokenizer)


def test_a_tokenizer_is_built_of_lists():
    found = PART.build_tokenizer({"medians": [1.0, 2.0, 3.0], "limit": 4}, n_genes=3)
    assert found.limit == 4
    np.testing.assert_array_equal(found.medians, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"medians": [1.0, 2.0], "limit": 4}, r"`medians` .* has 2 entries, not 3"),
        ({"medians": [1.0, [2.0, 3.0], 4.0], "limit": 4}, r"none of its kind \(.*inhomogeneous"),
        ({"medians": [[1.0], [2.0], [3.0]], "limit": 4}, r"none of its kind \(.* shape \(1,\)"),
        ({"medians": [1.0, 2.0, 3.0]}, r"none of its kind \(.*'limit'"),
    ],
)
def test_a_damaged_tokenizer_is_refused(raw, message):
    with pytest.raises(ValueError, match=rf"{message}.*\. Get the bundle again\.$"):
        PART.build_tokenizer(raw, n_genes=3)


def test_damaged_sizes_are_refused():
    with pytest.raises(ValueError, match=r"none of its kind .*\. Get the bundle again\.$"):
        PART.build({"width": "wide"})
