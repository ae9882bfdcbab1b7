"""Run a tool on a file again and again, killing it at random points, and tell what came of it.

`python _killed_runs.py TOOL PATH MODEL SHARD_ROWS KILLS SEED` prints one line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

import scmmgpt_tl as scmm
from scmmgpt_tl._stream import run_folder
from scmmgpt_tl.tl._on_files import results_path


def main(tool: str, path: Path, *, model: str, shard_rows: int, kills: int, seed: int) -> None:
    """Kill so many runs, compare every result that was finished with one that was left alone."""
    # Children of a process whose threads hold locks would wait for them for ever.
    torch.set_num_threads(1)
    run_folder.SHARD_ROWS = shard_rows
    loaded = scmm.load_model(model, device="cpu")
    target, begun = results_path(path), path.parent / ".begun"
    _note_shards(begun)
    started = time.monotonic()
    os.waitpid(_start(tool, path, loaded), 0)
    longest = time.monotonic() - started
    expected = target.read_bytes()
    n_shards = len(begun.read_text().splitlines())
    rng, killed, finished, identical, redone = random.Random(seed), 0, 0, 0, []
    partial: set[str] = set()
    target.unlink()
    while killed < kills or not target.exists():
        before = _done(path)
        begun.unlink(missing_ok=True)
        child = _start(tool, path, loaded)
        if killed < kills:
            time.sleep(rng.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        lines = begun.read_text().splitlines() if begun.exists() else []
        redone.append(len(set(lines) & before))
        partial |= {p.name for p in path.parent.iterdir() if not p.name.startswith(".")}
        if target.exists() and not os.WIFSIGNALED(status):
            finished += 1
            identical += target.read_bytes() == expected
            if killed < kills:
                target.unlink()
    found = {
        "kills": killed,
        "shards": n_shards,
        "finished": finished,
        "identical": identical,
        "done_shards_redone": max(redone),
        "visible": sorted(partial - {path.name, target.name}),
        "sha256": hashlib.sha256(expected).hexdigest(),
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _start(tool: str, path: Path, model: object) -> int:
    child = os.fork()
    if child:
        return child
    try:
        getattr(scmm.tl, tool)(path, model=model)
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as its parent
        os._exit(1)
    os._exit(0)


def _note_shards(begun: Path) -> None:
    """Write the name of every shard that a run begins to compute."""
    do = run_folder.RunFolder.do

    def noted(self: run_folder.RunFolder, rows: range, work: object) -> None:
        def and_noted(asked: range) -> object:
            with begun.open("a") as file:
                file.write(f"{asked.start}\n")
            return work(asked)

        do(self, rows, and_noted)

    run_folder.RunFolder.do = noted


def _done(path: Path) -> set[str]:
    """First rows of the shards that are done."""
    records = path.parent.glob(f".{results_path(path).name}.*/*-*.json")
    return {str(int(record.name.split("-")[0])) for record in records}


if __name__ == "__main__":
    tool_, path_, model_, *numbers = sys.argv[1:]
    shard_rows_, kills_, seed_ = map(int, numbers)
    main(tool_, Path(path_), model=model_, shard_rows=shard_rows_, kills=kills_, seed=seed_)
