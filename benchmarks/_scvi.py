"""scvi-tools, seeded and quiet."""

from __future__ import annotations

import logging
from typing import Any

# One process, no bars, no log files.
TRAINING = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}


def open_scvi(seed: int) -> Any:
    """Import scvi-tools, and seed what it draws from: the global generators.

    Parameters
    ----------
    seed
        Of torch and numpy.
    """
    import lightning
    import scvi

    scvi.settings.verbosity = logging.ERROR
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    lightning.seed_everything(seed, verbose=False)
    return scvi
