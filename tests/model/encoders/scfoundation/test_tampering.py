"""Files that were tampered with."""

from __future__ import annotations

import pytest


@pytest.mark.filterwarnings("ignore:scFoundation. these weights:UserWarning")
def test_tampered_files_are_read_or_refused(make_folder, withstands):
    withstands(make_folder())
