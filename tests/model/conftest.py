"""What is tried on the files of every published model: harm in their place, and other weights."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from scmmgpt_tl.model.load import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Harm:
    """Unpickled by someone careless, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The file that harm leaves behind."""
    return tmp_path / "trace"


@pytest.fixture
def harm(trace: Path) -> Harm:
    """Put it into a file."""
    return Harm(trace)


@pytest.fixture
def harmless(trace: Path) -> Callable[..., None]:
    """Load a model that must be refused, of which some file holds `harm`."""

    def check(folder: Path, match: str | None = None) -> None:
        with pytest.raises((ValueError, FileNotFoundError), match=match):
            load_model(folder, device="cpu")
        assert not trace.exists()
        # The trap works: this is what must not happen.
        pickle.loads(pickle.dumps(Harm(trace)))
        assert trace.exists()
        trace.unlink()

    return check


@pytest.fixture(params=["torch", "pickle"])
def write_pickle(request: pytest.FixtureRequest) -> Callable[[object, Path], None]:
    """Write what is not to be unpickled, once by torch and once by pickle itself."""

    def write(content: object, path: Path) -> None:
        if request.param == "torch":
            torch.save(content, path)
        else:
            path.write_bytes(pickle.dumps(content))

    return write


@pytest.fixture
def tamper() -> Callable[[dict[str, Any], Mapping[str, Any]], None]:
    """Change weights: `None` takes one out, `"shorter"` cuts its last row off, a tensor replaces it."""

    def change(state: dict[str, Any], changes: Mapping[str, Any]) -> None:
        for name, new in changes.items():
            if new is None:
                del state[name]
            else:
                state[name] = state[name][:-1].clone() if isinstance(new, str) else new

    return change
