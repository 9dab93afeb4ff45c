"""Other build tools: how each is told a project's graph, started, and asked what it would do."""

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
# The environment that `./doit bench` makes of requirements/bench.txt.
ENVIRONMENT = project.CHECKOUT / ".venv-bench"
_LOCKED = "not installed: `./doit bench` installs it (requirements/bench.txt, for Python 3.11 or newer)"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A build tool.

    Attributes:
        name: what people call it.
        program: what is started; one of the project's own begins with `{root}`.
        installed_by: what to do where it is missing.
        write: writes the graph of a project in its words.
        settle: its arguments to take everything for built that lies there; None where it does so anyway.
        build: its arguments to build everything.
        plan: its arguments to say what it would build.
        nothing: a pattern in what it prints with each of the two where there is nothing to build.
        something: a pattern that must not be in it.
        runs_first: it only knows what it has run itself, so it does before there are results.
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
        """Where its program is, for a project that it is told of; None where it is not installed."""
        path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return shutil.which(self.program.format(root=root), path=path)

    def begin(self, root: Path, tasks: Tasks, limit: float) -> Ready:
        """Tells it the graph of a project, and what is up to date in it.

        Args:
            root: the project.
            tasks: of it.
            limit: seconds that this may take.
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
        """Sees that it takes everything for up to date.

        Args:
            ready: it, in a project.
            root: the project.
            limit: seconds that it may take to say so.

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
        name: the tool's.
        label: the same with its version.
        build: what builds everything.
        plan: what says what would be built.
        missing: why it could not be made ready, and what to do; then there are no commands.
    """

    name: str
    label: str
    build: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    missing: str = ""


def write_doit(root: Path, tasks: Tasks) -> None:
    """Writes plain doit's graph, and an environment with doit and nothing else, so no plugins of ours."""
    exporters.plain_doit(root, tasks)
    environment = root / ".plain"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "doit").symlink_to(Path(doit.__file__).parent)
    script = environment / "bin" / "doit"
    # As pip writes it.
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
    plan=("plan",),
    nothing="^(0 built, |nothing to do$)",
)
DOIT = Tool(
    name="doit",
    program="{root}/.plain/bin/doit",
    write=write_doit,
    # Its tasks do nothing, so they are run.
    settle=("-f", "plain_dodo.py"),
    build=("-f", "plain_dodo.py"),
    plan=("list", "--all", "--status", "-f", "plain_dodo.py"),
    nothing=r"^(-- |U )",
    # A group has nothing to check, and so it always says that it would run.
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
        # It takes what it has not run itself for stale.
        settle=("-j", "1"),
        plan=("-n",),
        nothing="^ninja: no work to do",
    ),
    Tool(
        name="Snakemake",
        program="snakemake",
        installed_by=_LOCKED,
        write=_of(exporters.snakemake),
        # It thinks between jobs, so many of them at once are sooner done.
        settle=("--cores", "32"),
        build=("--cores", "1"),
        plan=("--cores", "1", "--dry-run"),
        # Without a word on what it does not know enough of.
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
    """Gets tools ready in a project without results, which has them all then.

    Args:
        tools: which.
        root: the project.
        limit: seconds that each may take for each of its runs.

    Raises:
        RuntimeError: one of them does not take everything for up to date, or failed.
    """
    tasks = project.tasks(root)
    begun = {tool.name: tool.begin(root, tasks, limit) for tool in tools if tool.runs_first}
    project.mark_done(root)
    begun |= {tool.name: tool.begin(root, tasks, limit) for tool in tools if not tool.runs_first}
    return [tool.checked(begun[tool.name], root, limit) for tool in tools]
