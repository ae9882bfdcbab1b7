"""Bundles from the Hugging Face hub: pinned, cached, and silent when offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ._files import SUFFIXES

if TYPE_CHECKING:
    from os import PathLike

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")


def is_hub_id(name: str) -> bool:
    """Tell whether ``name`` has the form ``owner/name``.

    Examples
    --------
    >>> is_hub_id("scmmgpt/human"), is_hub_id("./human"), is_hub_id("human")
    (True, False, False)
    """
    return _HUB_ID.fullmatch(name) is not None


def fetch(
    name: str,
    *,
    revision: str | None = None,
    cache_dir: str | PathLike[str] | None = None,
    offline: bool = False,
) -> tuple[Path, Path]:
    """Return the folder of a hub model, downloaded at most once.

    Parameters
    ----------
    name
        Hub id, ``owner/name``.
    revision
        Branch, tag or commit; the newest by default.
    cache_dir
        Where downloads are kept; by default where the hub's own library keeps them.
    offline
        Take what is in the cache, and touch no network.

    Returns
    -------
    folder
        The bundle.
    link_root
        The folder of the cache that its files are links into.

    Raises
    ------
    FileNotFoundError
        If the model is not in the cache, and cannot be had from the hub.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        # The hub's library moves each file into its cache when it is whole.
        found = snapshot_download(
            name,
            revision=revision,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            local_files_only=offline,
            allow_patterns=[f"*{suffix}" for suffix in sorted(SUFFIXES)],
        )
    except (OSError, HFValidationError) as error:
        raise FileNotFoundError(_explain(name, revision, offline=offline)) from error
    folder = Path(found)
    return folder, folder.parent.parent


def _explain(name: str, revision: str | None, *, offline: bool) -> str:
    pinned = "" if revision is None else f" at revision {revision!r}"
    reason = "is not in the cache, and `offline` is set" if offline else "could not be downloaded"
    return (
        f"Model {name!r}{pinned} {reason}. On a machine with internet, download all files from "
        f"https://huggingface.co/{name} (config.json and the *.safetensors, *.json, *.tsv and "
        "*.md beside it), copy them into one folder, and load that: "
        "`scmm.load_model('/path/to/folder')`. The model 'default' needs no download."
    )
