"""One method on one study, in a process of its own so that its peak memory is its own.

`python benchmarks/_worker.py JOB.json` reads a job and writes the answers beside it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from _methods import Answers, Setup

PLAIN = ("closed", "refused", "seconds", "states_chances", "training_seconds")
BY_SETTING = ("open_ids", "certainty", "forced_ids")


@dataclass(frozen=True)
class Job:
    """One method on one study.

    Parameters
    ----------
    method
        Key of `_methods.METHODS`.
    study
        File of the data set.
    max_cells, seed, outsiders
        As in `_data.read_study`.
    setup
        As `_methods.Setup`.
    """

    method: str
    study: Path
    max_cells: int
    seed: int
    outsiders: float
    setup: Setup


def run_apart(job: Job, folder: Path) -> tuple[Answers, float]:
    """Run a job in another process; return its answers and its peak memory in MiB.

    Parameters
    ----------
    job
        What to run.
    folder
        Where the job and its answers are written.

    Raises
    ------
    RuntimeError
        If the process fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job.study.stem}.{job.method}.json"
    path.write_text(json.dumps(asdict(job), default=str), encoding="utf-8")
    done = subprocess.run([sys.executable, __file__, str(path)], check=False)
    if done.returncode:
        msg = f"{job.method} failed on {job.study.name} (exit status {done.returncode})."
        raise RuntimeError(msg)
    return _load(path.with_suffix(".npz"))


def peak_mib() -> float:
    """Peak resident memory of this process, in MiB."""
    # On Linux `ru_maxrss` starts with what the parent held when it forked; VmHWM does not.
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main(path: Path) -> None:
    """Run the job in `path`."""
    from _data import read_study
    from _methods import METHODS, Setup

    raw = json.loads(path.read_text(encoding="utf-8"))
    paths = {"model", "training", "markers", "sentences"}
    setup = Setup(**{key: Path(v) if key in paths and v else v for key, v in raw["setup"].items()})
    study = read_study(
        Path(raw["study"]),
        max_cells=raw["max_cells"],
        seed=raw["seed"],
        outsiders=raw["outsiders"],
    )
    answers = METHODS[raw["method"]](study, setup)
    np.savez(path.with_suffix(".npz"), **_pack(answers), peak=peak_mib())


def _pack(answers: Answers) -> dict[str, Any]:
    plain = {name: getattr(answers, name) for name in PLAIN}
    by_setting = {
        f"{field}.{name}": values
        for field in BY_SETTING
        for name, values in getattr(answers, field).items()
    }
    return plain | by_setting


def _load(path: Path) -> tuple[Answers, float]:
    from _methods import Answers

    with np.load(path) as file:
        plain = {name: file[name] if file[name].ndim else file[name].item() for name in PLAIN}
        by_setting = {
            field: {
                key.removeprefix(f"{field}."): file[key]
                for key in file.files
                if key.startswith(f"{field}.")
            }
            for field in BY_SETTING
        }
        return Answers(**plain, **by_setting), float(file["peak"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
