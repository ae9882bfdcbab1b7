"""Files that were tampered with."""

from __future__ import annotations


def test_tampered_files_are_read_or_refused(make_folder, withstands):
    withstands(make_folder())
