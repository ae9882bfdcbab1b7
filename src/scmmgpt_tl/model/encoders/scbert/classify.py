"""Cell types by scBERT's fine-tuned classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from scmmgpt_tl.model.encoder_model import EncoderModel
    from scmmgpt_tl.model.tokens import GeneTokens

UNASSIGNED: Final = "Unassigned"
"""What a cell is called that the classifier is not sure of."""


class CellTypes(NamedTuple):
    """What the classifier says of a batch of cells."""

    labels: list[str]
    probabilities: torch.Tensor  # (cells, classes), float32


def classify(
    model: EncoderModel, tokens: GeneTokens, *, labels: Sequence[str], threshold: float = 0.5
) -> CellTypes:
    """Name the most probable class of each cell.

    Parameters
    ----------
    model
        A scBERT that was fine-tuned to classify.
    tokens
        Cells, from `model.tokenizer`.
    labels
        Names of the classes, which the checkpoint does not hold. The authors' code numbers them in
        the order of the sorted names.
    threshold
        Cells whose highest probability is below are `"Unassigned"`; 0 names all.

    Returns
    -------
    Labels of the cells, and the probabilities of all classes.

    Raises
    ------
    ValueError
        If the model has no classifier, not as many classes as there are labels, or `threshold` is
        no probability.
    """
    if not 0 <= threshold <= 1:
        msg = f"`threshold` must be a probability, found {threshold!r}."
        raise ValueError(msg)
    probabilities = model.with_options(pooling="logits").encode_tokens(tokens).softmax(-1)
    if probabilities.shape[1] != len(labels):
        msg = f"`labels` must name {probabilities.shape[1]} classes, found {len(labels)}."
        raise ValueError(msg)
    highest, best = probabilities.max(1)
    sure = (highest >= threshold).tolist()
    names = [
        labels[i] if known else UNASSIGNED for i, known in zip(best.tolist(), sure, strict=True)
    ]
    return CellTypes(names, probabilities)
