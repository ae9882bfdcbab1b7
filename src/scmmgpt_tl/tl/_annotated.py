"""An annotation as it was written: what later tools start from."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scmmgpt_tl._keys import AnnotationKeys
from scmmgpt_tl.get import annotation_df
from scmmgpt_tl.get._record import read_record

from ._labels import LabelSet, resolve_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.ontology import CellOntology

__all__ = ["Annotated", "check_model", "labels_again", "read_annotated"]


class Annotated(NamedTuple):
    """What an annotation says.

    Parameters
    ----------
    params
        Of the call that made it.
    table
        Its labels, with `name`, `cl_id` and `description`.
    cells
        `label`, `cl_id`, `score`, `margin`, `reason` and `coverage` of each cell.
    p
        Probability of each label in each cell, `(n_cells, n_labels)`.
    """

    params: Mapping[str, Any]
    table: pd.DataFrame
    cells: pd.DataFrame
    p: NDArray[np.float64]

    @property
    def labels(self) -> LabelSet:
        """Names and ids of its labels, and what the user wrote of them."""
        columns = (self.table[name] for name in ("name", "cl_id", "description"))
        names, ids, texts = (tuple(map(str, column)) for column in columns)
        return LabelSet(names, ids, descriptions=texts)

    @property
    def level(self) -> str | list[str] | None:
        """How fine it answered, as the user said it."""
        level = self.params.get("level")
        return level if level is None or isinstance(level, str) else [str(name) for name in level]

    @property
    def reasons(self) -> NDArray[np.object_]:
        """Why each cell is unknown, or `"ok"`; `(n_cells,)`."""
        return self.cells["reason"].to_numpy().astype(object)

    @property
    def coverage(self) -> NDArray[np.float32]:
        """How much of each cell the model could read, `(n_cells,)`."""
        return self.cells["coverage"].to_numpy().astype(np.float32)


def read_annotated(
    adata: AnnData, key: str, *, model: Model | EncoderModel | None = None
) -> Annotated:
    """Read an annotation.

    Parameters
    ----------
    adata
        The annotated cells.
    key
        Its `key_added`.
    model
        The one that it should have been made with, where that matters.

    Raises
    ------
    ValueError
        The cells were not annotated under this key, or with another model.
    """
    record = read_record(adata, key, needs="labels", tool="annotate")
    cells = annotation_df(adata, key=key)
    slot = AnnotationKeys(key).scores
    if slot not in adata.obsm:
        msg = f"Did not find adata.obsm[{slot!r}]. Run `scmm.tl.annotate` again."
        raise ValueError(msg)
    if model is not None:
        check_model(record["params"], model, key)
    p = adata.obsm[slot].to_numpy().astype(np.float64)
    return Annotated(record["params"], record["labels"], cells, p)


def labels_again(
    annotated: Annotated, *, model: Model | EncoderModel, ontology: CellOntology
) -> LabelSet:
    """Read the labels of an annotation as it did, with all that cells are compared with.

    Parameters
    ----------
    annotated
        The annotation.
    model
        The one that it was made with.
    ontology
        Where names are looked up.
    """
    given, tissue = annotated.params.get("labels"), annotated.params.get("tissue")
    labels: list[str] | dict[str, str] | None = None
    if given is not None:
        names, texts = annotated.labels.names, annotated.labels.descriptions
        described = dict(zip(names, texts, strict=True))
        labels = described if any(texts) else [str(name) for name in given]
    wanted = tissue if tissue is None or isinstance(tissue, str) else [str(name) for name in tissue]
    with warnings.catch_warnings():
        # What is odd about a label was said when the cells were annotated.
        warnings.simplefilter("ignore", UserWarning)
        return resolve_labels(
            labels, own=getattr(model, "labels", None), tissue=wanted, ontology=ontology
        )


def check_model(params: Mapping[str, Any], loaded: Model | EncoderModel, key: str) -> None:
    """Refuse a model that did not make a result.

    Parameters
    ----------
    params
        Of the call that made it.
    loaded
        The model.
    key
        Name of the result, for the message.

    Raises
    ------
    ValueError
        It was made with another model.
    """
    if str(params["sha256"]) != loaded.sha256:
        msg = (
            f"{key!r} was made with the model {params['model']}, revision {params['revision']}, not "
            f"with {loaded.name}, revision {loaded.revision}. Pass that one as `model`, or run its "
            "tool again."
        )
        raise ValueError(msg)
