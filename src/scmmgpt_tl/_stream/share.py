"""Which part of a run a process does."""

from __future__ import annotations

import re
from typing import NamedTuple


class Share(NamedTuple):
    """Which part of the shards a process works on, such as the second of four."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `2/4`.

        Raises
        ------
        ValueError
            If it is not of this form, or the number is not among them.

        Examples
        --------
        >>> Share.parse("2/4")
        Share(number=2, of=4)
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        share = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= share.number <= share.of:
            msg = f"A share must be like '2/4', from 1/n to n/n, not {text!r}."
            raise ValueError(msg)
        return share

    @property
    def is_whole(self) -> bool:
        """Whether nobody else works on the run."""
        return self.of == 1

    def of_shards(self, shards: list[range]) -> list[range]:
        """Choose its shards: neighbours, as disks read them best."""
        n = len(shards)
        return shards[n * (self.number - 1) // self.of : n * self.number // self.of]
