"""BERT as published: its sizes from `config.json`, its weights under our names, its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from .checkpoint import join_attention, refuse_larger, rename
from .folder import read_json
from .transformer import Activation, Transformer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SIZES: Final = {
    "n_tokens": "vocab_size",
    "n_positions": "max_position_embeddings",
    "width": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "inner": "intermediate_size",
}
_RULES: Final = (
    (r"^bert\.", ""),
    (r"^embeddings\.word_embeddings\.", "tokens."),
    (r"^embeddings\.position_embeddings\.", "positions."),
    (r"^embeddings\.token_type_embeddings\.", "kinds."),
    (r"^embeddings\.LayerNorm\.", "norm."),
    (r"^encoder\.layer\.", "transformer.layers."),
    (r"\.attention\.self\.", "."),
    (r"\.attention\.output\.dense\.", ".out."),
    (r"\.attention\.output\.LayerNorm\.", ".norm1."),
    (r"\.intermediate\.dense\.", ".expand."),
    (r"\.output\.dense\.", ".contract."),
    (r"\.output\.LayerNorm\.", ".norm2."),
)
# Heads of pre-training and of fine-tuned classifiers; ids that are counted anyway.
_DROPPED: Final = (
    r"(bert\.)?pooler\.",
    r"(bert\.)?embeddings\.position_ids",
    r"cls\.",
    r"classifier\.",
)


@dataclass(frozen=True)
class BertSizes:
    """Sizes of the network, as they lie in `config.json`.

    Parameters
    ----------
    n_tokens, n_positions
        Rows of the tables of tokens and of their places.
    width, n_layers, n_heads, inner
        Sizes of the transformer.
    activation, eps, dropout
        As in the transformer.
    """

    n_tokens: int
    n_positions: int
    width: int
    n_layers: int
    n_heads: int
    inner: int
    activation: Activation
    eps: float
    dropout: float

    def check_room(self, state: Mapping[str, torch.Tensor], *, source: str) -> None:
        """Refuse sizes that the tensors of a file cannot fill, before a network is built of them.

        Raises
        ------
        ValueError
            If they cannot.
        """
        tables = (self.n_tokens + self.n_positions) * self.width
        layer = self.width * (4 * self.width + 2 * self.inner)
        refuse_larger(
            state,
            n_layers=self.n_layers,
            n_weights=tables + self.n_layers * layer,
            source=source,
        )


class Bert(nn.Module):
    """Tokens and their places to states."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.tokens = nn.Embedding(sizes.n_tokens, sizes.width)
        self.positions = nn.Embedding(sizes.n_positions, sizes.width)
        # BERT tells first from second sentences: two rows, of which cells use the first.
        self.kinds = nn.Embedding(2, sizes.width)
        self.norm = nn.LayerNorm(sizes.width, eps=sizes.eps)
        self.dropout = nn.Dropout(sizes.dropout)
        self.transformer = Transformer(
            width=sizes.width,
            n_layers=sizes.n_layers,
            n_heads=sizes.n_heads,
            inner=sizes.inner,
            activation=sizes.activation,
            eps=sizes.eps,
            dropout=sizes.dropout,
        )

    def encode(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        *,
        n_layers: int | None = None,
        n_places: int | None = None,
    ) -> torch.Tensor:
        """Return states (rows, places, width).

        Parameters
        ----------
        ids
            Tokens, (rows, places).
        mask
            Of the same shape, True where there is a token.
        n_layers
            Layers to run, from the first; by default all.
        n_places
            Places whose states are wanted, from the first; by default all.

        Raises
        ------
        ValueError
            If there are more places than the network knows.
        """
        if ids.shape[1] > (known := self.positions.num_embeddings):
            msg = f"A cell has {ids.shape[1]} tokens; the network ranks {known}."
            raise ValueError(msg)
        places = self.positions.weight[: ids.shape[1]] + self.kinds.weight[0]
        hidden = self.dropout(self.norm(self.tokens(ids) + places))
        return self.transformer(hidden, mask, n_layers=n_layers, n_places=n_places)


def read_sizes(path: Path, *, title: str) -> BertSizes:
    """Read the sizes of a BERT.

    Parameters
    ----------
    path
        Its `config.json`.
    title
        Of the published model, for the messages.

    Raises
    ------
    ValueError
        If the file is damaged, of another network, or of one that is not known here.
    """
    raw = read_json(path)
    if (kind := raw.get("model_type", "bert")) != "bert":
        msg = f"{path} is of a {kind!r}; {title} is a 'bert'."
        raise ValueError(msg)
    wrong = [name for name in _SIZES.values() if not _is_size(raw.get(name))]
    if wrong:
        msg = f"{path} must give {', '.join(wrong)} as positive whole numbers."
        raise ValueError(msg)
    if (activation := raw.get("hidden_act")) not in ("relu", "gelu"):
        msg = f"{path} says hidden_act {activation!r}; 'relu' and 'gelu' are known."
        raise ValueError(msg)
    if (positions := raw.get("position_embedding_type", "absolute")) != "absolute":
        msg = f"{path} says position_embedding_type {positions!r}; {title}'s are 'absolute'."
        raise ValueError(msg)
    return BertSizes(
        **{name: raw[key] for name, key in _SIZES.items()},
        activation=activation,
        eps=float(raw.get("layer_norm_eps", 1e-12)),
        dropout=float(raw.get("hidden_dropout_prob", 0.0)),
    )


def bert_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename published weights as :class:`Bert` names them.

    Parameters
    ----------
    state
        Tensors as transformers writes them, of a bare BERT or one with heads, which are left out.

    Raises
    ------
    ValueError
        If queries, keys and values of a layer are not all there.
    """
    return join_attention(rename(state, _RULES, dropped=_DROPPED))


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
