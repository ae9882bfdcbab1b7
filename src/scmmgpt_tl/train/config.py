"""What a training run is: read from a YAML file, kept beside its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run learns.

    Parameters
    ----------
    profiles, cells
        `.h5ad` files of reference profiles and of labelled real cells.
    exclude
        Studies (`"file|matrix"` or their beginnings) never trained on.
    held_out_cells, held_out_studies
        Cells and profile studies that are not trained on but calibrated with.
    gencode, gene_text
        Sources of the gene table, see :func:`scmmgpt_tl.train.genes.build_gene_table`.
    extra_genes
        Symbols of non-coding genes to include.
    bert, llama
        Folders with the starting weights of bridge and text decoder.
    architecture
        Sizes that differ from the defaults of :class:`scmmgpt_tl.model.config.ModelConfig`.
    """

    profiles: tuple[Path, ...]
    cells: tuple[Path, ...]
    gencode: Path
    gene_text: Path
    bert: Path
    llama: Path
    exclude: tuple[str, ...] = ()
    held_out_cells: tuple[Path, ...] = ()
    held_out_studies: tuple[str, ...] = ()
    extra_genes: tuple[str, ...] = ()
    architecture: dict[str, dict[str, Any]] = field(default_factory=dict)
    seed: int = 0
    real_share: float = 0.2
    use_gene_text: bool = True
    stage1_steps: int = 3000
    stage1_cells: int = 192
    stage1_texts: int = 32
    stage2_steps: int = 800
    stage2_cells: int = 16
    expression_steps: int = 600

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """Read a YAML file; unknown keys are an error, paths are relative to the file.

        Raises
        ------
        ValueError
            If the file has keys that no run knows.
        """
        raw = yaml.safe_load(path.read_text())
        if unknown := set(raw) - {f.name for f in fields(cls)}:
            msg = f"`{path}` has unknown keys {sorted(unknown)!r}."
            raise ValueError(msg)
        here = path.parent
        for key in ("gencode", "gene_text", "bert", "llama"):
            raw[key] = here / raw[key]
        for key in ("profiles", "cells", "held_out_cells"):
            raw[key] = tuple(sorted(p for pattern in raw.get(key, ()) for p in _glob(here, pattern)))
        for key in ("exclude", "held_out_studies", "extra_genes"):
            raw[key] = tuple(raw.get(key, ()))
        return cls(**raw)

    def write(self, path: Path) -> None:
        """Write what was run, with paths as they were resolved."""
        raw = {k: _plain(v) for k, v in asdict(self).items()}
        path.write_text(yaml.safe_dump(raw, sort_keys=False))


def _glob(here: Path, pattern: str) -> list[Path]:
    found = sorted((here / pattern).parent.glob(Path(pattern).name))
    if not found:
        msg = f"No file matches {pattern!r} (looked in {str((here / pattern).parent)!r})."
        raise FileNotFoundError(msg)
    return found


def _plain(value: object) -> object:
    match value:
        case Path():
            return str(value)
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value
