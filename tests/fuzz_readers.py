"""Fuzz what reads the files of models, guided by which of its lines they reach.

```bash
pip install atheris
mkdir -p build
python -m pytest tests/model -k tampered --basetemp build/fuzz  # leaves tiny models of all kinds
python tests/fuzz_readers.py build/fuzz -max_total_time=3600
```

Every model below the folder is read again and again with one of its files changed, a bundle also
with seals that fit. What may happen is what `model/tampering.py` allows; anything else ends the run
and leaves the input in a file `crash-*`, which the same command takes as its last argument.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent / "model"))

with atheris.instrument_imports(include=["scmmgpt_tl.model", "json", "zipfile"]):
    from tampering import changed, load, seal, withstood

# Larger files are mostly numbers, of which one is as good as another.
LARGEST = 2**18


def main(folder: Path, options: list[str]) -> None:
    """Fuzz until a bound of libFuzzer's is reached."""
    models = find_models(folder)
    sys.stderr.writelines(f"{model}: {len(files)} files\n" for model, files in models.items())
    with tempfile.TemporaryDirectory() as seeds:
        write_seeds(models, Path(seeds))
        bounds = [f"-max_len={LARGEST}", "-len_control=0", "-timeout=0", "-rss_limit_mb=6000"]
        # An input to read again stands by itself.
        corpus = [] if any(Path(option).is_file() for option in options) else [seeds]
        atheris.Setup([sys.argv[0], *corpus, *bounds, *options], reader(models))
        atheris.Fuzz()


def find_models(folder: Path) -> dict[Path, list[Path]]:
    """Return the folders that can be read, with their files; of each kind of model one."""
    found: dict[tuple[str, ...], Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_dir()):
        try:
            load(path)
        except Exception:  # noqa: BLE001 - tests leave all sorts of folders behind
            continue
        found.setdefault(tuple(sorted(str(f.relative_to(path)) for f in files_of(path))), path)
    if not found:
        sys.exit(f"There is no model that can be read in {folder}.")
    return {path: files_of(path) for path in found.values()}


def files_of(model: Path) -> list[Path]:
    """Files of a model that are small enough."""
    files = sorted(path for path in model.rglob("*") if path.is_file())
    return [path for path in files if path.stat().st_size < LARGEST]


def write_seeds(models: dict[Path, list[Path]], folder: Path) -> None:
    """Write each file as it is, behind the two bytes that say which one it is."""
    for i, files in enumerate(models.values()):
        for j, path in enumerate(files):
            (folder / f"{i}-{j}").write_bytes(bytes([i, j]) + path.read_bytes())


def reader(models: dict[Path, list[Path]]) -> Callable[[bytes], None]:
    """Return what reads a model with one file replaced.

    The first byte says which model, and whether it is sealed again; the second which file.
    """
    folders = list(models)

    def read(data: bytes) -> None:
        if len(data) < 2:
            return
        sealed, model = divmod(data[0], 128)
        folder = folders[model % len(folders)]
        path = models[folder][data[1] % len(models[folder])]
        with ExitStack() as stack:
            stack.enter_context(changed(path, data[2:]))
            config = folder / "config.json"
            if sealed and (whole := seal(config, path)) is not None:
                stack.enter_context(changed(config, whole))
            withstood(lambda: load(folder))

    return read


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
