"""The graph of tasks as a picture: stages with their times and states, and the files that they read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from doit.dependency import Dependency
from doit.task import Task

import cvimake
from cvimake.builder.hindrances import ChoiceOpen, DeclarationWrong, SourceMissing
from cvimake.builder.history import History
from cvimake.builder.reasons import Reason
from cvimake.builder.records import SECONDS
from cvimake.builder.staleness import Verdict, in_order
from cvimake.builder.task_meta import meta_of
from cvimake.builder.tasks import EXPORT_TASK, FRAMEWORKS_TASK, TOOLCHAIN_TASK
from cvimake.camera.recognition import Recognition
from cvimake.cli import surroundings
from cvimake.cli.drawing import Group, Kind, Node, Picture, State, reduced
from cvimake.core import units

# Stages that belong to no model.
SHARED = (TOOLCHAIN_TASK, FRAMEWORKS_TASK, EXPORT_TASK)
# From this number on, the files of one folder are drawn as one node.
_MANY_FILES = 4
_OWN = Path(cvimake.__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of parts of a graph.

    Attributes:
        tasks: all of the graph.
        verdicts: the stages that a build would run.
        records: doit's.
        history: knows the times of stages that have failed since.
    """

    tasks: Mapping[str, Task]
    verdicts: Mapping[str, Verdict]
    records: Dependency
    history: History

    def of(self, selected: Iterable[str]) -> Picture:
        """Return the picture of the selected tasks and of all that they need."""
        groups: dict[str, list[Task]] = {}
        left_out: set[str] = set()
        for task in in_order(self.tasks, selected):
            if self.records.status_is_ignore(task) or not left_out.isdisjoint(task.task_dep):
                left_out.add(task.name)
            if task.actions:
                groups.setdefault(task.name.partition(":")[0], []).append(task)

        def node(task: Task) -> Node:
            verdict = self.verdicts.get(task.name)
            return self._node(
                task, State.LEFT_OUT if task.name in left_out else _state(task, verdict), verdict
            )

        shared = tuple(node(task) for name in SHARED for task in groups.pop(name, []))
        return Picture(
            shared=shared,
            groups=tuple(
                _group(name, self.tasks[name].doc if name in self.tasks else "", tasks, self._made, node)
                for name, tasks in sorted(groups.items())
            ),
        )

    @cached_property
    def _made(self) -> set[str]:
        """The files that stages make."""
        return {target for task in self.tasks.values() for target in task.targets}

    def _node(self, task: Task, state: State, verdict: Verdict | None) -> Node:
        seconds = self.records.get_values(task.name).get(SECONDS)
        if seconds is None and (run := self.history.last(task.name)):
            seconds = run.seconds
        row = meta_of(task).row
        kind, title = Kind.STAGE, task.name.partition(":")[2] or task.name
        details = tuple(_place(reason) for reason in meta_of(task).hindrances)
        if row and str(row.info) in task.targets:
            kind, title = Kind.CVIMODEL, f"{row.info.name.removesuffix('_info.json')}.cvimodel"
            # The record is of the cvimodel of an earlier build.
            details = _known(row.info) if state is State.UP_TO_DATE else ()
        return Node(
            key=task.name,
            kind=kind,
            title=title,
            details=details,
            state=state,
            last="" if seconds is None else units.duration(seconds),
            reasons=tuple(str(reason) for reason in verdict.reasons) if verdict else (),
        )


def _state(task: Task, verdict: Verdict | None) -> State:
    if hindered := meta_of(task).hindrances:
        is_wrong = any(isinstance(reason, DeclarationWrong) for reason in hindered)
        return State.CANNOT_RUN if is_wrong else State.WAITS
    return State(str(verdict)) if verdict else State.UP_TO_DATE


def _place(hindrance: Reason) -> str:
    """Return the file that is missing, or that has a mistake."""
    if isinstance(hindrance, ChoiceOpen | DeclarationWrong):
        return hindrance.what.partition(": ")[0]
    return hindrance.path if isinstance(hindrance, SourceMissing) else str(hindrance)


def _group(
    name: str, description: str, tasks: list[Task], made: set[str], node: Callable[[Task], Node]
) -> Group:
    """Return a model's nodes: its stages, and before each the files that it reads and no stage makes."""
    names = {task.name for task in tasks}
    nodes: list[Node] = []
    needs: dict[str, list[str]] = {}
    for task in tasks:
        read = list(_read(name, (path for path in task.file_dep if path not in made)))
        for file in read:
            if file.key not in needs:
                needs[file.key] = []
                nodes.append(file)
        nodes.append(node(task))
        needs[task.name] = [
            *(file.key for file in read), *(needed for needed in task.task_dep if needed in names),
        ]  # fmt: skip
    return Group(title=name, description=description or "", nodes=tuple(nodes), edges=tuple(reduced(needs)))


def _read(model: str, paths: Iterable[str]) -> Iterator[Node]:
    """Return what a stage reads: files, and folders that hold many of them."""
    folders: dict[Path, list[Path]] = {}
    project, own = surroundings.folder(), f"{_OWN}{os.sep}"
    # The container programs are ours, and no part of the model.
    plain = (name for name in map(os.path.normpath, paths) if not os.path.join(project, name).startswith(own))  # noqa: PTH118 - a report asks for thousands of files
    for path in sorted(map(Path, plain)):
        folders.setdefault(path.parent, []).append(path)
    for folder, files in folders.items():
        if len(files) > _MANY_FILES:
            yield Node(
                key=f"{model} reads {folder}",
                kind=Kind.FILE,
                title=f"{folder.name}/",
                details=(f"{len(files)} files in {folder.parent}",),
            )
        else:
            for path in files:
                yield Node(key=f"{model} reads {path}", kind=Kind.FILE, title=path.name)


def _known(info: Path) -> tuple[str, ...]:
    """Return what is known of a cvimodel, for people; empty if its record cannot be read."""
    try:
        known: Mapping[str, Any] = json.loads(info.read_text(encoding="utf-8"))
        measured = [units.size(known["size"]), f"ION {known['ion_memory']:.2f} MB"]
        measured += [f"cos {found['cosine']:.4f}" for found in known["similarity"][:1] if found["cosine"]]
        seen = Recognition.model_validate(known["recognition"])
        return (" · ".join(measured), f"recognised as {seen.name} · {seen.in_words}")
    except (OSError, ValueError, KeyError, TypeError):
        return ()
