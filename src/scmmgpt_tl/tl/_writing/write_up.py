"""Getting texts from the decoder that may stand beside the evidence."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scanpy import logging as logg
from tqdm.auto import tqdm

from .describe_text import ROOT, choose_text, evidence_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

    from .describe_text import Evidence

__all__ = ["Text", "write_up"]

N_DRAWN = 4
MAX_NEW_TOKENS = 128
_BATCH = 8
_UNREAD = "These cells express too few genes to be described."


class _Task(NamedTuple):
    """One text to write: what the decoder sees, and what it must not contradict."""

    query: NDArray[np.float32]
    prompt: str
    evidence: Evidence


class Text(NamedTuple):
    """A description.

    Parameters
    ----------
    text
        The text.
    written_by
        `"decoder"`; `"decoder, shortened"` where sentences that the evidence does not bear out were
        left out; `"evidence"` where nothing that the decoder wrote could stand.
    """

    text: str
    written_by: str


def write_up(
    queries: NDArray[np.float32],
    evidence: Sequence[Evidence | None],
    model: Model,
    *,
    rng: np.random.Generator,
    progress: bool = False,
) -> list[Text]:
    """Describe groups of cells.

    Each group gets what may stand of the likeliest text beside its evidence; where that is nothing,
    the best of a few drawn ones. Every group draws from a generator of its own, so that no text
    depends on how often the decoder failed before.

    Parameters
    ----------
    queries
        Mean query states, `(n_groups, n_queries, width)`.
    evidence
        What is known of each group; `None` for a group that could not be read.
    model
        Writes the texts.
    rng
        Source of all randomness.
    progress
        Whether to show a bar.

    Returns
    -------
    One text per group.
    """
    generators = [np.random.default_rng(seed) for seed in rng.integers(2**63, size=len(evidence))]
    texts = [_unwritten(known) for known in evidence]
    tasks = {
        row: _Task(queries[row], _prompt(known), known)
        for row, known in enumerate(evidence)
        if known and known.cl_id != ROOT
    }
    start = perf_counter()
    with tqdm(total=len(tasks), desc="describe", unit="text", disable=not progress) as bar:
        for batch in _batches(list(tasks)):
            likeliest = model.describe(
                queries[batch],
                [tasks[row].prompt for row in batch],
                rng=generators[batch[0]],
                max_new_tokens=MAX_NEW_TOKENS,
            )
            for row, candidates in zip(batch, likeliest, strict=True):
                texts[row] = _settle(candidates, tasks[row], model, rng=generators[row])
            bar.update(len(batch))
            if bar.n == len(batch):
                _announce(perf_counter() - start, done=len(batch), left=len(tasks) - len(batch))
    return texts


def _batches(rows: list[int]) -> list[list[int]]:
    return [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]


def _settle(
    candidates: Sequence[str], task: _Task, model: Model, *, rng: np.random.Generator
) -> Text:
    text, whole = choose_text(candidates, task.evidence)
    # Drawing takes several times as long as the likeliest text: only where nothing of that stands.
    if not text:
        drawn = model.describe(
            task.query[None], [task.prompt], rng=rng, n_candidates=N_DRAWN, likeliest=False
        )
        text, whole = choose_text([*candidates, *drawn[0]], task.evidence)
    if not text:
        return _unwritten(task.evidence)
    return Text(text, "decoder" if whole else "decoder, shortened")


def _unwritten(evidence: Evidence | None) -> Text:
    return Text(evidence_text(evidence) if evidence else _UNREAD, "evidence")


def _prompt(evidence: Evidence) -> str:
    from scmmgpt_tl.model.prompts import describe_prompt

    return describe_prompt(
        evidence.label, evidence.lineage, evidence.genes, evidence.tissue, evidence.definition
    )


def _announce(seconds: float, *, done: int, left: int) -> None:
    if left:
        each = seconds / done
        logg.info(
            f"    {each:.1f} s per description: about {each * left:.0f} s for the other {left}"
        )
