"""The network in another program."""

from __future__ import annotations

import pytest

from scmmgpt_tl.model.load import load_model

pytestmark = pytest.mark.filterwarnings("ignore:scFoundation. these weights:UserWarning")


def test_exported_network_embeds_alike(make_folder, exported_alike):
    exported_alike(load_model(make_folder(), device="cpu"))
