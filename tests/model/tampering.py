"""Files of a model tampered with at random: what reads them may refuse, and nothing else.

`SCMM_FUZZ_EXAMPLES` says how many tampered folders each test tries; without it there are few, the
same ones every time.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import warnings
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from scmmgpt_tl.model.bundle import _digest
from scmmgpt_tl.model.load import _load, load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXAMPLES = int(os.environ.get("SCMM_FUZZ_EXAMPLES", "20"))
DOCUMENTED = (ValueError, OSError)
SECONDS, GIBIBYTES = 30, 4

# What a plain value of a JSON file may become.
STRANGE_VALUES = ("-1", "0", "1e999", "2.5", "null", "true", "[]", "{}", '"x"', "[[1]]", "9" * 30)
STRANGE_VALUES += ("1000000000", "NaN", '"' + "A" * 5000 + '"', "[" * 3000)
STRANGE_BYTES = (
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\x04",
    b"PK\x03\x04",
    b"cos\nsystem\n",
)
_VALUE = re.compile(rb'(?<=[:\[,])\s*(?:"[^"]*"|-?[\d.eE+-]+|true|false|null)')
# They tell of code that runs, or of a program or connection that is opened.
_HARM = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect")

tampered = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= 20,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class Edit(NamedTuple):
    """A change of some bytes; places count from the start, or from the end if negative."""

    what: str
    place: int
    length: int
    new: bytes

    def apply(self, content: bytes) -> bytes:
        """Return the changed content."""
        if self.what == "value":
            values = list(_VALUE.finditer(content))
            if not values:
                return content
            start, stop = values[self.place % len(values)].span()
            return content[:start] + self.new + content[stop:]
        start = self.place % (len(content) + 1)
        match self.what:
            case "cut":
                return content[:start] + content[start + self.length :]
            case "end":
                return content[:start]
            case "insert":
                return content[:start] + self.new + content[start:]
            case _:
                return content[:start] + self.new + content[start + len(self.new) :]


def edits() -> st.SearchStrategy[list[Edit]]:
    """Return one to three changes, most of them near the start or end, where headers stand."""
    near = st.integers(-600, 600) | st.integers(0, 2**22)
    some = st.binary(min_size=1, max_size=6) | st.sampled_from(STRANGE_BYTES)
    of_bytes = st.builds(
        Edit, st.sampled_from(("cut", "end", "insert", "set")), near, st.integers(1, 64), some
    )
    values = st.sampled_from([value.encode() for value in STRANGE_VALUES])
    of_values = st.builds(Edit, st.just("value"), st.integers(0, 5000), st.just(0), values)
    return st.lists(of_values, min_size=1, max_size=2) | st.lists(of_bytes, min_size=1, max_size=3)


def withstood(read: Callable[[], object]) -> str:
    """Read what was tampered with, and return the name of the error, `""` if there is none.

    Any error but the documented ones, code that runs, memory or time without bound are failures.
    """
    with _watched() as harm, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
            found = ""
        except DOCUMENTED as error:
            found = type(error).__name__
    assert not harm, f"{harm} happened while files were read"
    return found


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    """Let a file have another content for a while."""
    kept = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(kept)


def seal(config: Path, path: Path) -> bytes | None:
    """Return a `config.json` that vouches for a file as it is, `None` if it is not one of a bundle.

    Parameters
    ----------
    config
        The `config.json`.
    path
        The file, which may be `config` itself.
    """
    try:
        content = json.loads(config.read_bytes())
        if path != config:
            data = path.read_bytes()
            content["files"][path.name] = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
        return json.dumps(content | {"sha256": _digest(content)}).encode()
    except (AttributeError, KeyError, OSError, TypeError, ValueError, RecursionError):
        return None


def load(folder: Path) -> None:
    """Read a model as if for the first time."""
    _load.cache_clear()
    load_model(folder, device="cpu")


_events: list[str] | None = None


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    del arguments
    if _events is not None and event in _HARM:
        _events.append(event)


sys.addaudithook(_listen)


@contextmanager
def _watched() -> Iterator[list[str]]:
    global _events  # noqa: PLW0603 - a hook of the interpreter can be added, and never removed
    kept = resource.getrlimit(resource.RLIMIT_DATA)
    _events = []
    before = signal.signal(signal.SIGALRM, _hung)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_DATA, (_used() + GIBIBYTES * 2**30, kept[1]))
    try:
        yield _events
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, kept)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        _events = None


def _used() -> int:
    """Bytes of data that the process has by now."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        line = next(line for line in file if line.startswith("VmData"))
    return int(line.split()[1]) * 1024


def _hung(*_: object) -> None:
    msg = f"Reading took more than {SECONDS} seconds."
    raise AssertionError(msg)
