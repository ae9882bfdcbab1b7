"""Which genes a text is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._search import read_query

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

__all__ = ["By", "score_genes"]

By = Literal["description", "expression"]


def score_genes(text: str, model: Model, *, by: By | None) -> NDArray[np.float32]:
    """Score every gene of the model for a text, (genes,), the higher the better.

    Parameters
    ----------
    text
        Any words.
    model
        Reads them.
    by
        `"description"`: cosine of the text and what is written of the gene. `"expression"`: how far
        the text raises the gene's log expression over its level in all types, in the mean over
        genes. By default, the expression for what the Cell Ontology knows.

    Raises
    ------
    TypeError
        `text` is not a string.
    ValueError
        `text` is empty, there is no such way, or the descriptions were read by another model.
    """
    _check(text, by)
    term, wordings = read_query(text, ontology=ontology.load())
    if (by or ("expression" if term else "description")) == "expression":
        return _by_expression(wordings, model)
    return _by_description(text, model)


def _by_expression(wordings: tuple[str, ...], model: Model) -> NDArray[np.float32]:
    shares = model.generate_expression(wordings)
    level = model.network.expression_decoder.level.float().cpu().numpy()
    # A share may be too small for its logarithm.
    raised = np.log(np.maximum(shares, np.finfo(np.float32).tiny)).mean(0) - level
    return (raised - raised.mean()).astype(np.float32)


def _by_description(text: str, model: Model) -> NDArray[np.float32]:
    from scmmgpt_tl.model.gene_texts import read_states, shipped_gene_texts

    texts = shipped_gene_texts()
    if model.sha256 != texts.sha256:
        msg = (
            f"The descriptions of genes were read by the model that ships, not by {model.name!r}: "
            "their states cannot be compared. Leave `model` out, or pass `by='expression'`."
        )
        raise ValueError(msg)
    return texts.similarity(read_states(model, [text]))[0]


def _check(text: object, by: object) -> None:
    if not isinstance(text, str):
        msg = f"`text` must be a string, not {type(text).__name__}."
        raise TypeError(msg)
    if not text.strip():
        msg = "`text` is empty. Say what the genes are to do, such as 'antigen presentation'."
        raise ValueError(msg)
    if by is not None and by not in get_args(By):
        msg = f"`by` must be one of {list(get_args(By))} or None, not {by!r}."
        raise ValueError(msg)
