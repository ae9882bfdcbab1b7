from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from anndata import AnnData

from scmmgpt_tl import pp
from scmmgpt_tl._warnings import warn


def test_warning_points_at_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("look here", FutureWarning)
    assert [Path(w.filename).name for w in caught] == [Path(__file__).name]
    assert caught[0].category is FutureWarning


def test_warning_from_deep_inside_points_at_the_users_line():
    adata = AnnData(np.array([[50.5, 1.25, 7.0]], dtype=np.float32))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pp.check_counts(adata)
    assert [Path(w.filename).name for w in caught] == [Path(__file__).name]
