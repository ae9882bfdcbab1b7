"""Smaller weights: int8 rows and bfloat16, and back to float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

SCALE = "::scale"
"""Ends the key of the row scales that belong to an int8 tensor."""


def quantize(
    state: Mapping[str, torch.Tensor], *, min_size: int = 65_536
) -> dict[str, torch.Tensor]:
    r"""Return a state dict that takes about a quarter of the space.

    A matrix of at least ``min_size`` numbers becomes int8, row by row, with
    :math:`s_i = \max_j |w_{ij}| / 127` and :math:`q_{ij} = \mathrm{round}(w_{ij} / s_i)`; the
    scales stand beside it as ``"<key>::scale"`` (float32, one a row). Other floating tensors of
    two and more dimensions become bfloat16, vectors and numbers float32. Integers stay.

    Raises
    ------
    ValueError
        If a tensor holds NaN or infinite values, or a key already ends in ``"::scale"``.

    Examples
    --------
    >>> weight = torch.tensor([[1.0, -0.5], [0.2, 0.1]])
    >>> small = quantize({"weight": weight}, min_size=4)
    >>> sorted(small), small["weight"].dtype
    (['weight', 'weight::scale'], torch.int8)
    >>> bool((dequantize(small)["weight"] - weight).abs().max() < 0.004)
    True
    """
    small: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        _check(key, tensor)
        if not tensor.is_floating_point():
            small[key] = tensor
        elif tensor.ndim == 2 and tensor.numel() >= min_size:
            small[key], small[key + SCALE] = _to_int8(tensor)
        else:
            small[key] = tensor.to(torch.bfloat16 if tensor.ndim > 1 else torch.float32)
    return small


def dequantize(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return float32 tensors under the original keys; integers without scales stay.

    Raises
    ------
    ValueError
        If scales lack their int8 tensor, or there are not as many scales as rows.
    """
    return {
        key: _restore(key, tensor, state.get(key + SCALE))
        for key, tensor in state.items()
        if not _is_scale(key, state)
    }


def relative_errors(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> dict[str, float]:
    r"""Return :math:`\lVert a - b \rVert / \lVert b \rVert` of each floating tensor."""
    return {
        key: _relative(tensor.double(), after[key].double())
        for key, tensor in before.items()
        if tensor.is_floating_point()
    }


def _check(key: str, tensor: torch.Tensor) -> None:
    if key.endswith(SCALE):
        msg = f"Tensor {key!r} ends in {SCALE!r}: the state has been quantised already."
        raise ValueError(msg)
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        msg = f"Tensor {key!r} holds NaN or infinite values and cannot be quantised."
        raise ValueError(msg)


def _to_int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    weight = weight.detach().float()
    scale = weight.abs().amax(dim=1) / 127
    # A row of zeros has scale 0: divided by 1 it stays zero.
    steps = weight / torch.where(scale > 0, scale, 1.0)[:, None]
    return steps.round().clamp(-127, 127).to(torch.int8), scale


def _is_scale(key: str, state: Mapping[str, torch.Tensor]) -> bool:
    if not key.endswith(SCALE):
        return False
    owner = state.get(key.removesuffix(SCALE))
    if owner is None or owner.dtype != torch.int8:
        msg = f"Tensor {key!r} holds scales, but its int8 tensor is missing."
        raise ValueError(msg)
    return True


def _restore(key: str, tensor: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    if scale is None:
        return tensor.float() if tensor.is_floating_point() else tensor
    if tensor.ndim != 2 or scale.shape != tensor.shape[:1]:
        msg = (
            f"Tensor {key!r} of shape {tuple(tensor.shape)} needs one scale a row; "
            f"found scales of shape {tuple(scale.shape)}."
        )
        raise ValueError(msg)
    return tensor.float() * scale.float()[:, None]


def _relative(before: torch.Tensor, after: torch.Tensor) -> float:
    size = before.norm()
    return float((after - before).norm() / size) if size > 0 else float(after.norm())
