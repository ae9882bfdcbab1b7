from __future__ import annotations

import sys
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import tokens
from _other_tokenizers import FIRST, GeneformerLike
from _scgpt import import_scgpt
from scipy.sparse import csr_matrix, random_array

from scmmgpt_tl.model.rank_tokenizer import RankTokenizer


def test_the_other_way_to_rank_gives_the_same_tokens():
    rows = csr_matrix(random_array((9, 50), density=0.4, rng=0))
    medians = np.random.default_rng(0).gamma(2.0, size=50) + 0.1
    found = RankTokenizer(np.arange(50) + FIRST, medians, None, None)(rows)
    ids, offsets = found.gene_ids.tolist(), found.offsets.tolist()
    assert GeneformerLike(medians)(rows) == [ids[a:b] for a, b in pairwise(offsets)]


@pytest.fixture
def modules_restored():
    """Other tests import the package of scGPT in another way."""
    yield
    import_scgpt.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "scgpt"]:
        del sys.modules[name]


@pytest.mark.usefixtures("modules_restored")
@pytest.mark.parametrize(
    "kind",
    [
        "geneformer",
        pytest.param(
            "scgpt", marks=pytest.mark.skipif(not find_spec("scgpt"), reason="no scgpt package")
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:flash_attn is not installed:UserWarning")
def test_ways_are_timed_and_told(bench_folder, kind):
    out, docs = bench_folder / "out", bench_folder / "docs"
    sizes = "--cells 20 --genes 200 --batch 8 --rounds 1 --expressed 60 90"
    tokens.main([*sizes.split(), "--kinds", kind, "--out", str(out), "--docs", str(docs)])
    rows = pd.read_csv(out / "tokens.csv")
    assert list(rows["way"]) == ["original", "ours"] * 2
    assert (rows["cells_per_second"] > 0).all()
    page = (docs / "benchmarks.md").read_text(encoding="utf-8")
    assert f"| {tokens.TITLES[kind]} | 90 | scmmgpt-tl |" in page
    assert "old tokens" not in page
