"""How fast each part of cell encoder and bridge learns in stage 1."""

from __future__ import annotations

from scmmgpt_tl.model.adopted_encoder import PUBLISHED

RATES = {"genes": 6e-3, "panel": 3e-3, "pretrained": 1e-4, "new": 6e-4, "labels": 2e-3}


def rate_of(name: str) -> str:
    """Return which of the rates a parameter has, by its name within its part."""
    if name == "genes.weight":
        return "genes"
    if name.startswith("panel"):
        return "panel"
    # The feed-forwards of the queries start as copies of the text's, but have new work to do.
    new = "crossattention" in name or "_query." in name
    pretrained = name.startswith(("qformer.", "words.", f"{PUBLISHED}.")) and not new
    return "pretrained" if pretrained else "new"
