"""Support and agreement of groups."""

from __future__ import annotations

import pytest

from scmmgpt_tl import pl
from scmmgpt_tl.pl._support import support_data

KEY = "scmm_cell_type"


def test_best_supported_first(adata):
    frame = support_data(adata, key=KEY)
    assert list(frame["group"]) == ["1", "0", "2", "3"]
    assert list(frame["support"]) == pytest.approx([0.95, 0.7, 0.6, 0.6])


def test_bars(adata):
    ax = pl.support(adata, show=False)
    support, agreement = ax.containers[0], ax.containers[1]
    assert [bar.get_width() for bar in support] == pytest.approx([0.95, 0.7, 0.6, 0.6])
    assert [bar.get_width() for bar in agreement] == pytest.approx([1.0, 0.9, 0.8, 0.7])
    assert "3 (1,500)" in ax.get_yticklabels()[3].get_text()


def test_annotation_without_groups(adata):
    del adata.uns[KEY]["groups"]
    with pytest.raises(ValueError, match="groupby"):
        pl.support(adata)


def test_missing_annotation(adata):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.annotate"):
        pl.support(adata, key="other")
