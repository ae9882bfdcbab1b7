"""Lets `python -m scmmgpt_tl.cli` do what `scmm` does."""

from __future__ import annotations

import sys

from ._main import main

if __name__ == "__main__":
    sys.exit(main())
