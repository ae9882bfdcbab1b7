"""State dicts: strict about names and shapes, at ease with tensors that share a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import torch


def load_strict(
    module: torch.nn.Module,
    tensors: Mapping[str, torch.Tensor],
    *,
    source: str = "The state dict",
) -> None:
    """Copy ``tensors`` into ``module``; each must be there, known, and of the right shape.

    Parameters
    ----------
    module
        Network to fill. Of tensors that it shares between several names one is enough.
    tensors
        State dict.
    source
        Where the tensors come from, for the message.

    Raises
    ------
    ValueError
        If names or shapes differ; the network is then as it was.
    """
    wanted, shared = module.state_dict(), _shared_names(module)
    missing = [key for key in wanted if tensors.keys().isdisjoint(shared.get(key, {key}))]
    unexpected = [key for key in tensors if key not in wanted]
    differing = [
        f"{key} {_describe(tensors[key])} instead of {_describe(wanted[key])}"
        for key in wanted.keys() & tensors.keys()
        if _describe(tensors[key]) != _describe(wanted[key])
    ]
    named = {"missing": missing, "unexpected": unexpected, "different": sorted(differing)}
    faults = [f"{fault}: {_some(keys)}" for fault, keys in named.items() if keys]
    if faults:
        msg = f"{source} does not fit {type(module).__name__}; {'; '.join(faults)}."
        raise ValueError(msg)
    module.load_state_dict(dict(tensors), strict=False)


def distinct_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict with one name for each shared tensor, as :func:`load_strict` takes it.

    Examples
    --------
    >>> import torch
    >>> tied = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)})
    >>> tied["b"].weight = tied["a"].weight
    >>> sorted(distinct_state(tied))
    ['a.bias', 'a.weight', 'b.bias']
    """
    shared = _shared_names(module)
    state = module.state_dict()
    first = {min(names) for names in shared.values()}
    return {key: state[key] for key in state if key not in shared or key in first}


def _shared_names(module: torch.nn.Module) -> dict[str, set[str]]:
    by_identity: dict[int, set[str]] = {}
    for key, parameter in module.named_parameters(remove_duplicate=False):
        by_identity.setdefault(id(parameter), set()).add(key)
    return {key: names for names in by_identity.values() if len(names) > 1 for key in names}


def _describe(tensor: torch.Tensor) -> str:
    # Precision may differ between file and network; floating or not may not.
    kind = "" if tensor.is_floating_point() else f" {tensor.dtype}".replace("torch.", "")
    return f"{tuple(tensor.shape)}{kind}"


def _some(keys: Collection[str], shown: int = 5) -> str:
    more = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(list(keys)[:shown]) + more
