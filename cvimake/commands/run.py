"""`run`: doit's own command, with paths as people write them and a clean end on every signal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doit.cmd_run import Run as DoitRun

from cvimake import announce, lock, sandbox
from cvimake.errors import EXIT_NOT_POSSIBLE
from cvimake.interruption import ends_cleanly

# Where the user was when the launcher went to the project's folder.
INVOKED_FROM = "CVIMAKE_INVOKED_FROM"

# What names of results end in; a bare one is meant from where the user is.
_TARGETS = frozenset({".cvimodel", ".json", ".mlir", ".npz", ".txt"})


class Run(DoitRun):  # type: ignore[misc] # doit has no type information
    """Builds what is stale."""

    doc_purpose = "build what is stale: everything, or the named models, stages and files"
    doc_usage = "[MODEL | MODEL:STAGE | PATH ...]"

    def execute(self, params: Any, args: list[str]) -> Any:  # noqa: ANN401 - doit's own types
        """Runs the tasks."""
        with ends_cleanly("interrupted; what is finished stays, and the next ./doit goes on from there"):
            if params.get("num_process"):
                announce.note("-n: steps run one after another for now")
                raise SystemExit(EXIT_NOT_POSSIBLE)
            root = Path(params.get("cwdPath") or ".")
            if not (root / params.get("dodoFile", "dodo.py")).is_file():
                # doit says so.
                return super().execute(params, args)
            (root / "build").mkdir(exist_ok=True)
            # Records and kept inputs are for one build at a time.
            with lock.exclusive(root / "build" / ".lock", "is building in this project"):
                sandbox.sweep(root)
                return super().execute(params, args)

    def parse_execute(self, in_args: Sequence[str]) -> Any:  # noqa: ANN401
        """Takes the command line, with every path in the form in which the graph knows it."""
        place, root = invoked_from(), Path.cwd()
        return super().parse_execute([as_target(argument, place, root) for argument in in_args])


def invoked_from() -> Path:
    """Where the user is: paths on the command line are meant from there."""
    return Path(os.environ.get(INVOKED_FROM) or Path.cwd())


def as_target(argument: str, invoked_from: Path, root: Path) -> str:
    """An argument as the graph knows it: a path below the project becomes relative to the project.

    `build/x`, `./build/x`, `/abs/project/build/x` and `x` (from within `build`) all name `build/x`.
    """
    if argument.startswith("-"):
        return argument
    path = Path(os.path.normpath(invoked_from / argument))
    if "/" not in argument and path.suffix not in _TARGETS and not path.is_file():
        # A model's name; a folder of that name is not meant.
        return argument
    for form in (path, Path(os.path.realpath(path.parent)) / path.name):
        if form.is_relative_to(root / "build"):
            return str(form.relative_to(root))
    return argument
