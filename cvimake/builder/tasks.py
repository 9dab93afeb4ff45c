"""The stages of a project as doit's tasks."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from doit.exceptions import BaseFail
from doit.task import Task as DoitTask

from cvimake.builder import unbuildable
from cvimake.builder.build import Build
from cvimake.builder.content_checker import ContentChecker, intact
from cvimake.builder.reporter import Reporter
from cvimake.builder.run_or_restore import RunOrRestore, guarded
from cvimake.builder.staleness import Unchanged
from cvimake.builder.task_failure import failure_of
from cvimake.builder.task_meta import Meta
from cvimake.builder.unbuildable import Unbuildable
from cvimake.core import announce
from cvimake.core.capacity import EXPORT_IMAGE, FRAMEWORKS_IMAGE, Load
from cvimake.core.content import Contents
from cvimake.core.errors import CvimakeError, harmless
from cvimake.core.paths import EXPORT, FRAMEWORKS, TOOLCHAIN
from cvimake.execution.engine.choice import chosen, would_change
from cvimake.execution.image.recipe import ExportRecipe, FrameworksRecipe, Recipe
from cvimake.pipeline.stage import Stage, StageOf
from cvimake.project import DeclaredModel
from cvimake.toolchain import commands

# Each has the name of the file that it writes.
TOOLCHAIN_TASK, FRAMEWORKS_TASK, EXPORT_TASK = TOOLCHAIN.stem, FRAMEWORKS.stem, EXPORT.stem

Task = dict[str, Any]
AnyTask = Task | DoitTask
# Otherwise doit would replace the standard output of all threads by files of its own.
_OWN_OUTPUT: Task = {"io": {"capture": False}, "verbosity": 0}


@dataclass(frozen=True)
class Project:
    """The tasks of a project's build."""

    build: Build

    def read(self) -> None:
        """Read everything that can be wrong before a build, and print the warnings.

        Raises:
            CvimakeError: a declaration of the project, or a variable of the environment, is wrong.
            OSError: a declaration cannot be read.
        """
        # The task of the toolchain and the clock of every stage depend on these variables.
        chosen(self.build.environment)
        _ = self.build.epoch
        for mistake in self.build.declarations.mistakes:
            announce.note(f"warning: {mistake}")
        _ = self.build.recipe, self.build.choice

    @property
    def models(self) -> tuple[DeclaredModel, ...]:
        """The models with a right declaration, by name."""
        return tuple(self.build.declarations.models.values())

    def toolchain_task(self) -> Task:
        """Return the task that finds or builds the toolchain image and records its fingerprint."""
        is_same_engine = not would_change(self.build.root / TOOLCHAIN, self.build.environment)
        doc = "the image that every stage runs in"
        return self._image_task(TOOLCHAIN, doc, self._record_toolchain, self.build.recipe, is_same_engine)

    def frameworks_task(self) -> Task:
        """Return the same task for the image that also has PyTorch and TensorFlow."""
        recipe = FrameworksRecipe(base=self.build.recipe.base, wheel=self.build.recipe.wheel)
        doc = "the image that networks of Caffe, PyTorch and TFLite are read in"
        task = self._image_task(FRAMEWORKS, doc, self._make_frameworks, recipe)
        # It is made on the toolchain image.
        return task | _after_toolchain(FRAMEWORKS_IMAGE)

    @property
    def takes_frameworks(self) -> bool:
        """True if a model needs PyTorch or TensorFlow to be read."""
        return any(model.takes_frameworks for model in self.buildable)

    def export_task(self) -> Task:
        """Return the same task for the image that checkpoints are exported in."""
        recipe = ExportRecipe(base=self.build.recipe.base)
        make = functools.partial(self._record_toolchain, EXPORT)
        task = self._image_task(EXPORT, "the image that checkpoints are exported in", make, recipe)
        # The toolchain's task finds or starts the engine.
        return task | _after_toolchain(EXPORT_IMAGE)

    @property
    def takes_export(self) -> bool:
        """True if the network of a model is a checkpoint."""
        return any(model.is_checkpoint for model in self.buildable)

    def tasks(self, model: DeclaredModel, stages: Iterable[StageOf]) -> Iterator[AnyTask]:
        """Yield the tasks of a buildable model: the model itself, and each of its stages as `MODEL:STAGE`."""
        yield {"basename": model.name, "name": None, "doc": harmless(model.model.description)}
        for stage_of in stages:
            for stage in stage_of(model):
                task = self.task(stage)
                yield _on_request(task) if stage.on_request else task
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
                        for stage in ("", "_info", *(["_accuracy"] if model.accuracy else []))
                    ],
                }

    def default_tasks(self) -> list[str]:
        """Return the tasks of a build in which nothing is named.

        These are all models that do not wait for something. A wrong declaration comes first, so that a
        build reports it before it runs anything.
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
        """Yield the tasks of a model that cannot be built. They fail when they are asked for."""
        first, *others = map(str, model.reasons)
        # A declaration can hold any character, also those that a terminal obeys.
        doc = harmless(f"{first}{f' (and {len(others)} more)' if others else ''}")

        def fail() -> BaseFail:
            return failure_of(model.error)

        yield {"basename": model.task, "name": None, "doc": doc}
        yield {
            "basename": model.task,
            "name": model.stage,
            "doc": doc,
            "actions": [(fail, [])],
            "meta": Meta(
                hindrances=model.reasons, waiting=None if model.is_wrong else model.error
            ).for_doit(),
            **_OWN_OUTPUT,
        }

    def task(self, stage: Stage) -> Task:
        """Return the task of a stage. Its clock stands still at the user's time."""
        action = commands.dated(stage.action, self.build.epoch)
        if action is not stage.action:
            stage = dataclasses.replace(stage, action=action)
        model, _, name = action.name.partition(":")
        work = RunOrRestore(self.build, stage)
        return {
            "basename": model,
            "name": name,
            "doc": ", ".join(target.rpartition("/")[2] for target in work.targets),
            "actions": [(work.run, [])],
            "file_dep": [str(path) for path in (stage.toolchain, *action.paths(), *stage.also_read)],
            "targets": work.targets,
            # One `Unchanged` for everything: two in one task would overwrite each other's record.
            "uptodate": [
                Unchanged(lambda: [action.definition(), action.arrangement(), stage.concluded_with]),
                self._intact,
            ],
            "clean": True,
            "meta": Meta(load=stage.load, row=stage.row, stage=stage, look_up=work.look_up).for_doit(),
            **_OWN_OUTPUT,
        }

    @functools.cached_property
    def _intact(self) -> _Intact:
        return _Intact(self.build.contents)

    def _image_task(
        self, record: Path, doc: str, make: Callable[[], None], recipe: Recipe, *conditions: bool
    ) -> Task:
        """Return the task that makes an image and writes its record; a false condition makes it run."""
        return {
            "basename": record.stem,
            "doc": doc,
            "actions": [(guarded, [self.build, make, [str(record)]])],
            "targets": [str(record)],
            "uptodate": [Unchanged(recipe.definition), *conditions, self._intact],
            "clean": True,
            **_OWN_OUTPUT,
        }

    def _make_frameworks(self) -> None:
        """Make the image, unless the toolchain can read none of the networks that need it.

        Raises:
            CvimakeError: it can read none of them; the reasons for all of them.
        """
        from cvimake.builder.checks import network  # noqa: PLC0415 - slow to import, and rarely needed

        models = [model for model in self.models if model.takes_frameworks and not model.missing]
        faults = [network.file_fault(model) for model in models]
        if faults and all(faults):
            raise CvimakeError("\n".join(faults))
        self._record_toolchain(FRAMEWORKS)

    def _record_toolchain(self, toolchain: Path = TOOLCHAIN) -> None:
        identity = self.build.executor.identity(toolchain)
        text = json.dumps(identity, indent=1, sort_keys=True) + "\n"
        path = self.build.root / toolchain
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_text(text, encoding="utf-8")


