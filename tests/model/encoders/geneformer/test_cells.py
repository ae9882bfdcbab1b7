"""What of the encoder becomes the cell encoder of a model of ours."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("version", [1, 2])
def test_built_again(make_folder, reads_alike, version):
    reads_alike(make_folder(version))
