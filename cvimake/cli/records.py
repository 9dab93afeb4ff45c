"""doit's commands about records: `dumpdb`, `forget`, `ignore`, `reset-dep` and `strace`.

In a doit project that is not cvimake's, they behave as doit's own.
"""

from __future__ import annotations

import contextlib
import dbm
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doit.cmd_dumpdb import DumpDB as DoitDumpDb
from doit.cmd_forget import Forget as DoitForget
from doit.cmd_ignore import Ignore as DoitIgnore
from doit.cmd_resetdep import ResetDep as DoitResetDep
from doit.cmd_strace import Strace as DoitStrace
from doit.dependency import Dependency

from cvimake.builder.records import Records
from cvimake.core import lock, terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError


class DumpDb(DoitDumpDb):
    """Refuse: doit's command reads `dbm` files, and cvimake's records are in an SQLite database."""

    doc_purpose = "doit's own; refused in a project of cvimake, whose records it cannot read"

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int | None:
        """Do the work; the parameters have the names that doit gives them."""
        if dbm.whichdb(opt_values["dep_file"]):
            return super().execute(opt_values, pos_args)
        return _refused(
            "dumpdb cannot read the records, which are in a database of SQLite",
            "./doit why STAGE says what is recorded of a stage, ./doit plan what a build would run.",
        )


class Forget(DoitForget):
    """Remove records, so that their stages are built again. Waits for a running build."""

    doc_purpose = "forget that stages were built, so that they are built again"

    def _execute(self, forget_sub: bool, forget_disable_default: bool, forget_all: bool) -> int | None:
        """Do the work; the parameters have the names that doit gives them."""
        with alone(self.dep_manager, "is removing records in this project"):
            return super()._execute(forget_sub, forget_disable_default, forget_all)


class Ignore(DoitIgnore):
    """Make builds leave out stages. Waits for a running build."""

    doc_purpose = "leave stages out of builds, until `forget`"

    def _execute(self, pos_args: list[str]) -> int | None:
        """Do the work; the parameter has the name that doit gives it."""
        with alone(self.dep_manager, "is marking stages to be ignored in this project"):
            return super()._execute(pos_args)


class ResetDep(DoitResetDep):
    """Refuse: doit's command would record results as made from files that no stage has read."""

    doc_purpose = "doit's own; refused in a project of cvimake, where records come from what ran"

    def _execute(self, pos_args: list[str] | None = None) -> int | None:
        """Do the work; the parameter has the name that doit gives it."""
        if is_ours(self.dep_manager):
            return _refused(
                "reset-dep would record results as built from files that no stage has read",
                "./doit builds what is stale, and takes what it can from the store.",
            )
        return super()._execute(pos_args)


class Strace(DoitStrace):
    """Refuse: `strace` does not see into containers, and only a build may write records."""

    doc_purpose = "doit's own; refused in a project of cvimake, whose stages run in containers"

    def _execute(self, show_all: bool) -> int | None:
        """Do the work; the parameter has the name that doit gives it."""
        if is_ours(self.dep_manager):
            return _refused(
                "strace sees nothing of a stage, which runs in a container",
                "./doit log STAGE has the line that repeats it by hand; run that under strace.",
            )
        return super()._execute(show_all)


def is_ours(manager: Dependency) -> bool:
    """Tell whether a project keeps its records as cvimake does."""
    return isinstance(manager.backend, Records)


@contextlib.contextmanager
def alone(manager: Dependency, what: str) -> Iterator[None]:
    """Hold the project's lock, so that no build writes records at the same time.

    Args:
        manager: of the project's records.
        what: what the command does; it is told to others who wait for the lock.
    """
    if not is_ours(manager):
        yield
        return
    folder = Path(manager.name).parent
    folder.mkdir(exist_ok=True)
    with lock.exclusive(folder / ".lock", what):
        yield


def _refused(what: str, remedy: str) -> int:
    terminal.complain(CvimakeError(what, remedy))
    return EXIT_NOT_POSSIBLE
