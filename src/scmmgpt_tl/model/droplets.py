"""What a droplet may hold."""

from __future__ import annotations

from typing import Final

CELL, DOUBLET, EMPTY = 0, 1, 2
KINDS: Final = ("cell", "doublet", "empty droplet")
# What is to be expected of a droplet before anything is seen of it, after the usual filters.
EXPECTED: Final = (0.9, 0.05, 0.05)
