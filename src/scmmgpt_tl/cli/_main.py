"""Run a command; whatever goes wrong becomes one message and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from scmmgpt_tl._settings import settings

from ._parser import build_parser
from ._say import complain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

FAILED, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments after the program's name; by default those of the process.

    Returns
    -------
    0 if all went well, 1 if `scmm info` finds that a file does not fit the model, 2 after an error
    (told in one message on stderr; `--debug` shows the traceback), 130 if interrupted.

    Raises
    ------
    SystemExit
        From :mod:`argparse`, for `--help`, `--version` and arguments it does not know.

    Examples
    --------
    >>> from scmmgpt_tl.cli import main
    >>> main(["annotate", "nowhere.h5ad", "-o", "out.h5ad"])
    2
    """
    args = build_parser().parse_args(argv)
    try:
        with _surroundings(args):
            return int(args.command(args))
    except KeyboardInterrupt:
        complain("interrupted; no file was changed")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.debug:
            raise
        complain(f"error: {_message(error)}")
        return FAILED


@contextmanager
def _surroundings(args: argparse.Namespace) -> Iterator[None]:
    """Set device, progress bars and the manner of warnings for one command."""
    import scanpy as sc

    verbosity = sc.settings.verbosity
    device = {"device": args.device} if args.device is not None else {}
    progress = sys.stderr.isatty() and not args.quiet
    try:
        sc.settings.verbosity = "hint" if args.verbose else "warning"
        with settings.override(progress=progress, **device), warnings.catch_warnings():
            warnings.showwarning = _show_all if args.debug else _show_own
            yield
    finally:
        sc.settings.verbosity = verbosity


def _show_own(  # noqa: PLR0917 - the signature of `warnings.showwarning`
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning in one line; what libraries announce for their next version is not for users."""
    if not issubclass(category, FutureWarning | DeprecationWarning | PendingDeprecationWarning):
        complain(f"warning: {message}")


def _show_all(  # noqa: PLR0917 - the signature of `warnings.showwarning`
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    complain(warnings.formatwarning(message, category, filename, lineno, line).rstrip())


def _message(error: Exception) -> str:
    # `str(KeyError("x"))` puts quotes around the message.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    notes = getattr(error, "__notes__", [])
    return " ".join([text or type(error).__name__, *notes])
