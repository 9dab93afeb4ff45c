"""Other build tools: how each gets a project's graph, is started, and is asked what it would do."""

from __future__ import annotations

import os
import re
import shutil
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import doit

from bench import exporters, project
from bench.exporters import Graph
from bench.measure import TakesLongerError, timed, timed_output

Tasks = Sequence[Mapping[str, Any]]
# The environment that `./doit bench` makes from requirements/bench.txt.
ENVIRONMENT = project.CHECKOUT / ".venv-bench"
_LOCKED = "not installed: `./doit bench` installs it (requirements/bench.txt, for Python 3.11 or newer)"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A build tool.

    Attributes:
        name: the tool's name for people.
        program: the program that is started; a path in the project begins with `{root}`.
        installed_by: what to do if it is missing.
        write: writes the graph of a project in the tool's language.
        settle: its arguments for taking all existing files for built; None if it does so anyway.
        build: its arguments for building everything.
        plan: its arguments for saying what it would build.
        nothing: a pattern in its output with each of the two if there is nothing to build.
        something: a pattern that must not be in that output.
        runs_first: it only knows the stages that it has run itself, so it runs before there are results.
    """

    name: str
    program: str
    installed_by: str = ""
    write: Callable[[Path, Tasks], object]
    settle: Sequence[str] | None = None
    build: Sequence[str] = ()
    plan: Sequence[str]
    nothing: str
    something: str = r"(?!)"
    runs_first: bool = False

    def find(self, root: Path) -> str | None:
        """Return the path of its program for a project that it knows; None if it is not installed."""
        path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return shutil.which(self.program.format(root=root), path=path)

    def begin(self, root: Path, tasks: Tasks, limit: float) -> Ready:
        """Give it the graph of a project, in which everything is up to date.

        Args:
            root: the project's folder.
            tasks: the project's tasks.
            limit: the seconds that this may take.
        """
        self.write(root, tasks)
        program = self.find(root)
        if program is None:
            return Ready(self.name, self.name, missing=self.installed_by)
        if self.settle is not None:
            try:
                timed([program, *self.settle], root, limit)
            except TakesLongerError as error:
                return Ready(self.name, self.name, missing=f"not brought up to date: {error}")
        label = f"{self.name} {_version(program, root)}"
        return Ready(self.name, label, [program, *self.build], [program, *self.plan])

    def checked(self, ready: Ready, root: Path, limit: float) -> Ready:
        """Check that it takes everything for up to date.

        Args:
            ready: the tool in a project.
            root: the project's folder.
            limit: the seconds that it may take to say so.

        Raises:
            RuntimeError: it does not, or it failed.
        """
        for command in (ready.build, ready.plan) if not ready.missing else ():
            try:
                _, output = timed_output(command, root, limit)
            except TakesLongerError as error:
                return Ready(self.name, ready.label, missing=f"not seen to be up to date: {error}")
            unexpected = re.search(self.something, output, re.MULTILINE)
            if unexpected or not re.search(self.nothing, output, re.MULTILINE):
                raise RuntimeError(f"{' '.join(command)}: not everything is up to date:\n{output[-2000:]}")
        return ready


@dataclass(frozen=True)
class Ready:
    """A tool in a project where it takes everything for up to date.

    Attributes:
        name: the tool's name.
        label: the name with the version.
        build: the command that builds everything.
        plan: the command that says what would be built.
        missing: why it could not be made ready, and what to do; there are no commands then.
    """

    name: str
    label: str
    build: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    missing: str = ""


def write_doit(root: Path, tasks: Tasks) -> None:
    """Write plain doit's graph, and an environment with doit alone, without plugins of ours."""
    exporters.plain_doit(root, tasks)
    environment = root / ".plain"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "doit").symlink_to(Path(doit.__file__).parent)
    script = environment / "bin" / "doit"
    # The script has the form in which pip writes it.
    script.write_text(
        f"#!{environment}/bin/python\nimport sys\nfrom doit.__main__ import main\nsys.exit(main())\n",
        encoding="utf-8",
    )
    script.chmod(0o755)


def _of(export: Callable[[Path, Graph], None]) -> Callable[[Path, Tasks], None]:
    return lambda root, tasks: export(root, Graph.of(tasks))


def _version(program: str, root: Path) -> str:
    """Return the version that a program gives in a project."""
    _, output = timed_output([program, "--version"], root)
    found = re.search(r"\d+(\.\d+)+", output)
    if not found:
        raise RuntimeError(f"{program} --version says no version:\n{output}")
    return found[0]


CVIMAKE = Tool(
    name="cvimake",
    program="{root}/doit",
    write=lambda root, _tasks: project.add_launcher(root),
    # In the first run, Python writes down what it has compiled; the second one keeps its answer.
    settle=(),
    plan=("plan",),
    nothing="^(0 built, |nothing to do$)",
)
DOIT = Tool(
    name="doit",
    program="{root}/.plain/bin/doit",
    write=write_doit,
    # Its tasks do nothing, so they can be run.
    settle=("-f", "plain_dodo.py"),
    build=("-f", "plain_dodo.py"),
    plan=("list", "--all", "--status", "-f", "plain_dodo.py"),
    nothing=r"^(-- |U )",
    # A group has nothing to check, so doit always says that it would run.
    something=r"^(\. |R (\S+:|toolchain ))",
)
OTHERS = (
    DOIT,
    Tool(
        name="GNU make",
        program="make",
        installed_by="not installed: `apt-get install make` (Debian, Ubuntu) installs it",
        write=_of(exporters.make),
        plan=("--dry-run",),
        nothing="Nothing to be done for 'all'",
    ),
    Tool(
        name="ninja",
        program="ninja",
        installed_by=_LOCKED,
        write=_of(exporters.ninja),
        # It takes stages that it has not run itself for stale.
        settle=("-j", "1"),
        plan=("-n",),
        nothing="^ninja: no work to do",
    ),
    Tool(
        name="Snakemake",
        program="snakemake",
        installed_by=_LOCKED,
        write=_of(exporters.snakemake),
        # It pauses between jobs, so many at once are faster.
        settle=("--cores", "32"),
        build=("--cores", "1"),
        plan=("--cores", "1", "--dry-run"),
        # It must not report stages of which it does not know enough.
        nothing=r"^Nothing to be done .*\n\Z",
        runs_first=True,
    ),
    Tool(
        name="DVC",
        program="dvc",
        installed_by=_LOCKED,
        write=_of(exporters.dvc),
        build=("repro",),
        plan=("status",),
        nothing="^Data and pipelines are up to date",
    ),
)


def ready(tools: Sequence[Tool], root: Path, limit: float) -> list[Ready]:
    """Get tools ready in a project without results; all results are there afterwards.

    Args:
        tools: the tools.
        root: the project's folder.
        limit: the seconds that each may take for each of its runs.

    Raises:
        RuntimeError: one of them does not take everything for up to date, or failed.
    """
    tasks = project.tasks(root)
    begun = {tool.name: tool.begin(root, tasks, limit) for tool in tools if tool.runs_first}
    project.mark_done(root)
    begun |= {tool.name: tool.begin(root, tasks, limit) for tool in tools if not tool.runs_first}
    return [tool.checked(begun[tool.name], root, limit) for tool in tools]
