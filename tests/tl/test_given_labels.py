from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scmmgpt_tl.tl._given_labels import given_labels


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_cells_without_a_label_have_none(dtype):
    said = ["T cell", " B cell ", "", "unknown", "Unknown", "UNKNOWN", None]
    obs = pd.DataFrame({"type": said}, index=list("abcdefg")).astype(dtype)
    adata = AnnData(np.ones((7, 1), np.float32), obs=obs)
    assert given_labels(adata, "type") == ["T cell", "B cell", "", "", "", "", ""]


def test_numbers_of_clusters_are_labels():
    adata = AnnData(
        np.ones((3, 1), np.float32), obs=pd.DataFrame({"leiden": [0, 1, 0]}, index=list("abc"))
    )
    assert given_labels(adata, "leiden") == ["0", "1", "0"]


def test_a_missing_column_is_named():
    adata = AnnData(
        np.ones((1, 1), np.float32), obs=pd.DataFrame({"leiden": [0], "donor": [1]}, index=["a"])
    )
    with pytest.raises(
        ValueError, match=r"\.obs\['type'\]. Choose `labels_key` from leiden, donor"
    ):
        given_labels(adata, "type")
