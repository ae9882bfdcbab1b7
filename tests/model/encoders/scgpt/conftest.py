"""Published scGPT folders at tiny sizes."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def make_folder(scgpt_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy the tiny folder with another state dict or other arguments."""

    def make(
        change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor] | None] = dict,
        **args: object,
    ) -> Path:
        folder = tmp_path / "scgpt"
        shutil.copytree(scgpt_folder, folder)
        state = torch.load(folder / "best_model.pt", weights_only=True)
        changed = change(state)
        torch.save(state if changed is None else changed, folder / "best_model.pt")
        found = json.loads((folder / "args.json").read_text())
        kept = {key: value for key, value in (found | args).items() if value is not None}
        (folder / "args.json").write_text(json.dumps(kept))
        return folder

    return make
