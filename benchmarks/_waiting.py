"""Ways to do one thing, each loaded and waiting in a process of its own, which take turns."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path


class Waiting:
    """A way to do it: told `go` it answers with its time, told `end` with what else there is.

    Parameters
    ----------
    stack
        Ends the process.
    script
        What the process runs; it answers lines of JSON, the first when it is ready.
    arguments
        Of the script.
    """

    def __init__(self, stack: ExitStack, script: Path, *arguments: str) -> None:
        command = [sys.executable, str(script), *arguments]
        pipe = subprocess.PIPE
        self.process = stack.enter_context(
            subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        )
        # Unlike waiting for it, this ends a worker whose sister has failed.
        stack.callback(self.process.terminate)
        self._read()

    def ask(self, word: str) -> dict[str, Any]:
        """Send a word and wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            msg = f"{' '.join(self.process.args)} failed."  # type: ignore[arg-type]
            raise RuntimeError(msg)
        return json.loads(line)


def answer(**values: object) -> None:
    """Answer from within the process."""
    print(json.dumps(values), flush=True)
