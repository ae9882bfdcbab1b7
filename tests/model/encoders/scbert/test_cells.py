"""What of the encoder becomes the cell encoder of a model of ours."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("tuned", [False, True], ids=["pretrained", "fine-tuned"])
def test_built_again(make_folder, reads_alike, tuned):
    reads_alike(make_folder(tuned=tuned))
