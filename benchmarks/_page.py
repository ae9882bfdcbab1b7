"""The page that benchmarks write their results into, each between markers of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_section(page: Path, name: str, parts: Sequence[str]) -> None:
    """Replace what stands between the markers of one benchmark.

    Parameters
    ----------
    page
        Markdown file with the markers.
    name
        Of the benchmark.
    parts
        Paragraphs, tables and pictures.

    Raises
    ------
    ValueError
        The page lacks the markers.
    """
    start, end = markers(name)
    text = page.read_text(encoding="utf-8")
    if start not in text or end not in text:
        msg = f"{page} lacks the lines {start!r} and {end!r}."
        raise ValueError(msg)
    before, rest = text.split(start, 1)
    after = rest.split(end, 1)[1]
    body = "\n\n".join(parts)
    page.write_text(f"{before}{start}\n\n{body}\n\n{end}{after}", encoding="utf-8")


def markers(name: str) -> tuple[str, str]:
    """Lines between which a benchmark's results stand."""
    return f"<!-- {name}: start -->", f"<!-- {name}: end -->"


def bullets(facts: Sequence[str]) -> str:
    """Write one line a fact."""
    return "\n".join(f"* {fact}" for fact in facts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(caption: str, path: Path) -> str:
    """Show a picture that lies in the page's folder."""
    return f"![{caption}]({path.as_posix()})"


def share(value: float) -> str:
    """Write a share with three decimals, nothing where there is none."""
    return "" if value != value else f"{value:.3f}"  # noqa: PLR0124 - a NaN differs from itself
