"""`run`: doit's own command, with paths as people write them and a clean end on every signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from doit.cmd_run import Run as DoitRun

from cvimake import announce
from cvimake.errors import EXIT_INTERRUPTED, EXIT_TERMINATED

# Where the user was when the launcher went to the project's folder.
INVOKED_FROM = "CVIMAKE_INVOKED_FROM"


class Run(DoitRun):  # type: ignore[misc] # doit has no type information
    """Builds what is stale."""

    doc_purpose = "build what is stale: everything, or the named models, stages and files"
    doc_usage = "[MODEL | MODEL:STAGE | PATH ...]"

    def execute(self, params: Any, args: list[str]) -> Any:  # noqa: ANN401 - doit's own types
        """Runs the tasks; Ctrl-C and SIGTERM end the running containers and keep what is finished."""
        terminated = False

        def terminate(_signal: int, _frame: FrameType | None) -> None:
            nonlocal terminated
            terminated = True
            raise KeyboardInterrupt

        previous = signal.signal(signal.SIGTERM, terminate)
        try:
            return super().execute(params, args)
        except KeyboardInterrupt:
            announce.note("interrupted; what is finished stays, and the next ./doit goes on from there")
            raise SystemExit(EXIT_TERMINATED if terminated else EXIT_INTERRUPTED) from None
        finally:
            signal.signal(signal.SIGTERM, previous)

    def parse_execute(self, in_args: Sequence[str]) -> Any:  # noqa: ANN401
        """Takes the command line, with every path in the form in which the graph knows it."""
        invoked_from = Path(os.environ.get(INVOKED_FROM) or Path.cwd())
        return super().parse_execute([as_target(argument, invoked_from, Path.cwd()) for argument in in_args])


def as_target(argument: str, invoked_from: Path, root: Path) -> str:
    """An argument as the graph knows it: a path below the project becomes relative to the project.

    `build/x`, `./build/x`, `/abs/project/build/x` and `x` (from within `build`) all name `build/x`.
    """
    if argument.startswith("-"):
        return argument
    path = Path(os.path.normpath(invoked_from / argument))
    try:
        relative = path.relative_to(root)
    except ValueError:
        return argument
    is_path = "/" in argument or path.exists()
    # A name of a model can also be one of a folder here; only targets are meant by paths.
    return str(relative) if is_path and relative.parts[:1] == ("build",) else argument
