"""Finding what a tool left in `uns`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

__all__ = ["read_record"]


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
