"""One build of a project: all that its parts share, and that ends with it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.builder.activity import Activities
from cvimake.builder.store.current import Choice, Current, choose
from cvimake.builder.untouched import Judged, Untouched
from cvimake.core import announce, clock
from cvimake.core.capacity import ONE_CORE, Share
from cvimake.core.content import Contents
from cvimake.execution.image.recipe import Recipe
from cvimake.project import Declarations, read_declarations

if TYPE_CHECKING:
    from cvimake.builder.executor import Executor
    from cvimake.builder.held import Held
    from cvimake.execution.runtime import Runtimes
    from cvimake.project.networks.readers import Readers


class Build:
    """A build of a project, or a look at what one would do.

    Making it reads nothing: declarations are read when they are first asked for, and engine and store are
    reached when something is stale.

    Args:
        root: the project's folder, absolute; doit works in it.
        environment: the variables that cvimake was started with.

    Attributes:
        contents: what is known of files.
        store: where results are found and kept.
        held: what each running task has of the machine, by the task's name.
        urgency: seconds of the longest chain of stages that waits for each running task, by the task's name.
        untouched: models that need no look, so their declarations are not read. It has to be set before the
            first declaration is read.
        judged: the models that had nothing to do, after all were judged; None if that is not known.
        warnings: tells a warning about a model once, whatever number of its stages finds it.
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.environment = environment
        self.contents = Contents()
        self.activities = Activities()
        self.held: dict[str, Held] = {}
        self.urgency: dict[str, float] = {}
        self.untouched = Untouched()
        self.judged: Judged | None = None
        self.warnings = announce.Once()
        self.store = Current(lambda: self.choice, environment)

    def share(self, task: str) -> Share:
        """Return the share of the machine that a running task has; without one, a share of one core."""
        return self.held[task].share if task in self.held else ONE_CORE

    @functools.cached_property
    def declarations(self) -> Declarations:
        """The project's declarations; the paths in them are relative to its folder.

        Raises:
            CvimakeError: `pyproject.toml` is wrong. Mistakes in models are part of the declarations.
            OSError: a file cannot be read.
        """
        return read_declarations(Path(), self.untouched.stages)

    @functools.cached_property
    def epoch(self) -> int:
        """The time at which the clock of every stage stands still, in seconds since 1970.

        Raises:
            CvimakeError: SOURCE_DATE_EPOCH is wrong.
        """
        return clock.epoch(self.environment)

    @functools.cached_property
    def recipe(self) -> Recipe:
        """The recipe of the toolchain image.

        Raises:
            ImageError: the user's own wheel is missing.
        """
        return Recipe.from_environment(self.environment)

    @functools.cached_property
    def choice(self) -> Choice:
        """The store that the project and the user have chosen.

        Raises:
            CvimakeError: a variable of the environment has a value that it cannot have.
        """
        store = self.declarations.settings.store
        return choose(self.root, self.environment, store.url, read_only=store.read_only, limit=store.limit)

    @functools.cached_property
    def runtimes(self) -> Runtimes:
        """The engine and its images."""
        from cvimake.execution.runtime import Runtimes  # noqa: PLC0415 - only a stage that runs needs an engine

        return Runtimes(self.root, self.environment, self.contents)

    @functools.cached_property
    def readers(self) -> Readers:
        """The readers of ONNX files."""
        from cvimake.project.networks.readers import Readers  # noqa: PLC0415 - slow to import, and only a stage that runs needs it

        return Readers(self.environment)

    def close(self) -> None:
        """Give back everything that stages have needed."""
        if "executor" in self.__dict__:
            self.executor.close()
        if "readers" in self.__dict__:
            self.readers.close()

    @functools.cached_property
    def executor(self) -> Executor:
        """The executor of the actions of stages: this process, unless a command sets another one."""
        from cvimake.builder.executor import Here  # noqa: PLC0415 - only needed where something is stale

        return Here(self)