def _after_toolchain(load: Load) -> Task:
    """Return the members of a task that makes an image after the toolchain's, while other stages run."""
    return {"file_dep": [str(TOOLCHAIN)], "meta": Meta(load=load).for_doit()}


def _on_request(task: Task) -> DoitTask:
    """Return a task that is no part of its model's group: doit would add every task of this name to it."""
    model, name = task.pop("basename"), task.pop("name")
    return DoitTask(f"{model}:{name}", **task, subtask_of=model)


def extra_tasks(build: Build, stages: Iterable[Stage]) -> list[DoitTask]:
    """Return the tasks of stages that the project's own graph does not have."""
    project = Project(build)
    return [_on_request(project.task(stage)) for stage in stages]


class DefaultTasks(Sequence[str]):
    """The tasks of a build in which nothing is named. doit wants them before it asks for tasks.

    The declarations are read when doit looks at the names, after it has asked for all tasks.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    @functools.cached_property
    def _names(self) -> list[str]:
        return self._project.default_tasks()

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._names[index]


def doit_config(project: Project) -> dict[str, Any]:
    """Return doit's own settings for a project. `build` is for cvimake's commands."""
    return {
        "backend": "records",
        "build": project.build,
        "check_file_uptodate": functools.partial(ContentChecker, project.build.contents),
        "default_tasks": DefaultTasks(project),
        "dep_file": "build/doit.sqlite",
        "reporter": Reporter,
    }


class _Intact:
    """For doit: tells whether the targets of a task hold what the task wrote."""

    # Without this, doit spends as much time on finding out its parameters as on the check.
    __signature__ = inspect.signature(lambda task, values: None)  # noqa: ARG005 - only the names count

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def __call__(self, task: DoitTask, values: dict[str, Any]) -> bool:
        return intact(self._contents, values, task.targets)
