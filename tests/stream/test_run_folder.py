"""A long run goes on where it was, or says why it cannot."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scmmgpt_tl._stream.run_folder import InUseError, Manifest, RunFolder, held
from scmmgpt_tl._stream.share import Share

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = Manifest(
    tool="embed",
    model={"name": "tiny", "sha256": "ab"},
    input={"name": "cells.h5ad", "n_obs": 25, "fingerprint": "12"},
    arguments={"counts": "auto"},
    shard_rows=10,
)


def work(rows: range) -> AnnData:
    names = [f"c{i}" for i in rows]
    return AnnData(obs=pd.DataFrame({"place": np.array(rows, dtype=np.float32)}, index=names))


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.begin(tmp_path / ".run", MANIFEST)


def test_shards_cover_the_cells():
    assert MANIFEST.shards() == [range(10), range(10, 20), range(20, 25)]
    empty = replace(MANIFEST, input={"n_obs": 0})
    assert empty.shards() == [range(0)]


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shares_cover_the_shards(of):
    shards = [range(i, i + 1) for i in range(5)]
    parts = [Share(number, of).of_shards(shards) for number in range(1, of + 1)]
    assert [rows for part in parts for rows in part] == shards
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_shares_are_read_strictly(text):
    with pytest.raises(ValueError, match=r"A share must be like '2/4'"):
        Share.parse(text)


def test_what_is_done_is_not_done_again(run):
    made = []
    for _ in range(2):
        for rows in run.manifest.shards():
            run.do(rows, lambda asked: (made.append(asked), work(asked))[1])
    assert made == run.manifest.shards()
    assert run.missing() == []


def test_shard_that_another_one_makes_is_waited_for(run, tmp_path):
    rows, made = range(10), []
    other = RunFolder.begin(tmp_path / ".other", MANIFEST)
    other.do(rows, work)
    with ThreadPoolExecutor(1) as pool:
        with held(run.file(rows).with_suffix(".lock"), "this shard"):
            with pytest.raises(InUseError, match="is working on cells 0 to 9"):
                run.do(rows, work)
            waiting = pool.submit(run.do, rows, made.append, wait=True)
            for file in (other.file(rows), other.file(rows).with_suffix(".json")):
                shutil.copy(file, run.path)
        waiting.result(timeout=60)
    assert not made
    assert run.is_done(rows)


def test_damaged_shard_is_made_again(run):
    for rows in run.manifest.shards():
        run.do(rows, work)
    file = run.file(range(10, 20))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert run.missing() == [range(10, 20)]
    run.do(range(10, 20), work)
    assert run.missing() == []


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("tool", "search", "another tool: 'embed', not 'search'"),
        ("model", {"name": "tiny", "sha256": "cd"}, "another model: `sha256` was 'ab', not 'cd'"),
        ("input", MANIFEST.input | {"fingerprint": "34"}, "another input: `fingerprint` was '12'"),
        ("arguments", {"counts": "raw"}, "another arguments: `counts` was 'auto', not 'raw'"),
        ("arguments", {"counts": "auto", "layer": "X"}, "`layer` was None, not 'X'"),
        ("format", 2, "another format: 1, not 2"),
    ],
)
def test_another_run_is_refused(run, part, value, said):
    with pytest.raises(ValueError, match="delete that folder to start anew") as error:
        RunFolder.begin(run.path, replace(MANIFEST, **{part: value}))
    assert said in str(error.value)


def test_shards_stay_as_long_as_they_were(run):
    again = RunFolder.begin(run.path, replace(MANIFEST, shard_rows=3))
    assert again.manifest.shards() == run.manifest.shards()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"tool": "x"}'])
def test_damaged_manifest(run, content):
    (run.path / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="is no manifest of a run"):
        RunFolder.begin(run.path, MANIFEST)


def _hold(path: Path, ready, done) -> None:
    with held(path, "it"):
        ready.set()
        done.wait(30)


def test_another_process_is_kept_out(run):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(run.path / "share-1-of-1.lock", ready, done))
    other.start()
    assert ready.wait(30)
    with (
        pytest.raises(RuntimeError, match=r"Another process is working on 'cells.h5ad'"),
        run.working(Share()),
    ):
        pytest.fail("the lock is held")
    with run.working(Share(1, 2)):
        pass
    other.kill()
    other.join()
    # The system lets go of the lock of a process that was killed.
    with run.working(Share()):
        pass


def test_error_tells_what_is_kept(run):
    run.do(range(10), work)
    with pytest.raises(KeyboardInterrupt) as error, run.working(Share()):
        raise KeyboardInterrupt
    assert f"1 of 3 parts are kept in {str(run.path)!r}" in error.value.__notes__[0]


FULL = """
    import resource, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_run_folder import MANIFEST, work
    from scmmgpt_tl._stream.run_folder import RunFolder

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    run = RunFolder.begin(Path(sys.argv[1]), MANIFEST)
    run.do(range(10), work)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        run.do(range(10, 20), work)
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs limits of POSIX")
def test_full_disk_leaves_what_was_done(tmp_path):
    from pathlib import Path as Path_

    words = [textwrap.dedent(FULL), str(tmp_path / ".run"), str(Path_(__file__).parent)]
    out = subprocess.run([sys.executable, "-c", *words], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "OSError"
    run = RunFolder.open(tmp_path / ".run")
    assert run.missing() == [range(10, 20), range(20, 25)]
    assert not [path for path in run.path.iterdir() if path.is_dir()]


def test_manifest_is_for_people_to_read(run):
    content = json.loads((run.path / "manifest.json").read_text())
    assert content["tool"] == "embed"
    assert content["input"]["n_obs"] == 25


def test_folder_goes_when_nothing_is_in_it(run):
    run.do(range(10), work)
    run.remove(only_if_empty=True)
    assert run.path.exists()
    run.remove()
    assert not run.path.exists()
    empty = RunFolder.begin(run.path, MANIFEST)
    empty.remove(only_if_empty=True)
    assert not run.path.exists()
