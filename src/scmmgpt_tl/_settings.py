"""What holds for every call unless the call says otherwise."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:\d+)?")
_DTYPES = ("float32", "bfloat16", "float16")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


def _device(value: object) -> str | None:
    if value is not None and not _DEVICE.fullmatch(str(value)):
        msg = f"`device` must be None or like 'cpu', 'cuda', 'cuda:1', 'mps', not {value!r}."
        raise ValueError(msg)
    return None if value is None else str(value)


def _dtype(value: object) -> str | None:
    if value is not None and value not in _DTYPES:
        msg = f"`dtype` must be None or one of {_DTYPES}, not {value!r}."
        raise ValueError(msg)
    return None if value is None else str(value)


def _batch_size(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or int(value) != float(value) or int(value) < 1:
        msg = f"`batch_size` must be None or a positive whole number, not {value!r}."
        raise ValueError(msg)
    return int(value)


def _flag(value: object) -> bool:
    match str(value).strip().lower():
        case text if text in _TRUE:
            return True
        case text if text in _FALSE:
            return False
    msg = f"A switch must be True or False (or 1, 0, yes, no), not {value!r}."
    raise ValueError(msg)


def _progress(value: object) -> bool | None:
    return None if value is None else _flag(value)


def _path(value: Any) -> Path:
    return Path(value).expanduser()


def _nan(value: object) -> str:
    if value not in {"error", "zero"}:
        msg = f"`nan` must be 'error' or 'zero', not {value!r}."
        raise ValueError(msg)
    return str(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "device": _device,
    "dtype": _dtype,
    "batch_size": _batch_size,
    "cache_dir": _path,
    "offline": _flag,
    "progress": _progress,
    "nan": _nan,
}


class Settings:
    """Defaults of the package, each also settable by an environment variable `SCMM_<NAME>`.

    Messages follow :attr:`scanpy.settings.verbosity`.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> with scmm.settings.override(device="cpu", batch_size=64):
    ...     scmm.settings.batch_size
    64
    """

    device: str | None
    """Where models run, such as `"cpu"` or `"cuda:1"`; `None` takes the best there is."""
    dtype: str | None
    """Number format of the computation; `None` takes what suits the device."""
    batch_size: int | None
    """Cells per pass; `None` lets the package choose, and it is halved where memory runs out."""
    cache_dir: Path
    """Where downloaded models are kept."""
    offline: bool
    """Never use the network (also set by `HF_HUB_OFFLINE`)."""
    progress: bool | None
    """Progress bars; `None` shows them on a terminal where scanpy's verbosity is at least 2."""

    nan: str
    """What a missing count is: an `"error"`, or a `"zero"`, as where data sets with other genes were
    joined. Results say which in their `params`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        caches = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.device = environ.get("SCMM_DEVICE") or None
        self.dtype = environ.get("SCMM_DTYPE") or None
        self.batch_size = environ.get("SCMM_BATCH_SIZE") or None  # type: ignore[assignment]
        self.cache_dir = environ.get("SCMM_CACHE_DIR") or Path(caches) / "scmmgpt_tl"  # type: ignore[assignment]
        self.offline = environ.get("SCMM_OFFLINE") or environ.get("HF_HUB_OFFLINE", "")  # type: ignore[assignment]
        self.progress = environ.get("SCMM_PROGRESS") or None  # type: ignore[assignment]
        self.nan = environ.get("SCMM_NAN") or "error"

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _CHECKS:
            msg = f"There is no setting {name!r}. The settings are {', '.join(_CHECKS)}."
            raise AttributeError(msg)
        object.__setattr__(self, name, _CHECKS[name](value))

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={getattr(self, name)!r}' for name in _CHECKS)})"

    @contextmanager
    def override(self, **values: object) -> Iterator[Settings]:
        """Change settings inside a `with` block.

        Parameters
        ----------
        values
            Settings by name.

        Yields
        ------
        The settings, as they hold inside the block.
        """
        before = {name: getattr(self, name) for name in _CHECKS}
        try:
            for name, value in values.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in before.items():
                object.__setattr__(self, name, value)

    @property
    def show_progress(self) -> bool:
        """Whether a bar should be drawn now."""
        if self.progress is not None:
            return self.progress
        import scanpy as sc

        return int(sc.settings.verbosity) >= 2 and sys.stderr.isatty()


settings = Settings()
