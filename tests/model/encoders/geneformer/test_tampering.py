"""Files that were tampered with."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("version", [1, 2])
def test_tampered_files_are_read_or_refused(make_folder, withstands, version):
    withstands(make_folder(version))
