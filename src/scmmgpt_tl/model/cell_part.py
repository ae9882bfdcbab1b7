"""The part of a published encoder that reads cells: taken out, written down, and built again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from .checkpoint import UNFORESEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from .encoder_model import Tokenizer


def _whole(network: Any) -> Any:
    return network


@dataclass(frozen=True)
class CellPart:
    """What a kind of published encoder needs to become the cell encoder of a model of ours.

    Parameters
    ----------
    sizes
        Dataclass that the network is built from: numbers, texts, and dataclasses of these.
    network
        Builds it, untrained. It maps tokens to states (cells, places, `sizes.width`) and a mask.
    tokenizer
        Dataclass of its tokenizer: numbers, texts, and arrays with an entry a gene.
    take
        Finds it in the network that a reader returns; its `config` is its sizes.
    nested
        Dataclasses among its sizes, by name.
    terms
        What the licence asks of a model that holds the weights, if that is to be said aloud.
    """

    sizes: type
    network: Callable[[Any], nn.Module]
    tokenizer: type
    take: Callable[[Any], Any] = _whole
    nested: Mapping[str, type] = field(default_factory=dict)
    terms: str = ""

    def write_sizes(self, network: nn.Module) -> dict[str, Any]:
        """Return the sizes of a network as plain values, ready for JSON."""
        config: Any = network.config
        found: dict[str, Any] = json.loads(json.dumps(asdict(config)))
        return found

    def build(self, sizes: Mapping[str, Any]) -> nn.Module:
        """Build the network that :meth:`write_sizes` was given, untrained.

        Raises
        ------
        ValueError
            If there is no such network.
        """
        try:
            known = {name: _tuples(value) for name, value in sizes.items()}
            known |= {name: kind(**sizes[name]) for name, kind in self.nested.items()}
            return self.network(self.sizes(**known))
        except (ValueError, *UNFORESEEN) as error:
            msg = (
                f"`architecture['encoder']['sizes']` in config.json are none of its kind ({error}). "
                "Get the bundle again."
            )
            raise ValueError(msg) from error

    def write_tokenizer(self, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return a tokenizer as plain values, ready for JSON; sources of chance are left out."""
        return plain_fields(tokenizer)

    def build_tokenizer(self, raw: Mapping[str, Any], *, n_genes: int) -> Any:
        """Build the tokenizer that :meth:`write_tokenizer` was given, of so many genes.

        Raises
        ------
        ValueError
            If there is no such tokenizer.
        """
        lists = {name: value for name, value in raw.items() if isinstance(value, list)}
        for name, value in lists.items():
            if len(value) != n_genes:
                msg = (
                    f"`{name}` of the cell encoder's tokenizer has {len(value)} entries, not "
                    f"{n_genes}. Get the bundle again."
                )
                raise ValueError(msg)
        try:
            arrays = {name: _array(value) for name, value in lists.items()}
            return self.tokenizer(**{**raw, **arrays})
        except (TypeError, ValueError) as error:
            msg = (
                f"The tokenizer of the cell encoder is none of its kind ({error}). Get the bundle "
                "again."
            )
            raise ValueError(msg) from error


def plain_fields(tokenizer: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as plain values, ready for JSON; others are left out."""
    raw = {item.name: getattr(tokenizer, item.name) for item in fields(tokenizer)}
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in raw.items()
        if value is None or isinstance(value, (np.ndarray, int, float, str))
    }


def _array(value: list[Any]) -> Any:
    array = np.asarray(value)
    if array.ndim != 1:
        msg = f"a list has entries of shape {array.shape[1:]}"
        raise ValueError(msg)
    return array


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
