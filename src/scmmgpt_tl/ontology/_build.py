"""Build the Cell Ontology table that ships with the package.

Run once per ontology release, with `zstandard` installed::

    python -m scmmgpt_tl.ontology._build cellxgene_ontology_guide-1.11.1-py3-none-any.whl
    python -m scmmgpt_tl.ontology._build installed

The Cell Ontology is published under CC BY 4.0 (http://obofoundry.org/ontology/cl).
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCE = "cellxgene-ontology-guide"
ATTRIBUTION = "Cell Ontology (https://obophenotype.github.io/cell-ontology/)"
LICENCE = "CC-BY-4.0"
ROOT = "CL:0000000"
TABLE = Path(__file__).with_name("cell_ontology.json.gz")
_MEMBER = re.compile(r"data/CL-ontology-(v\d{4}-\d{2}-\d{2})\.json\.zst$")

RawTerm = dict[str, Any]


def read_source(source: str) -> tuple[str, dict[str, RawTerm]]:
    """Read the newest Cell Ontology of a wheel, or of the installed package.

    Parameters
    ----------
    source
        Path of a `cellxgene-ontology-guide` wheel, or `"installed"`.

    Returns
    -------
    The release (`"v2026-03-26"`) and the raw terms by id.
    """
    release, packed = _newest_installed() if source == "installed" else _newest_in_wheel(source)
    return release, json.loads(_decompress(packed))


def build_table(release: str, raw: Mapping[str, RawTerm]) -> dict[str, Any]:
    """Keep what the package uses: current cell terms and what replaced the old ones.

    Parameters
    ----------
    release
        Release string of the ontology.
    raw
        Raw terms by id, as `cellxgene-ontology-guide` stores them.

    Returns
    -------
    A JSON-ready table; each term is `[name, definition, synonyms, parents]`.
    """
    kept = {key: term for key, term in sorted(raw.items()) if _is_current_cell(key, term)}
    return {
        "release": release,
        "source": SOURCE,
        "attribution": ATTRIBUTION,
        "licence": LICENCE,
        "terms": {key: _shorten(term, kept) for key, term in kept.items()},
        "replaced_by": _replacements(raw, kept),
    }


def write_table(table: Mapping[str, Any], path: Path = TABLE) -> None:
    """Write the table as gzip, byte for byte the same on every run."""
    text = json.dumps(table, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def main(argv: Sequence[str] | None = None) -> int:
    """Build the table from the command line."""
    parser = argparse.ArgumentParser(prog="scmmgpt_tl.ontology._build", description=main.__doc__)
    parser.add_argument("source", help=f"a {SOURCE} wheel, or 'installed'")
    table = build_table(*read_source(parser.parse_args(argv).source))
    write_table(table)
    sys.stdout.write(f"{TABLE}: {len(table['terms'])} terms, release {table['release']}\n")
    return 0


def _newest_in_wheel(path: str) -> tuple[str, bytes]:
    with zipfile.ZipFile(path) as wheel:
        name, release = _newest(wheel.namelist())
        return release, wheel.read(name)


def _newest_installed() -> tuple[str, bytes]:
    try:
        members = {str(member): member for member in files(SOURCE) or ()}
    except PackageNotFoundError as error:
        error.add_note(f"Please install `{SOURCE}`, or name its wheel.")
        raise
    name, release = _newest(list(members))
    return release, members[name].read_binary()


def _newest(names: Sequence[str]) -> tuple[str, str]:
    found = [(hit[1], name) for name in names if (hit := _MEMBER.search(name))]
    if not found:
        msg = f"Found no `data/CL-ontology-v*.json.zst` in this copy of `{SOURCE}`."
        raise ValueError(msg)
    release, name = max(found)
    return name, release


def _decompress(packed: bytes) -> bytes:
    try:
        import zstandard
    except ImportError as error:
        error.add_note("Please install `zstandard`; only building the ontology table needs it.")
        raise
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


def _is_current_cell(key: str, term: RawTerm) -> bool:
    # CL also holds parts of cells (cytoplasm, nuclei), which have no parent among the cells.
    return not term["deprecated"] and (key == ROOT or 1 in term["ancestors"].values())


def _shorten(term: RawTerm, kept: Mapping[str, RawTerm]) -> list[Any]:
    parents = sorted(key for key, steps in term["ancestors"].items() if steps == 1 and key in kept)
    synonyms = sorted(set(term.get("synonyms", ())))
    return [term["label"], (term.get("description") or "").strip(), synonyms, parents]


def _replacements(raw: Mapping[str, RawTerm], kept: Mapping[str, RawTerm]) -> dict[str, str]:
    found = {key: _follow(key, raw, kept) for key in sorted(set(raw) - set(kept))}
    return {key: target for key, target in found.items() if target in kept}


def _follow(key: str, raw: Mapping[str, RawTerm], kept: Mapping[str, RawTerm]) -> str:
    """Go from a deprecated term to what replaced it, as often as that was replaced itself."""
    seen: set[str] = set()
    while key in raw and key not in kept and key not in seen:
        seen.add(key)
        key = raw[key].get("replaced_by") or ""
    return key


if __name__ == "__main__":
    raise SystemExit(main())
