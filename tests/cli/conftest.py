"""A file of counts, and the options that name the tiny model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData


@pytest.fixture
def cells(counts_adata: AnnData, tmp_path: Path) -> Path:
    """Sixty cells with raw counts."""
    path = tmp_path / "cells.h5ad"
    counts_adata.write_h5ad(path)
    return path


@pytest.fixture
def model_options(tiny_bundle: Path) -> list[str]:
    return ["--model", str(tiny_bundle), "--device", "cpu"]
