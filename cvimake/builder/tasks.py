"""A project's actions as doit tasks."""

from __future__ import annotations

import functools
import inspect
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.exceptions import BaseFail
from doit.task import Task as DoitTask

from cvimake.builder import checks, outcomes, restore, unbuildable
from cvimake.builder.activity import ACTIVITIES
from cvimake.builder.content_checker import INPUTS, OUTPUTS, ContentChecker, intact
from cvimake.builder.failure import failure_of
from cvimake.builder.records import CORES, RESTORED, SECONDS
from cvimake.builder.reporter import ROW, WAITING, Reporter
from cvimake.builder.runner import LOAD, LOOK_UP, Restore
from cvimake.builder.staleness import HINDRANCES, Unchanged
from cvimake.builder.store.current import CURRENT, choose
from cvimake.builder.unbuildable import Unbuildable
from cvimake.core import announce, clock, terminal
from cvimake.core.capacity import FRAMEWORKS_IMAGE, own_share
from cvimake.core.content import CONTENTS, State, is_known, unchanged
from cvimake.core.errors import CvimakeError, harmless
from cvimake.core.paths import FRAMEWORKS, TOOLCHAIN
from cvimake.execution.engine.choice import chosen, would_change
from cvimake.execution.image.recipe import FrameworksRecipe, Recipe
from cvimake.execution.sandbox import Ran, disk_errors
from cvimake.pipeline.stage import Stage, StageOf
from cvimake.project import Declarations, DeclaredModel, read_declarations

if TYPE_CHECKING:
    from cvimake.execution.runtime import Runtime

TOOLCHAIN_TASK, FRAMEWORKS_TASK = "toolchain", "frameworks"
# What a task's `meta` says of what it does.
STAGE = "stage"

Task = dict[str, Any]
# doit would put files of its own in the place of the standard output, for all threads.
_OWN_OUTPUT: Task = {"io": {"capture": False}, "verbosity": 0}


