from __future__ import annotations

import gzip
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from scmmgpt_tl.ontology import _build

if TYPE_CHECKING:
    from pathlib import Path

RAW = {
    "CL:0000000": {"label": "cell", "ancestors": {}, "deprecated": False},
    "CL:0000001": {
        "label": "kept cell",
        "description": " Kept. ",
        "synonyms": ["b", "a", "a"],
        "ancestors": {"CL:0000000": 1},
        "deprecated": False,
    },
    "CL:0000002": {
        "label": "low cell",
        "ancestors": {"CL:0000001": 1, "CL:0000000": 2},
        "deprecated": False,
    },
    "CL:0000003": {"label": "nucleus", "ancestors": {"CL:0000000": 3}, "deprecated": False},
    "CL:0000004": {
        "label": "obsolete x",
        "ancestors": {},
        "deprecated": True,
        "replaced_by": "CL:0000005",
    },
    "CL:0000005": {
        "label": "obsolete y",
        "ancestors": {},
        "deprecated": True,
        "replaced_by": "CL:0000001",
    },
    "CL:0000006": {"label": "obsolete z", "ancestors": {}, "deprecated": True},
}


def test_build_table() -> None:
    table = _build.build_table("v1", RAW)
    assert table["terms"] == {
        "CL:0000000": ["cell", "", [], []],
        "CL:0000001": ["kept cell", "Kept.", ["a", "b"], ["CL:0000000"]],
        "CL:0000002": ["low cell", "", [], ["CL:0000001"]],
    }
    assert table["replaced_by"] == {"CL:0000004": "CL:0000001", "CL:0000005": "CL:0000001"}
    assert table["licence"] == "CC-BY-4.0"


def test_write_table_is_deterministic(tmp_path: Path) -> None:
    table = _build.build_table("v1", RAW)
    for name in ("a", "b"):
        _build.write_table(table, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads(gzip.decompress((tmp_path / "a").read_bytes())) == table


def test_newest_release_of_a_wheel(tmp_path: Path) -> None:
    path = tmp_path / "guide.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for release in ("v2024-01-01", "v2025-01-01"):
            wheel.writestr(f"guide/data/CL-ontology-{release}.json.zst", release)
    assert _build._newest_in_wheel(str(path)) == ("v2025-01-01", b"v2025-01-01")


def test_wheel_without_ontology(tmp_path: Path) -> None:
    path = tmp_path / "other.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("other/data.json", "{}")
    with pytest.raises(ValueError, match=r"Found no `data/CL-ontology-v\*\.json\.zst`"):
        _build.read_source(str(path))


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_build, "SOURCE", "surely-not-installed")
    with pytest.raises(_build.PackageNotFoundError) as caught:
        _build.read_source("installed")
    assert caught.value.__notes__ == ["Please install `surely-not-installed`, or name its wheel."]
