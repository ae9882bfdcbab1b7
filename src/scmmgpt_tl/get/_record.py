"""Finding what a tool left in `uns`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from anndata import AnnData

__all__ = ["check_present", "read_record"]


def read_record(adata: AnnData, key: str, *, needs: str, tool: str) -> Mapping[str, Any]:
    """Read what a tool wrote to `uns`.

    Parameters
    ----------
    adata
        Where it ran.
    key
        Its `key_added`.
    needs
        What its record must hold.
    tool
        Name of the tool, such as `"annotate"`.

    Returns
    -------
    The record.

    Raises
    ------
    ValueError
        The tool has not run under this key.
    """
    record = adata.uns.get(key)
    if not hasattr(record, "keys") or needs not in record:
        call = f"scmm.tl.{tool}(adata, ..., key_added={key!r})"
        msg = f"Did not find adata.uns[{key!r}][{needs!r}]. Run `scmm.tl.{tool}` first: `{call}`."
        raise ValueError(msg)
    return record


def check_present(found: Container[str], wanted: Sequence[str], *, slot: str, tool: str) -> None:
    """Refuse results of which a part is gone.

    Parameters
    ----------
    found
        Keys that there are.
    wanted
        Keys that the tool writes.
    slot
        Where they are looked for, such as `"obs"`.
    tool
        Name of the tool.

    Raises
    ------
    ValueError
        One of them is not there.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        msg = f"Did not find adata.{slot}[{missing[0]!r}]. Run `scmm.tl.{tool}` first."
        raise ValueError(msg)
