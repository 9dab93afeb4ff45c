"""A project's actions as doit tasks."""

from __future__ import annotations

import functools
import inspect
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doit.exceptions import BaseFail
from doit.task import Task as DoitTask

from cvimake.builder import checks, outcomes, restore, unbuildable
from cvimake.builder.build import Build
from cvimake.builder.content_checker import INPUTS, OUTPUTS, ContentChecker, intact
from cvimake.builder.failure import failure_of
from cvimake.builder.records import CORES, RESTORED, SECONDS
from cvimake.builder.reporter import ROW, WAITING, Reporter
from cvimake.builder.runner import LOAD, LOOK_UP, Restore
from cvimake.builder.staleness import HINDRANCES, Unchanged
from cvimake.builder.unbuildable import Unbuildable
from cvimake.core import announce, clock, terminal
from cvimake.core.capacity import FRAMEWORKS_IMAGE, own_share
from cvimake.core.content import Contents, State, is_known, unchanged
from cvimake.core.errors import CvimakeError, harmless
from cvimake.core.paths import FRAMEWORKS, TOOLCHAIN
from cvimake.execution.engine.choice import chosen, would_change
from cvimake.execution.image.recipe import FrameworksRecipe
from cvimake.execution.sandbox import Ran, disk_errors
from cvimake.pipeline.stage import Stage, StageOf
from cvimake.project import DeclaredModel

TOOLCHAIN_TASK, FRAMEWORKS_TASK = "toolchain", "frameworks"
# What a task's `meta` says of what it does.
STAGE = "stage"

Task = dict[str, Any]
# doit would put files of its own in the place of the standard output, for all threads.
_OWN_OUTPUT: Task = {"io": {"capture": False}, "verbosity": 0}