@dataclass(frozen=True)
class Project:
    """A folder with models.

    Attributes:
        root: its absolute path, the one that doit runs in.
    """

    root: Path
    declarations: Declarations
    recipe: Recipe

    @property
    def models(self) -> tuple[DeclaredModel, ...]:
        """Its models, by name."""
        return tuple(self.declarations.models.values())

    def toolchain_task(self) -> Task:
        """The task that finds or builds the image and records what computes in it."""
        return {
            "basename": TOOLCHAIN_TASK,
            "doc": "the image that every step runs in",
            "actions": [(_guarded, [self._record_toolchain, [str(TOOLCHAIN)]])],
            "targets": [str(TOOLCHAIN)],
            "uptodate": [
                Unchanged(self.recipe.definition),
                not would_change(self.root / TOOLCHAIN),
                _intact,
            ],
            "clean": True,
            **_OWN_OUTPUT,
        }

    def frameworks_task(self) -> Task:
        """The same for the image that has PyTorch and TensorFlow too."""
        recipe = FrameworksRecipe(base=self.recipe.base, wheel=self.recipe.wheel)
        return {
            "basename": FRAMEWORKS_TASK,
            "doc": "the image that networks of Caffe, PyTorch and TFLite are read in",
            "actions": [
                (_guarded, [self._make_frameworks, [str(FRAMEWORKS)]]),
            ],
            # It is made on the other one.
            "file_dep": [str(TOOLCHAIN)],
            "targets": [str(FRAMEWORKS)],
            "uptodate": [Unchanged(recipe.definition), _intact],
            "clean": True,
            # Other stages run while it is made.
            "meta": {LOAD: FRAMEWORKS_IMAGE},
            **_OWN_OUTPUT,
        }

    @property
    def takes_frameworks(self) -> bool:
        """Whether there is a model that it takes PyTorch or TensorFlow to read."""
        return any(model.takes_frameworks for model in self.buildable)

    def tasks(self, model: DeclaredModel, stages: Iterable[StageOf]) -> Iterator[Task]:
        """A buildable model's tasks: the model itself, and each of its stages as `MODEL:STAGE`."""
        yield {"basename": model.name, "name": None, "doc": harmless(model.model.description)}
        for stage_of in stages:
            for stage in stage_of(model):
                yield self.task(stage)
        for variant in model.variants:
            if len(variant.processors) > 1:
                yield {
                    "basename": model.name,
                    "name": variant.name,
                    "doc": f"for {', '.join(variant.processors)}",
                    "actions": None,
                    "task_dep": [
                        f"{model.name}:{variant.label(name)}{stage}"
                        for name in variant.processors
                        for stage in ("", "_info")
                    ],
                }

    def default_tasks(self) -> list[str]:
        """The tasks of a build in which nothing is named.

        These are all models that do not wait for something. A wrong declaration comes first: a build tells it
        before it runs anything.
        """
        wrong = [model.task for model in self.unbuildable.values() if model.is_wrong]
        return [*wrong, *(model.name for model in self.buildable)]

    @property
    def buildable(self) -> list[DeclaredModel]:
        """The models that can be built as things are."""
        return [model for model in self.models if model.name not in self.unbuildable]

    @functools.cached_property
    def unbuildable(self) -> dict[str, Unbuildable]:
        """All other models, by name."""
        return unbuildable.of_declarations(self.declarations, self.root)

    @staticmethod
    def standing_for(model: Unbuildable) -> Iterator[Task]:
        """The tasks that stand for a model that cannot be built; they fail when they are asked for."""
        first, *others = map(str, model.reasons)
        # A declaration can hold anything, also what steers a terminal.
        doc = harmless(f"{first}{f' (and {len(others)} more)' if others else ''}")

        def fail() -> BaseFail:
            return failure_of(model.error)

        yield {"basename": model.task, "name": None, "doc": doc}
        yield {
            "basename": model.task,
            "name": model.stage,
            "doc": doc,
            "actions": [(fail, [])],
            "meta": {HINDRANCES: model.reasons, **({} if model.is_wrong else {WAITING: model.error})},
            **_OWN_OUTPUT,
        }

    def task(self, stage: Stage) -> Task:
        """A stage's task."""
        action = stage.action
        model, _, name = action.name.partition(":")
        targets = [str(path) for path in (*(file.path for file in action.outputs), *stage.concluded)]
        return {
            "basename": model,
            "name": name,
            "doc": ", ".join(target.rpartition("/")[2] for target in targets),
            "actions": [(_guarded, [functools.partial(self._run, stage), targets])],
            "file_dep": [str(path) for path in (stage.toolchain, *action.paths(), *stage.also_read)],
            "targets": targets,
            # One `Unchanged` for all: two of them in one task would share their record.
            "uptodate": [
                Unchanged(lambda: [action.definition(), action.arrangement(), stage.concluded_with]),
                _intact,
            ],
            "clean": True,
            "meta": {
                LOAD: stage.load,
                ROW: stage.row,
                STAGE: stage,
                LOOK_UP: functools.partial(self._look_up, stage, targets),
            },
            **_OWN_OUTPUT,
        }

    def _runtime(self, toolchain: Path) -> Runtime:
        """What a stage runs in, by its record."""
        from cvimake.execution.runtime import Runtime  # noqa: PLC0415 - only a step that runs needs an engine

        return Runtime.recorded_in(toolchain, self.root)

    def _make_frameworks(self) -> None:
        """Makes the image, unless the toolchain can read none of the networks that need it.

        Raises:
            CvimakeError: it can read none; the reasons of all.
        """
        from cvimake.builder.checks import network  # noqa: PLC0415 - slow to import, and rarely needed

        models = [model for model in self.models if model.takes_frameworks and not model.missing]
        faults = [network.file_fault(model) for model in models]
        if faults and all(faults):
            raise CvimakeError("\n".join(faults))
        self._record_toolchain(FRAMEWORKS)

    def _record_toolchain(self, toolchain: Path = TOOLCHAIN) -> None:
        text = json.dumps(self._runtime(toolchain).image.identity, indent=1, sort_keys=True) + "\n"
        path = self.root / toolchain
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_text(text, encoding="utf-8")

    def _run(self, stage: Stage) -> Ran:
        checks.run(stage)
        text, toolchain = restore.recorded_toolchain(self.root / stage.toolchain)
        runtime = self._runtime(stage.toolchain)
        runtime.check(json.loads(text), stage.toolchain)
        action, started = stage.action, time.monotonic()
        ran = runtime.sandbox.run(action, functools.partial(ACTIVITIES.read, action.name))
        # For who will need the same.
        restore.keep(
            restore.key_of(action, text, ran.inputs), action, time.monotonic() - started, ran.outputs
        )
        inputs = {**ran.inputs, str(stage.toolchain): toolchain}
        return self._concluded(stage, Ran(inputs=inputs, outputs=ran.outputs))

    @staticmethod
    def _concluded(stage: Stage, ran: Ran) -> Ran:
        """Makes what is made of a stage's outputs, and adds what is read for that.

        Raises:
            CvimakeError: what is read was edited meanwhile.
        """
        also = {str(path): CONTENTS.state(str(path)) for path in stage.also_read}
        outcomes.conclude(stage)
        for path, state in also.items():
            if is_known(state) and not unchanged(Path(path), state):
                raise CvimakeError(
                    f"{stage.action.name}: {path} was edited while it was read", "Start again."
                )
        return Ran(inputs={**also, **ran.inputs}, outputs=ran.outputs)

    def _look_up(self, stage: Stage, targets: list[str]) -> Restore | None:
        """What takes a stage's outputs from the store; None where they are not there."""
        found = restore.find(self.root, stage.action, stage.toolchain)
        return functools.partial(self._restore, stage, targets, found) if found else None

    def _restore(
        self, stage: Stage, targets: list[str], found: restore.Found
    ) -> BaseFail | dict[str, Any] | None:
        """For the runner: takes a stage's outputs from the store; None where that was not possible."""

        def act() -> Ran:
            with disk_errors(stage.action.name, self.root):
                is_there = restore.restore(self.root, stage.action, found)
            if not is_there:
                raise _NotInStoreError
            outputs = {str(file.path): found.entry.outputs[file.name].sha256 for file in stage.action.outputs}
            return self._concluded(stage, Ran(inputs=found.inputs, outputs=outputs))

        try:
            ended = _guarded(act, targets)
        except _NotInStoreError:
            return None
        if isinstance(ended, dict):
            # How long it takes to run is what is to be expected of it.
            ended |= {RESTORED: ended[SECONDS], SECONDS: found.entry.seconds, CORES: found.entry.cores}
        return ended


