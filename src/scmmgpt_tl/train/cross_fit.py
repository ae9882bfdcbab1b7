"""What a score is worth on a new study: asked of twins of the model that have not seen some.

Studies that are held out for good are few, and few studies say little of how often a model is right
on the next one. So short warm-ups of the same run are trained, each without a part of the studies,
and judge cells drawn from what they have not seen: through made-up panels, as other studies would
have measured them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl.model.markers import evidence
from scmmgpt_tl.ontology._roll_up import on_one_line

from .draw import CellSource
from .held_out import HeldOut, encode
from .material import build_network, prepare, start_network
from .phase import load_phase, train_phase
from .publish import label_table, shipped_markers
from .published_weights import learned_parts
from .reference import read_profiles
from .stage1 import LABELS, Stage1

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .config import Hardware, RunConfig
    from .material import Material

TWINS = 2
N_CELLS = 4000
# What the numbers of a run are joined by; others are those of phases and of calibration.
STUDIES, CELLS = 14, 15


class Twin(NamedTuple):
    """What a twin says of cells of studies that it has not seen.

    Parameters
    ----------
    cosine
        Similarity to its labels, (cells, labels).
    evidence
        What marker genes say, (cells, labels).
    n_profiles
        Profiles behind each label, (labels,).
    lines
        Which labels do not contradict which, (labels, labels).
    right
        Which labels do not contradict the truth, (cells, labels).
    """

    cosine: NDArray[np.float64]
    evidence: NDArray[np.float32]
    n_profiles: NDArray[np.int64]
    lines: NDArray[np.bool_]
    right: NDArray[np.bool_]


def train_twins(config: RunConfig, material: Material, folder: Path, hardware: Hardware) -> None:
    """Train the twins of a run that are not trained yet.

    Parameters
    ----------
    config
        The run; it names the studies to leave out in turn.
    material
        What the run learns from.
    folder
        Of the run.
    hardware
        What to train on.
    """
    for name, held in left_out(config, material).items():
        if (folder / f"{name}.safetensors").exists():
            continue
        twin = without(config, held)
        seen = prepare(twin)
        learner = Stage1(start_network(twin, seen), seen, twin)
        train_phase(
            learner, name, steps=twin.warm_up_steps, config=twin, hardware=hardware, folder=folder
        )


def read_twins(config: RunConfig, material: Material, folder: Path) -> list[Twin]:
    """Let the twins of a run judge cells of the studies that each has not seen.

    Raises
    ------
    FileNotFoundError
        If one of them was not trained.
    """
    return [_judge(config, held, folder, name) for name, held in left_out(config, material).items()]


def left_out(config: RunConfig, material: Material) -> dict[str, tuple[str, ...]]:
    """Return the studies that each twin does not see, by the name of its weights."""
    chosen = sorted({s for s in material.profiles.studies if s.startswith(config.cross_fit)})
    if not config.cross_fit_steps or not chosen:
        return {}
    order = np.random.default_rng([config.seed, STUDIES]).permutation(len(chosen))
    return {
        f"twin{twin}": tuple(chosen[i] for i in sorted(order[twin::TWINS]))
        for twin in range(min(TWINS, len(chosen)))
    }


def without(config: RunConfig, studies: Sequence[str]) -> RunConfig:
    """Return the run of a twin."""
    return replace(
        config,
        exclude=(*config.exclude, *studies),
        warm_up_steps=config.cross_fit_steps,
        stage1_steps=0,
    )


def _judge(config: RunConfig, held: Sequence[str], folder: Path, name: str) -> Twin:
    twin = without(config, held)
    seen = prepare(twin)
    network = build_network(twin, seen)
    rest = load_phase(network, learned_parts(network), folder, name)
    if rest is None:
        msg = (
            f"The run in {str(folder)!r} has not finished {name}. Run `scmm pretrain` with its config "
            "and this folder again: it goes on where it stopped."
        )
        raise FileNotFoundError(msg)
    labels = label_table(seen)
    place = {term: i for i, term in enumerate(seen.types)}
    vectors = rest[LABELS].numpy()[[place[term] for term in labels.cl_ids]]
    markers = shipped_markers(config, seen)
    cells = _draw(config, held, seen)
    cl = ontology.load()
    weights = markers.weights(
        labels.cl_ids, np.ones(len(seen.genes), dtype=bool), ontology=cl, by_contrast=False
    )
    return Twin(
        cosine=encode(network, cells).cosines(vectors),
        evidence=evidence(sparse.csr_matrix(cells.values), weights, cells.measured),
        n_profiles=np.array(labels.n_profiles),
        lines=on_one_line(labels.cl_ids, labels.cl_ids, ontology=cl),
        right=on_one_line(cells.terms, labels.cl_ids, ontology=cl),
    )


def _draw(config: RunConfig, held: Sequence[str], seen: Material) -> HeldOut:
    profiles = read_profiles(
        config.profiles,
        seen.genes,
        exclude=config.exclude,
        only=held,
        without_types=config.without_types,
    )
    types = tuple(sorted(set(profiles.terms)))
    source = CellSource(profiles, (), types=types, real_share=0.0, moved_share=config.moved_share)
    drawn = source.draw(N_CELLS, np.random.default_rng([config.seed, CELLS]))
    terms = [types[t] for t in drawn.term]
    return HeldOut("studies left out in turn", drawn.counts, drawn.measured, terms, is_real=False)
