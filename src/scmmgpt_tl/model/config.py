"""The shape of a model: frozen dataclasses that are the ``architecture`` part of ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

OWN = "geneset"
"""Kind of our own cell encoder."""


@dataclass(frozen=True)
class EncoderConfig:
    """Our own cell encoder, and its sizes.

    Parameters
    ----------
    kind
        `"geneset"`; all other kinds have an :class:`AdoptedConfig`.
    n_genes
        Number of genes in the gene table.
    width
        Width of the vector that the genes of a cell are summed into.
    n_blocks
        Residual blocks on that vector.
    n_states
        Number of states per cell that the Q-Former attends to.
    state_width
        Width of each state.
    dropout
        Share of hidden units dropped in training.
    """

    kind: str = OWN
    n_genes: int = 0
    width: int = 512
    n_blocks: int = 2
    n_states: int = 8
    state_width: int = 256
    dropout: float = 0.1


@dataclass(frozen=True)
class AdoptedConfig:
    """Cell encoder that was published by others: which one, and its sizes.

    Parameters
    ----------
    kind
        Row of the table of published encoders, in `model/encoders/published.py`.
    title
        Name of the published model, with its variant.
    licence
        Of the weights, and on what grounds.
    sha256
        Hash of the weights as they were published.
    n_genes
        Number of genes in the gene table of the model.
    n_known
        Those among them that the encoder knows.
    state_width
        Width of each state.
    sizes
        Of the published network, as its own dataclass has them.
    tuned
        Whether the weights were trained on, or are as published.
    restriction
        What the licence forbids, or asks of who passes the model on, if that is to be said aloud.
    width
        Width of the vectors that genes are told apart by in the expression decoder.
    dropout
        Share of hidden units dropped in the training of what reads the states.
    """

    kind: str
    title: str
    licence: str
    sha256: str
    n_genes: int
    n_known: int
    state_width: int
    sizes: dict[str, Any]
    tuned: bool = False
    restriction: str = ""
    width: int = 512
    dropout: float = 0.1


@dataclass(frozen=True)
class BridgeConfig:
    """Q-Former: a BERT whose text part reads words and whose query part reads cells.

    Parameters
    ----------
    hidden, n_layers, n_heads, intermediate
        Sizes of the transformer.
    cross_attention_frequency
        Every which layer lets the queries attend to the cell.
    n_queries
        Number of learned questions a cell is asked.
    projection
        Width of the space that cells and texts share.
    vocabulary, max_positions
        Of the text part, in tokens.
    dropout
        Share of hidden units and attention weights dropped in training.
    activation, layer_norm_eps
        As in the BERT that the weights started from.
    """

    hidden: int = 384
    n_layers: int = 6
    n_heads: int = 12
    intermediate: int = 1536
    cross_attention_frequency: int = 2
    n_queries: int = 4
    projection: int = 256
    vocabulary: int = 30522
    max_positions: int = 128
    dropout: float = 0.1
    activation: str = "gelu"
    layer_norm_eps: float = 1e-12


@dataclass(frozen=True)
class DecoderConfig:
    """Text decoder, of any family that transformers knows.

    Parameters
    ----------
    hf
        The language model's own `config.json`.
    eos
        Id of the token that ends a text; it pads as well.
    """

    hf: dict[str, Any]
    eos: int


@dataclass(frozen=True)
class ExpressionConfig:
    """Text-conditioned expression decoder.

    Parameters
    ----------
    width
        Width of the attention, over all heads.
    n_heads
        Number of heads.
    n_types
        Number of cell types that are remembered.
    n_axes
        Number of axes on which they differ.
    """

    width: int = 128
    n_heads: int = 4
    n_types: int = 1
    n_axes: int = 128


@dataclass(frozen=True)
class ModelConfig:
    """All sizes of a model; while it learns to read cells it has no text decoder yet.

    Examples
    --------
    >>> config = ModelConfig(encoder=EncoderConfig(n_genes=100))
    >>> ModelConfig.from_dict(config.to_dict()) == config
    True
    """

    encoder: EncoderConfig | AdoptedConfig = field(default_factory=EncoderConfig)
    bridge: BridgeConfig = field(default_factory=BridgeConfig)
    decoder: DecoderConfig | None = None
    expression: ExpressionConfig = field(default_factory=ExpressionConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, ready for JSON; a decoder that is not there is left out."""
        return {name: part for name, part in asdict(self).items() if part is not None}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ModelConfig:
        """Read what :meth:`to_dict` wrote; unknown parts and keys are an error.

        Raises
        ------
        ValueError
            If a part or a key is not known to this version of the package, one is missing, or a
            part holds no keys at all.
        """
        for name, part in raw.items():
            if not isinstance(part, Mapping):
                msg = f"`architecture[{name!r}]` in config.json must hold keys, found {part!r}."
                raise ValueError(msg)
        parts = {
            "encoder": _encoder_part(raw.get("encoder", {})),
            "bridge": BridgeConfig,
            "decoder": DecoderConfig,
            "expression": ExpressionConfig,
        }
        if unknown := set(raw) - set(parts):
            msg = f"`architecture` in config.json has unknown parts {sorted(unknown)!r}."
            raise ValueError(msg)
        given = {name: raw.get(name, {}) for name in parts if name != "decoder" or name in raw}
        return cls(**{name: _build(name, parts[name], part) for name, part in given.items()})


def _encoder_part(given: Mapping[str, Any]) -> type:
    return EncoderConfig if given.get("kind", OWN) == OWN else AdoptedConfig


def _build(name: str, part: type, given: Mapping[str, Any]) -> Any:
    if unknown := set(given) - {f.name for f in fields(part)}:
        msg = f"`architecture[{name!r}]` in config.json has unknown keys {sorted(unknown)!r}."
        raise ValueError(msg)
    needed = {f.name for f in fields(part) if f.default is f.default_factory is MISSING}
    if missing := needed - set(given):
        msg = f"`architecture[{name!r}]` in config.json lacks the keys {sorted(missing)!r}."
        raise ValueError(msg)
    return part(**given)