class _NotInStoreError(Exception):
    """What was found in the store cannot be taken from it."""


def open_project(dodo_file: str) -> Project:
    """The project that a `dodo.py` stands in; ends the program where its declarations are wrong."""
    root = Path(dodo_file).resolve().parent
    try:
        # Whether the toolchain's task is stale depends on it.
        chosen()
        # Every step's clock shows it.
        clock.epoch()
        project = Project(root, read_declarations(Path()), Recipe.from_environment())
        store = project.declarations.settings.store
        for mistake in project.declarations.mistakes:
            announce.note(f"warning: {mistake}")
        CURRENT.choose(choose(root, store.url, read_only=store.read_only, limit=store.limit))
    except (CvimakeError, OSError) as error:
        terminal.complain(error)
        raise SystemExit(getattr(error, "exit_code", 2)) from error
    return project


def doit_config(project: Project) -> dict[str, Any]:
    """Doit's own settings for a project."""
    return {
        "backend": "records",
        "check_file_uptodate": ContentChecker,
        "default_tasks": project.default_tasks(),
        "dep_file": "build/doit.sqlite",
        "reporter": Reporter,
    }


def _intact(task: DoitTask, values: dict[str, Any]) -> bool:
    """For doit: whether a task's targets are what it made."""
    return intact(values, task.targets)


_intact.__signature__ = inspect.signature(_intact)  # type: ignore[attr-defined] # for speed, as `Unchanged`


def _guarded(act: Callable[[], Ran | None], targets: list[str]) -> BaseFail | dict[str, Any]:
    """Runs a task's work; what a user can put right becomes doit's failure (1) or error (2).

    Args:
        act: does the work, and tells what was read and written where it knows.
        targets: all that the task makes.

    Returns:
        The failure, or what doit keeps of the run: the time it took, and what its targets hold.
    """
    started = time.monotonic()
    try:
        ran = act()
        outputs = {target: CONTENTS.state(target) for target in targets}
        if ran:
            _check_outputs(ran, outputs)
    except (CvimakeError, OSError) as error:
        return failure_of(error)
    values = {SECONDS: time.monotonic() - started, CORES: own_share().cores, OUTPUTS: outputs}
    return {**values, INPUTS: dict(ran.inputs)} if ran else values


def _check_outputs(ran: Ran, outputs: Mapping[str, State]) -> None:
    """Sees that the targets hold what was written, and not what somebody has made of them since.

    Raises:
        CvimakeError: one does not.
    """
    for path, sha256 in ran.outputs.items():
        if outputs[path][-1] != sha256:
            raise CvimakeError(f"{path} was edited right after it was made", "Start again: it is made anew.")
