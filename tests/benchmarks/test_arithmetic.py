"""Operations are counted as one would count them by hand."""

from __future__ import annotations

import numpy as np
import torch
from _arithmetic import flops_a_cell, peak_flops
from scipy.sparse import csr_matrix
from torch.nn import functional as F

CELLS, GENES, WIDTH, PLACES = 3, 50, 8, 5


class ByHand:
    """A sum over genes, a linear map, and attention of one head."""

    def encode_cells(self, rows: csr_matrix) -> torch.Tensor:
        genes = torch.from_numpy(rows.indices.astype(np.int64))
        begins = torch.from_numpy(rows.indptr.astype(np.int64))
        with torch.inference_mode():
            cell = F.embedding_bag(
                genes,
                torch.randn(GENES, WIDTH),
                begins,
                mode="sum",
                per_sample_weights=torch.from_numpy(rows.data),
                include_last_offset=True,
            )
            states = F.linear(cell, torch.randn(PLACES * WIDTH, WIDTH), torch.zeros(PLACES * WIDTH))
            states = states.reshape(CELLS, 1, PLACES, WIDTH)
            return F.scaled_dot_product_attention(states, states, states)


def test_operations_are_those_counted_by_hand():
    rng = np.random.default_rng(0)
    rows = csr_matrix(rng.poisson(0.5, (CELLS, GENES)).astype(np.float32))
    genes = 2 * rows.nnz * WIDTH / CELLS
    linear = 2 * WIDTH * PLACES * WIDTH
    attention = 2 * (2 * PLACES * PLACES * WIDTH)
    assert flops_a_cell(ByHand(), rows) == genes + linear + attention


def test_model_takes_as_much_for_any_number_of_cells(tiny_model, counts_adata):
    from scmmgpt_tl._input import prepare

    (rows,) = prepare(counts_adata, genes=tiny_model.genes).blocks()
    one, many = flops_a_cell(tiny_model, rows[:1]), flops_a_cell(tiny_model, rows)
    # What is said of the panel of genes is worked out once for all cells of a batch.
    assert 1000 < many < one < 10 * many


def test_peak_is_that_of_a_machine():
    assert 1e8 < peak_flops("cpu", torch.float32) < 1e14
