from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scmmgpt_tl.model import _hub
from scmmgpt_tl.model.bundle import read_bundle

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CURE = (
    r"download all files from https://huggingface.co/owner/model \(config.json and .*copy them "
    r"into one folder, and load that: `scmm.load_model\('/path/to/folder'\)`"
)


@pytest.fixture
def hub_cache(tmp_path: Path, tiny_bundle: Path) -> Path:
    """Lay out the tiny bundle as the hub's library keeps downloads: links into blobs."""
    root = tmp_path / "models--owner--model"
    snapshot = root / "snapshots" / COMMIT
    for folder in (root / "blobs", root / "refs", snapshot):
        folder.mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    for number, path in enumerate(sorted(tiny_bundle.iterdir())):
        (root / "blobs" / str(number)).write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(Path("..", "..", "blobs", str(number)))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/model", True),
        ("owner-1/model_v1.0", True),
        ("default", False),
        ("./model", False),
        ("../model", False),
        ("/owner/model", False),
        ("a/b/c", False),
        ("~/model", False),
        ("owner/", False),
        ("owner/model?x", False),
        ("", False),
    ],
)
def test_hub_ids(name, expected):
    assert _hub.is_hub_id(name) is expected


def test_what_is_cached_needs_no_network(hub_cache, tiny_bundle):
    folder, link_root = _hub.fetch("owner/model", cache_dir=hub_cache, offline=True)
    assert folder.name == COMMIT
    found = read_bundle(folder, link_root=link_root)
    assert found.sha256 == read_bundle(tiny_bundle).sha256


def test_a_commit_is_found_by_its_hash(hub_cache):
    folder, _ = _hub.fetch("owner/model", revision=COMMIT, cache_dir=hub_cache, offline=True)
    assert folder.name == COMMIT


def test_links_that_leave_the_cache_are_refused(hub_cache, tiny_bundle):
    folder, link_root = _hub.fetch("owner/model", cache_dir=hub_cache, offline=True)
    (folder / "genes.tsv").unlink()
    (folder / "genes.tsv").symlink_to(tiny_bundle / "genes.tsv")
    with pytest.raises(ValueError, match=r"genes.tsv is a symbolic link to"):
        read_bundle(folder, link_root=link_root)


def test_offline_error_says_which_files_go_where(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"'owner/model' is not in the cache, .*{CURE}"):
        _hub.fetch("owner/model", cache_dir=tmp_path, offline=True)


def test_a_revision_that_is_not_cached_is_named(hub_cache):
    with pytest.raises(FileNotFoundError, match="'owner/model' at revision 'v2' is not in"):
        _hub.fetch("owner/model", revision="v2", cache_dir=hub_cache, offline=True)


UNREACHABLE = """
import sys
from scmmgpt_tl.model import _hub
_hub.fetch("owner/model", cache_dir=sys.argv[1])
"""


@pytest.mark.parametrize(
    "change",
    [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}],
    ids=["unreachable", "HF_HUB_OFFLINE"],
)
def test_unreachable_hub(tmp_path, change):
    # In a process of its own: the hub's library reads these variables when it is imported.
    result = subprocess.run(
        [sys.executable, "-c", UNREACHABLE, str(tmp_path)],
        env=os.environ | change,
        capture_output=True,
        text=True,
        check=False,
    )
    last = result.stderr.splitlines()[-1]
    assert last.startswith("FileNotFoundError: Model 'owner/model' could not be downloaded")
    assert "`scmm.load_model('/path/to/folder')`" in last
