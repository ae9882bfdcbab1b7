"""Are these counts? Measured on a sample, with an answer that says what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, assert_never

import numpy as np

from scmmgpt_tl._docs import doc_params
from scmmgpt_tl._matrix import get_matrix, layer_names, refuse_path, take_rows
from scmmgpt_tl._warnings import warn

from ._readable import first_unreadable
from ._values import LARGEST_LOG, Kind, Values, measure

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

Counts = Literal["auto", "raw", "lognorm"]

_COUNTS_LAYER = "counts"
_SAMPLE = 512


@dataclass(frozen=True)
class CountReport:
    """What :func:`scmmgpt_tl.pp.check_counts` found.

    Parameters
    ----------
    slot
        Where the values are: `X` or `layers['...']`.
    layer
        Name of the layer, `None` for `X`.
    kind
        `"counts"` for whole numbers, `"fractional"` for other linear values (corrected counts,
        TPM, values per ten thousand), `"lognorm"` for `log(x + 1)`, to be undone.
    max
        Largest value in the sample.
    fraction_non_integer
        Share of the sample's non-zero values that are no whole numbers.
    negatives, nans
        Negative and missing (or infinite) values in the sample; anything but 0 was refused.
    log_base
        Base of the logarithm where `kind` is `"lognorm"`, else `None`.
    n_sampled
        Cells in the sample, spread evenly over the file.
    message
        The finding in one sentence.
    """

    slot: str
    layer: str | None
    kind: Kind
    max: float
    fraction_non_integer: float
    negatives: int
    nans: int
    log_base: float | None
    n_sampled: int
    message: str

    def __str__(self) -> str:
        return self.message


@doc_params()
def check_counts(
    adata: AnnData, *, layer: str | None = None, counts: Counts = "auto"
) -> CountReport:
    """Find the counts and tell what they are.

    The values are looked for in `layer`, else in `layers["counts"]`, else in `X`
    (with `counts="lognorm"` in `layer`, else in `X`), and nowhere else: `.raw` is never used unasked.
    The verdict comes from up to 512 cells spread evenly over the object.

    Parameters
    ----------
    {adata}
    {layer}
    {counts}

    Returns
    -------
    A report; nothing is written.

    Raises
    ------
    TypeError
        It is a path: open the file first.
    ValueError
        If the values are logarithmised (without `counts="lognorm"`), scaled, negative, missing or
        infinite. The message says what was measured, and which slot looks right.

    Warns
    -----
    UserWarning
        If the values are linear but no whole numbers.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()
    >>> print(scmm.pp.check_counts(adata))
    X holds counts: whole numbers up to 1448.
    """
    if counts not in {"auto", "raw", "lognorm"}:
        msg = f"`counts` must be 'auto', 'raw' or 'lognorm', not {counts!r}."
        raise ValueError(msg)
    refuse_path(adata)
    layer = _choose_layer(adata, layer=layer, counts=counts)
    rows, block = _sample(get_matrix(adata, layer))
    values, slot = measure(block), _slot(layer)
    if not values.readable:
        first = first_unreadable(block, rows, adata=adata)
        msg = f"{slot} {_what_is_wrong(values, first)}{_cure(adata, layer)}"
        raise ValueError(msg)
    kind, base = _judge(adata, layer, values, counts=counts)
    message = f"{slot} holds {_words(kind, values, base)}."
    if kind == "fractional" and counts == "auto":
        warn(f"{message} They are taken as linear, as corrected or normalised counts are.")
    return CountReport(
        slot=slot,
        layer=layer,
        kind=kind,
        max=values.max,
        fraction_non_integer=values.fraction_non_integer,
        negatives=values.negatives,
        nans=values.nans + values.infs,
        log_base=base,
        n_sampled=rows.size,
        message=message,
    )


def _choose_layer(adata: AnnData, *, layer: str | None, counts: Counts) -> str | None:
    if layer is None:
        return _COUNTS_LAYER if _COUNTS_LAYER in adata.layers and counts != "lognorm" else None
    if layer in adata.layers:
        return layer
    if layer == "X":
        return None
    msg = f"There is no layer {layer!r}. Pass `layer=` as 'X' or one of {layer_names(adata)}."
    raise ValueError(msg)


def _sample(matrix: Any) -> tuple[NDArray[np.intp], csr_matrix]:
    n_obs = matrix.shape[0]
    rows = np.unique(np.linspace(0, n_obs - 1, min(n_obs, _SAMPLE)).astype(np.intp))
    return rows, take_rows(matrix, rows)


def _judge(
    adata: AnnData, layer: str | None, values: Values, *, counts: Counts
) -> tuple[Kind, float | None]:
    """Kind of the values and base of their logarithm, or an error."""
    kind = values.kind(logged=layer is None and "log1p" in adata.uns)
    match counts:
        case "raw":
            return ("counts" if values.fraction_non_integer == 0 else "fractional"), None
        case "auto" if kind != "lognorm":
            return kind, None
        case "auto":
            msg = (
                f"{_slot(layer)} looks log-normalised: {_measured(values)}. Raw counts are needed."
                f"{_cure(adata, layer, logged=True)}"
            )
            raise ValueError(msg)
        case "lognorm" if values.max > LARGEST_LOG or (values.max and kind == "counts"):
            msg = (
                f"{_slot(layer)} cannot be log-normalised: {_measured(values)}. "
                'Leave out `counts="lognorm"`, or pass `layer=` to name the layer that is.'
            )
            raise ValueError(msg)
        case "lognorm":
            return "lognorm", _stated_base(adata, layer) or values.log_base or math.e
    assert_never(counts)


def _stated_base(adata: AnnData, layer: str | None) -> float | None:
    """Base that `scanpy.pp.log1p` noted; it notes `None`, or nothing after a file, for natural."""
    if layer is not None or "log1p" not in adata.uns:
        return None
    base = dict(adata.uns["log1p"]).get("base")
    return None if base is None else float(base)


def _slot(layer: str | None) -> str:
    return "X" if layer is None else f"layers[{layer!r}]"


def _measured(values: Values) -> str:
    text = f"{values.fraction_non_integer:.0%} of the non-zero values are no whole numbers"
    text += f" and the largest is {values.max:.4g}"
    if values.log_base is not None:
        text += f"; undoing log{_base_name(values.log_base)}(x + 1) gives counts or equal row sums"
    return text


def _base_name(base: float) -> str:
    return "" if base == math.e else f"{base:g}"


def _words(kind: Kind, values: Values, base: float | None) -> str:
    match kind:
        case "counts":
            return f"counts: whole numbers up to {values.max:.7g}"
        case "fractional":
            share = f"{values.fraction_non_integer:.0%} of the non-zero values are no whole numbers"
            return f"linear values up to {values.max:.7g}, but {share}"
        case "lognorm":
            return f"log{_base_name(base or math.e)}(x + 1) values up to {values.max:.4g}"
    assert_never(kind)


def _what_is_wrong(values: Values, first: str) -> str:
    found = {"negative": values.negatives, "NaN": values.nans, "infinite": values.infs}
    listed = " and ".join(f"{number} {name}" for name, number in found.items() if number)
    scaled = " It looks scaled or centred." if values.negatives else ""
    return f"holds {listed} values among the cells looked at; {first}. Counts are needed.{scaled}"


def _cure(adata: AnnData, layer: str | None, *, logged: bool = False) -> str:
    """Name every slot that does look right."""
    advice = []
    for name in (None, *layer_names(adata)):
        if name != layer and (name is not None or adata.X is not None):
            kind = _kind(get_matrix(adata, name))
            if kind in {"counts", "fractional"}:
                advice.append(f"`layer={name or 'X'!r}` holds what looks like {kind} values")
    if adata.raw is not None and (kind := _kind(adata.raw.X)) is not None:
        how = ' with `counts="lognorm"`' if kind == "lognorm" else ""
        text = f"`.raw` holds what looks like {kind} values: pass `adata.raw.to_adata()`{how}"
        advice.append(text)
    if logged:
        advice.append('pass `counts="lognorm"` to have log(x + 1) undone')
    if not advice:
        return " Load the raw counts, and pass `layer=` to name where they are."
    return f" What can be done: {'; '.join(advice)}."


def _kind(matrix: Any) -> Kind | None:
    """Kind of the values of another slot; `None` where they are of no use."""
    values = measure(_sample(matrix)[1])
    return values.kind(logged=False) if values.readable and values.max > 0 else None
