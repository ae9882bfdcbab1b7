"""Which labels cells are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl._warnings import warn
from scmmgpt_tl.ontology._kinds import kinds_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.labels import LabelTable
    from scmmgpt_tl.ontology import CellOntology

__all__ = ["UNKNOWN", "LabelSet", "embed_labels", "embed_wordings", "resolve_labels"]


UNKNOWN = "unknown"


@dataclass(frozen=True)
class LabelSet:
    """Labels in the order in which they are scored.

    Parameters
    ----------
    names
        Names as the user, or the model, writes them.
    cl_ids
        Their Cell Ontology ids, `""` where there is none.
    wordings
        Texts that stand for each label; empty where the model's own embedding does.
    rows
        Rows of the model's own label embeddings; empty for labels of the user.
    descriptions
        What the user wrote of each label, `""` elsewhere.
    n_profiles
        Profiles that the model learned its own labels from; empty for labels of the user.
    kinds
        Ids of the kinds of cell that each label speaks of: its own id, or for a label without one
        whatever its name says; empty for the model's own.
    """

    names: tuple[str, ...]
    cl_ids: tuple[str, ...]
    wordings: tuple[tuple[str, ...], ...] = ()
    rows: tuple[int, ...] = ()
    descriptions: tuple[str, ...] = ()
    n_profiles: tuple[int, ...] = ()
    kinds: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def resolve_labels(
    labels: Sequence[str] | Mapping[str, str] | None,
    *,
    own: LabelTable | None,
    tissue: str | Sequence[str] | None,
    ontology: CellOntology,
) -> LabelSet:
    """Turn what the user asked for into labels with ids and texts.

    Parameters
    ----------
    labels
        Names or Cell Ontology ids, or names with descriptions; `None` for the model's own.
    own
        The model's own labels, `None` for a model without.
    tissue
        Tissues to restrict the model's own labels to; labels of the user are taken as they are.
    ontology
        Where names are looked up.

    Returns
    -------
    At least two labels.

    Raises
    ------
    TypeError
        `labels` is a single string, or holds something other than strings.
    ValueError
        There are fewer than two labels, one is empty or repeated, or no label fits `tissue`.
    """
    if labels is None:
        if own is None:
            msg = "This model has no labels of its own. Name those to choose among in `labels`."
            raise ValueError(msg)
        return _own_labels(own, tissue=tissue)
    _check(labels)
    if isinstance(labels, Mapping):
        return _described_labels(labels, ontology=ontology)
    return _named_labels([label.strip() for label in labels], ontology=ontology)


def embed_labels(labels: LabelSet, model: Model) -> NDArray[np.float32]:
    """Embed labels as the mean of their wordings.

    Parameters
    ----------
    labels
        Labels.
    model
        Embeds the texts, or knows the embeddings already.

    Returns
    -------
    Unit vectors, `(n_labels, width)`.
    """
    if labels.rows:
        return model.label_embeddings[list(labels.rows)]
    return embed_wordings(labels.wordings, model)


def embed_wordings(wordings: Sequence[Sequence[str]], model: Model) -> NDArray[np.float32]:
    """Embed things that can each be said in several ways.

    Parameters
    ----------
    wordings
        The texts of each thing.
    model
        Embeds the texts.

    Returns
    -------
    For each thing the mean of its texts' unit vectors, at unit length again.
    """
    embedded = model.embed_text([text for texts in wordings for text in texts])
    starts = np.cumsum([0, *(len(texts) for texts in wordings)])[:-1]
    sums = np.add.reduceat(embedded.astype(np.float64), starts, axis=0)
    return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)


def _check(labels: Sequence[str] | Mapping[str, str]) -> None:
    if isinstance(labels, str):
        msg = f"`labels` must be a list of names or a dict, not one string. Use [{labels!r}, ...]."
        raise TypeError(msg)
    texts = [*labels, *(labels.values() if isinstance(labels, Mapping) else ())]
    odd = next((text for text in texts if not isinstance(text, str)), None)
    if odd is not None or None in texts:
        msg = f"`labels` must hold strings only, not {odd!r}."
        raise TypeError(msg)
    if not all(text.strip() for text in texts):
        msg = "`labels` holds an empty name or description. Write something, or leave it out."
        raise ValueError(msg)
    names = [label.strip() for label in labels]
    _check_distinct(names)
    if UNKNOWN in names:
        msg = f"`labels` holds {UNKNOWN!r}, which stands for cells without a label. Leave it out."
        raise ValueError(msg)
    if len(labels) < 2:
        msg = (
            f"`labels` holds {len(labels)} label(s), but choosing takes two. "
            "To score one cell type, use `scmm.tl.search`."
        )
        raise ValueError(msg)


def _check_distinct(names: Sequence[str]) -> None:
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        msg = f"`labels` names {repeated[0]!r} more than once. Name each label once."
        raise ValueError(msg)


def _own_labels(own: LabelTable, *, tissue: str | Sequence[str] | None) -> LabelSet:
    wanted = [tissue] if isinstance(tissue, str) else tissue
    if wanted is None:
        rows = tuple(range(len(own)))
    else:
        known = sorted({name for found in own.tissues for name in found})
        _check_tissues(wanted, known)
        asked = {name.strip().lower() for name in wanted}
        rows = tuple(
            row
            for row, found in enumerate(own.tissues)
            if not found or asked & {name.lower() for name in found}
        )
    return LabelSet(
        tuple(own.names[row] for row in rows),
        tuple(own.cl_ids[row] for row in rows),
        rows=rows,
        descriptions=("",) * len(rows),
        n_profiles=tuple(own.n_profiles[row] for row in rows),
    )


def _check_tissues(wanted: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in wanted if name.strip().lower() not in map(str.lower, known)]
    if unknown or not wanted:
        msg = (
            f"The model knows no tissue {', '.join(map(repr, unknown)) or 'in an empty list'}. "
            f"`tissue` can be any of {', '.join(known) or 'none with this model'}."
        )
        raise ValueError(msg)


def _described_labels(labels: Mapping[str, str], *, ontology: CellOntology) -> LabelSet:
    from scmmgpt_tl.model.prompts import label_wordings

    names, texts = zip(*((n.strip(), t.strip()) for n, t in labels.items()), strict=True)
    pairs = zip(names, texts, strict=True)
    wordings = tuple((text, label_wordings(name, text)[-1]) for name, text in pairs)
    ids = tuple(ontology.resolve(name) or "" for name in names)
    return LabelSet(names, ids, wordings=wordings, descriptions=texts)


def _named_labels(given: Sequence[str], *, ontology: CellOntology) -> LabelSet:
    from scmmgpt_tl.model.prompts import label_wordings

    ids = [ontology.resolve(text) or "" for text in given]
    kinds = tuple(kinds_in(text, ontology) for text in given)
    rows = zip(given, ids, kinds, strict=True)
    _warn_unknown({text: found for text, key, found in rows if not key}, ontology)
    shared = {key for key, n in Counter(ids).items() if n > 1}
    names, wordings = [], []
    for text, key in zip(given, ids, strict=True):
        is_id = text.upper().startswith(("CL:", "CL_"))
        names.append(ontology.name(key) if is_id and key else text)
        # Two labels of one term ("fibroblast", "CAF") differ by what the user calls them alone.
        written = ontology.name(key) if key and (is_id or key not in shared) else text
        wordings.append(label_wordings(written, ontology.definition(key) if key else ""))
    _check_distinct(names)
    return LabelSet(
        tuple(names),
        tuple(ids),
        wordings=tuple(wordings),
        descriptions=("",) * len(names),
        kinds=kinds,
    )


def _warn_unknown(unknown: Mapping[str, Sequence[str]], ontology: CellOntology) -> None:
    """Name the labels without an id, and what each is taken for."""
    missing = [text for text in unknown if text.upper().startswith("CL:")]
    if missing:
        msg = f"{missing[0]!r} is not a term of Cell Ontology {ontology.release}."
        raise ValueError(msg)
    if unknown:
        hints = [_hint(text, kinds, ontology) for text, kinds in islice(unknown.items(), 5)]
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        msg = (
            f"The Cell Ontology has no {', '.join(hints)}{more}. They are used as they are "
            "written, without an id."
        )
        warn(msg)


def _hint(text: str, kinds: Sequence[str], ontology: CellOntology) -> str:
    if kinds:
        return f"{text!r} (taken for some {' or '.join(map(ontology.name, kinds))})"
    close = [repr(ontology.name(key)) for key in ontology.suggest(text, 2)]
    return f"{text!r} (did you mean {' or '.join(close)}?)" if close else repr(text)
