"""The Python on the first page and in the user guide runs as it stands there."""

from __future__ import annotations

import re
import warnings
from functools import partialmethod
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "user_guide").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.fixture
def settings_restored():
    import scmmgpt_tl as scmm

    with scmm.settings.override():
        yield


@pytest.mark.usefixtures("settings_restored")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_snippets_run(page, tmp_path, monkeypatch):
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    with mpl.rc_context(), plt.ioff():
        plt.switch_backend("agg")
        for code in BLOCK.findall(page.read_text(encoding="utf-8")):
            exec(compile(code, str(page), "exec"), namespace)
        plt.close("all")


def test_the_guide_to_totalvi_runs(monkeypatch):
    scvi = pytest.importorskip("scvi", exc_type=ImportError)
    import scmmgpt_tl as scmm

    text = (ROOT / "docs" / "user_guide" / "proteins.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```\{code-block\} python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    quick = partialmethod(
        scvi.model.TOTALVI.train, max_epochs=2, accelerator="cpu", enable_progress_bar=False
    )
    monkeypatch.setattr(scvi.model.TOTALVI, "train", quick)
    adata = scmm.datasets.pbmc_cite()
    scmm.tl.annotate(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "proteins.md", "exec"), {"adata": adata, "scmm": scmm})
    assert adata.uns["scmm_refined"]["params"]["use_rep"] == "X_totalVI"
    assert set(adata.obs["scmm_refined_protein"]) >= {"supports"}


def test_readme_opens_with_the_two_commands_then_pip_then_python():
    commands = re.findall(
        r"```(?:bash|python)\n(.*?)\n", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert commands[:4] == [
        "make demo",
        "make test",
        "pip install scmmgpt-tl",
        "import scanpy as sc",
    ]


def test_readme_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    local = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert local
    assert not [link for link in local if not (ROOT / link).exists()]
