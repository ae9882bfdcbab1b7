"""What of the encoder becomes the cell encoder of a model of ours."""

from __future__ import annotations


def test_built_again(make_folder, reads_alike):
    reads_alike(make_folder())