@dataclass(frozen=True)
class Project:
    """The tasks of a project's build."""

    build: Build

    @property
    def models(self) -> tuple[DeclaredModel, ...]:
        """Its models, by name."""
        return tuple(self.build.declarations.models.values())

    def toolchain_task(self) -> Task:
        """The task that finds or builds the image and records what computes in it."""
        return {
            "basename": TOOLCHAIN_TASK,
            "doc": "the image that every stage runs in",
            "actions": [(self._guarded, [self._record_toolchain, [str(TOOLCHAIN)]])],
            "targets": [str(TOOLCHAIN)],
            "uptodate": [
                Unchanged(self.build.recipe.definition),
                not would_change(self.build.root / TOOLCHAIN),
                self._intact,
            ],
            "clean": True,
            **_OWN_OUTPUT,
        }

    def frameworks_task(self) -> Task:
        """The same for the image that has PyTorch and TensorFlow too."""
        recipe = FrameworksRecipe(base=self.build.recipe.base, wheel=self.build.recipe.wheel)
        return {
            "basename": FRAMEWORKS_TASK,
            "doc": "the image that networks of Caffe, PyTorch and TFLite are read in",
            "actions": [
                (self._guarded, [self._make_frameworks, [str(FRAMEWORKS)]]),
            ],
            # It is made on the other one.
            "file_dep": [str(TOOLCHAIN)],
            "targets": [str(FRAMEWORKS)],
            "uptodate": [Unchanged(recipe.definition), self._intact],
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
        return unbuildable.of_declarations(self.build.declarations, self.build.root)

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
            "actions": [(self._guarded, [functools.partial(self._run, stage), targets])],
            "file_dep": [str(path) for path in (stage.toolchain, *action.paths(), *stage.also_read)],
            "targets": targets,
            # One `Unchanged` for all: two of them in one task would share their record.
            "uptodate": [
                Unchanged(lambda: [action.definition(), action.arrangement(), stage.concluded_with]),
                self._intact,
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

    @functools.cached_property
    def _intact(self) -> _Intact:
        return _Intact(self.build.contents)

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
        text = (
            json.dumps(self.build.runtimes.recorded_in(toolchain).image.identity, indent=1, sort_keys=True)
            + "\n"
        )
        path = self.build.root / toolchain
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_text(text, encoding="utf-8")

    def _run(self, stage: Stage) -> Ran:
        checks.run(stage)
        build = self.build
        text, toolchain = restore.recorded_toolchain(build.root / stage.toolchain, build.contents)
        runtime = build.runtimes.recorded_in(stage.toolchain)
        runtime.check(json.loads(text), stage.toolchain)
        action, started = stage.action, time.monotonic()
        ran = runtime.sandbox.run(action, functools.partial(build.activities.read, action.name))
        # For who will need the same.
        key = restore.key_of(action, text, ran.inputs)
        restore.keep(build, key, action, time.monotonic() - started, ran.outputs)
        inputs = {**ran.inputs, str(stage.toolchain): toolchain}
        return self._concluded(stage, Ran(inputs=inputs, outputs=ran.outputs))

    def _concluded(self, stage: Stage, ran: Ran) -> Ran:
        """Makes what is made of a stage's outputs, and adds what is read for that.

        Raises:
            CvimakeError: what is read was edited meanwhile.
        """
        also = {str(path): self.build.contents.state(str(path)) for path in stage.also_read}
        outcomes.conclude(stage, self.build.warnings.note)
        for path, state in also.items():
            if is_known(state) and not unchanged(Path(path), state):
                raise CvimakeError(
                    f"{stage.action.name}: {path} was edited while it was read", "Start again."
                )
        return Ran(inputs={**also, **ran.inputs}, outputs=ran.outputs)

    def _guarded(self, act: Callable[[], Ran | None], targets: list[str]) -> BaseFail | dict[str, Any]:
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
            outputs = {target: self.build.contents.state(target) for target in targets}
            if ran:
                _check_outputs(ran, outputs)
        except (CvimakeError, OSError) as error:
            return failure_of(error)
        values = {SECONDS: time.monotonic() - started, CORES: own_share().cores, OUTPUTS: outputs}
        return {**values, INPUTS: dict(ran.inputs)} if ran else values

    def _look_up(self, stage: Stage, targets: list[str]) -> Restore | None:
        """What takes a stage's outputs from the store; None where they are not there."""
        found = restore.find(self.build, stage.action, stage.toolchain)
        return functools.partial(self._restore, stage, targets, found) if found else None

    def _restore(
        self, stage: Stage, targets: list[str], found: restore.Found
    ) -> BaseFail | dict[str, Any] | None:
        """For the runner: takes a stage's outputs from the store; None where that was not possible."""

        def act() -> Ran:
            with disk_errors(stage.action.name, self.build.root):
                is_there = restore.restore(self.build, stage.action, found)
            if not is_there:
                raise _NotInStoreError
            outputs = {str(file.path): found.entry.outputs[file.name].sha256 for file in stage.action.outputs}
            return self._concluded(stage, Ran(inputs=found.inputs, outputs=outputs))

        try:
            ended = self._guarded(act, targets)
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
    build = Build(Path(dodo_file).resolve().parent)
    try:
        # Whether the toolchain's task is stale depends on it.
        chosen()
        # Every step's clock shows it.
        clock.epoch()
        for mistake in build.declarations.mistakes:
            announce.note(f"warning: {mistake}")
        _ = build.recipe, build.choice
    except (CvimakeError, OSError) as error:
        terminal.complain(error)
        raise SystemExit(getattr(error, "exit_code", 2)) from error
    return Project(build)


def doit_config(project: Project) -> dict[str, Any]:
    """Doit's own settings for a project."""
    return {
        "backend": "records",
        "build": project.build,
        "check_file_uptodate": functools.partial(ContentChecker, project.build.contents),
        "default_tasks": project.default_tasks(),
        "dep_file": "build/doit.sqlite",
        "reporter": Reporter,
    }


class _Intact:
    """For doit: whether a task's targets are what it made."""

    # Without this, doit spends as much time on finding out its parameters as on the check.
    __signature__ = inspect.signature(lambda task, values: None)  # noqa: ARG005 - only the names count

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def __call__(self, task: DoitTask, values: dict[str, Any]) -> bool:
        return intact(self._contents, values, task.targets)


def _check_outputs(ran: Ran, outputs: Mapping[str, State]) -> None:
    """Sees that the targets hold what was written, and not what somebody has made of them since.

    Raises:
        CvimakeError: one does not.
    """
    for path, sha256 in ran.outputs.items():
        if outputs[path][-1] != sha256:
            raise CvimakeError(f"{path} was edited right after it was made", "Start again: it is made anew.")
