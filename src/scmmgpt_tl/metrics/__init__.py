"""How right annotations are."""

from __future__ import annotations

from scmmgpt_tl.model.calibration import expected_calibration_error

from ._accuracy import accuracy, macro_f1
from ._bootstrap import bootstrap_interval
from ._closeness import closeness, ontology_f1
from ._consistency import consistent

__all__ = [
    "accuracy",
    "bootstrap_interval",
    "closeness",
    "consistent",
    "expected_calibration_error",
    "macro_f1",
    "ontology_f1",
]
