"""Whoever looks for a benchmark finds it wherever they look."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("[a-z]*.py"))
# Need what pip does not bring: tables of the Gene Ontology, others' code and engines, a GPU.
BY_HAND = {"gene_sets.py", "gene_network.py", "encoders.py", "tokens.py", "export.py", "gpu.py"}


@pytest.mark.parametrize("page", ["benchmarks/README.md", "docs/benchmarks.md"])
def test_each_script_is_on_the_page(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [name for name in SCRIPTS if f"{name}`" not in text] == []


def test_make_runs_each_script_but_those_that_need_more():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    run = {name for name in SCRIPTS if f"benchmarks/{name}\n" in text or f"{name} --" in text}
    assert run == set(SCRIPTS) - BY_HAND
