"""Draw `_static/quickstart.png`, the picture of the README, by running the README's own lines."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
PICTURE = HERE / "_static" / "quickstart.png"


def main() -> None:
    """Run the first block of Python on the first page and keep what it draws."""
    text = (HERE.parent / "README.md").read_text(encoding="utf-8")
    code = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    with plt.ioff():
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
        PICTURE.parent.mkdir(exist_ok=True)
        plt.savefig(PICTURE, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
