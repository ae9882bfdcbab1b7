"""What of the encoder becomes the cell encoder of a model of ours."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:scFoundation. these weights:UserWarning")


def test_built_again(make_folder, reads_alike):
    reads_alike(make_folder())


def test_the_other_part_will_do(make_folder, reads_alike):
    reads_alike(make_folder(lambda content: content.pop("cell")))
