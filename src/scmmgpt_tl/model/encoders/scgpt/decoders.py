"""The two ways in which scGPT tells expression: from a gene's state, and from the cell's alone."""

from __future__ import annotations

import torch
from torch import nn


class ExpressionHead(nn.Module):
    """State of a gene -> its value, and the chance that it is not silent."""

    def __init__(self, width: int, *, told_batch: bool, zero: bool) -> None:
        super().__init__()
        entry = 2 * width if told_batch else width
        self.fc = _three_maps(entry, width)
        self.zero_logit = _three_maps(entry, width) if zero else None

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Map (..., width) to (...), twice."""
        value = self.fc(states).squeeze(-1)
        if self.zero_logit is None:
            return value, None
        return value, self.zero_logit(states).squeeze(-1).sigmoid()


class ProfileHead(nn.Module):
    """State of a cell, asked by genes -> their values, and the chances that they are not silent."""

    def __init__(self, width: int, *, told_batch: bool, zero: bool) -> None:
        super().__init__()
        entry = 2 * width if told_batch else width
        self.gene2query = nn.Linear(width, width)
        self.W = nn.Linear(width, entry, bias=False)
        self.W_zero_logit = nn.Linear(width, entry) if zero else None

    def forward(
        self, cell: torch.Tensor, genes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Map (cells, width) and (cells, genes, width) to (cells, genes), twice."""
        query = self.gene2query(genes).sigmoid()
        value = torch.einsum("cgw,cw->cg", self.W(query), cell)
        if self.W_zero_logit is None:
            return value, None
        return value, torch.einsum("cgw,cw->cg", self.W_zero_logit(query), cell).sigmoid()


def _three_maps(entry: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(entry, width),
        nn.LeakyReLU(),
        nn.Linear(width, width),
        nn.LeakyReLU(),
        nn.Linear(width, 1),
    )
