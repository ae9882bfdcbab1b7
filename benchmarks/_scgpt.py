"""The package of scGPT, as far as it still runs."""

from __future__ import annotations

import importlib
import logging
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@cache
def import_scgpt() -> tuple[ModuleType, type[torch.nn.Module]]:
    """Import scGPT's functions and network; around them the package needs what no longer installs.

    Returns
    -------
    The module that embeds cells, and the network.
    """
    spec = find_spec("scgpt")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("scgpt cannot be found. Install it with `pip install --no-deps scgpt`.")
    root = Path(spec.submodule_search_locations[0])
    for name in ("scgpt", "scgpt.model", "scgpt.tasks", "scgpt.tokenizer", "scgpt.utils"):
        module = ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    sys.modules["scgpt"].logger = logging.getLogger("scgpt")  # type: ignore[attr-defined]
    network = importlib.import_module("scgpt.model.model").TransformerModel
    sys.modules["scgpt.model"].TransformerModel = network  # type: ignore[attr-defined]
    sys.modules["scgpt.tokenizer"].GeneVocab = dict  # type: ignore[attr-defined]
    sys.modules["scgpt.utils"].load_pretrained = None  # type: ignore[attr-defined]
    return importlib.import_module("scgpt.tasks.cell_emb"), network
