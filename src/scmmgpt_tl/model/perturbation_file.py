"""A perturbation model on disk: a folder of JSON and safetensors."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ._files import read_tensors, write_tensors, written_whole
from .folder import read_json
from .perturbation import GROUP, PERTURBATION, Check, PerturbationModel
from .shifts import Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .model import Model

__all__ = ["is_perturbation", "read_perturbation", "write_perturbation"]

FORMAT, VERSION = "scmmgpt-tl perturbation", 1
CONFIG, ARRAYS = "config.json", "shifts.safetensors"
NAMES = ("perturbation_key", "control_label", "groupby", "perturbations", "groups", "genes")


def is_perturbation(path: str | Path) -> bool:
    """Tell whether a path is a folder that :func:`write_perturbation` wrote."""
    return (Path(path) / ARRAYS).is_file()


def write_perturbation(model: PerturbationModel, folder: Path) -> None:
    """Write a perturbation model, whole or not at all.

    Raises
    ------
    FileExistsError
        If something else lies there.
    """
    config = {
        "format": FORMAT,
        "version": VERSION,
        "base": {"name": model.base.name, "sha256": model.base.sha256},
        **{name: getattr(model, name) for name in NAMES},
        "rules": {name: asdict(rule) for name, rule in model.rules.items()},
        "checks": model.checks,
    }
    arrays = {"control": model.control, "shifts": model.shifts, "n_cells": model.n_cells}
    for side, kinds in (
        (GROUP, model.group_features),
        (PERTURBATION, model.perturbation_features),
    ):
        arrays |= {f"{side}.{kind}": values for kind, values in kinds.items()}
    with written_whole(folder, sign=ARRAYS, what="a perturbation model") as fresh:
        tensors = {key: torch.from_numpy(np.array(values)) for key, values in arrays.items()}
        write_tensors(fresh / ARRAYS, tensors)
        text = json.dumps(config, indent=1, ensure_ascii=False)
        (fresh / CONFIG).write_text(text, encoding="utf-8")


def read_perturbation(folder: Path, base: Model) -> PerturbationModel:
    """Read what :func:`write_perturbation` wrote, with the model that it was made with.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, or `base` is another model.
    """
    config = _read_config(folder)
    try:
        made_with = config["base"]
        if made_with["sha256"] != base.sha256:
            msg = (
                f"{folder} was made with the model {made_with['name']} "
                f"({made_with['sha256'][:12]}), not with {base.name} ({base.sha256[:12]}). Load it "
                "with that model, or fit it again."
            )
            raise ValueError(msg)
        arrays = {key: values.numpy() for key, values in read_tensors(folder / ARRAYS).items()}
        features: dict[str, dict[str, NDArray[np.float32]]] = {GROUP: {}, PERTURBATION: {}}
        for key in sorted(set(arrays) - {"control", "shifts", "n_cells"}):
            side, _, kind = key.partition(".")
            features[side][kind] = arrays[key]
        return PerturbationModel(
            base=base,
            perturbation_key=config["perturbation_key"],
            control_label=config["control_label"],
            groupby=config["groupby"],
            perturbations=tuple(config["perturbations"]),
            groups=tuple(config["groups"]),
            genes=tuple(config["genes"]),
            control=arrays["control"],
            shifts=arrays["shifts"],
            n_cells=arrays["n_cells"].astype(np.int64),
            group_features=features[GROUP],
            perturbation_features=features[PERTURBATION],
            rules={name: Rule(**rule) for name, rule in config["rules"].items()},
            checks=tuple(Check(*check) for check in config["checks"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{folder} is damaged ({error!r}). Fit the perturbation model again."
        raise ValueError(msg) from error


def _read_config(folder: Path) -> dict[str, Any]:
    for name in (CONFIG, ARRAYS):
        if not (folder / name).is_file():
            msg = f"{folder / name} is missing. Name a folder that `PerturbationModel.save` wrote."
            raise FileNotFoundError(msg)
    config = read_json(folder / CONFIG)
    if (config.get("format"), config.get("version")) != (FORMAT, VERSION):
        msg = (
            f"{folder} is of the format {config.get('format')!r}, version "
            f"{config.get('version')!r}; this release reads {FORMAT!r}, version {VERSION}."
        )
        raise ValueError(msg)
    return config
