"""The network in another program."""

from __future__ import annotations

import pytest

from scmmgpt_tl.model.load import load_model


@pytest.mark.parametrize("stage", [1, 2])
def test_exported_network_embeds_alike(make_folder, exported_alike, stage):
    exported_alike(load_model(make_folder(stage), device="cpu"))
