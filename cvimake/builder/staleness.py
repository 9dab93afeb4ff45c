"""Stale stages: those that differ from their last success, and those that follow from them in the graph."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from doit.dependency import Dependency
from doit.task import Task
from doit.tools import config_changed

from cvimake.builder.content_checker import OUTPUTS, contents_of
from cvimake.builder.differences import Definition, definition_changes, identity_changes, members
from cvimake.builder.hindrances import ChoiceOpen, DeclarationWrong, NotFetched, SourceMissing
from cvimake.builder.history import History, Run
from cvimake.builder.reasons import (
    DefinitionChanged,
    EngineChanged,
    Follows,
    InputAdded,
    InputChanged,
    InputMissing,
    InputRemoved,
    LastFailed,
    MemberAdded,
    MemberRemoved,
    NeverBuilt,
    NoRecord,
    Reason,
    TargetDamaged,
    TargetMissing,
    ToolchainChanged,
    to_json,
)
from cvimake.builder.records import SECONDS
from cvimake.builder.task_meta import meta_of
from cvimake.core import digest, graph
from cvimake.core.content import Contents, State
from cvimake.core.paths import FINGERPRINTS


class Unchanged(config_changed):
    """For doit: whether a task is defined as it was when it last ran.

    Args:
        definition: gives all that decides the result beside the contents of the inputs.
    """

    # Without this, doit spends as much time on finding out its parameters as on the check.
    __signature__ = inspect.signature(config_changed("").__call__)

    def __init__(self, definition: Callable[[], Definition]) -> None:
        # Only the function is kept: the definitions of a thousand models would fill the memory.
        super().__init__(digest.of_value(definition()))
        self.definition = definition


def of_task(
    task: Task, records: Dependency, tasks: Mapping[str, Task], history: History
) -> tuple[Reason, ...]:
    """Why a task has to run by itself, whatever becomes of those that it needs; empty where it has not to.

    Args:
        task: one with work.
        records: doit's, which decide; see `doit.dependency.Dependency`.
        tasks: all of the graph.
        history: says what has changed where doit only knows that something has.
    """
    if hindered := meta_of(task).hindrances:
        return hindered
    contents = contents_of(records)
    status = records.get_status(task, tasks, get_log=True)
    if status.status == "up-to-date":
        return ()
    values = records.get_values(task.name)
    past = history.last(task.name)
    failure = history.failure(task.name)
    failed = LastFailed(**dataclasses.asdict(failure.problem), ended=failure.ended) if failure else None
    # A killed build may have written only one of the two.
    if values and past and digest.of_value(past.definition) != values.get("_config_changed"):
        past = None
    if not values:
        if past is None:
            return (failed or NeverBuilt(),)
        changed = [
            path
            for path in sorted(task.file_dep & past.inputs.keys())
            if Path(path).exists() and _sha256(path, contents) != past.inputs[path]
        ]
        inputs: Mapping[str, str] = past.inputs
    else:
        read = records.backend.get(task.name, "deps:") or ()
        states = {path: records.backend.get(task.name, path) for path in read}
        inputs = {path: state[-1] for path, state in states.items() if state}
        changed = sorted(inputs.keys() & set(status.reasons.get("changed_file_dep") or ()))
    false = [check for check, _, _ in status.reasons.get("uptodate_false", ())]
    now = _definition(task)
    found: list[Reason] = [] if values else [failed or NoRecord()]
    if past:
        found += definition_changes(past.definition, now)
    if any(check is False for check in false):
        found.append(EngineChanged())
    found += _membership(task, inputs, past.definition if past else None, now)
    for path in changed:
        found += _input(path, inputs[path], history, contents)
    found += (InputMissing(path) for path in sorted(status.reasons.get("missing_file_dep", ())))
    found += _targets(task, values.get(OUTPUTS, {}), contents)
    return tuple(found) or (DefinitionChanged(),)


def record(history: History, task: Task, why: Iterable[Reason], inputs: Mapping[str, str]) -> None:
    """Write down a task's success, why it ran, and the sha256 of each file that it has read."""
    run = Run(
        task=task.name,
        ended=time.time(),
        definition=_definition(task),
        inputs=inputs,
        reasons=[to_json(reason) for reason in why],
        seconds=task.values.get(SECONDS, 0.0),
        outputs={path: state[-1] for path, state in task.values.get(OUTPUTS, {}).items()},
    )
    toolchains = {
        path: sha256
        for path in FINGERPRINTS
        if (sha256 := inputs.get(str(path))) and not history.has_kept(sha256)
    }
    kept = {path.read_text(encoding="utf-8"): sha256 for path, sha256 in toolchains.items()}
    history.add(run, [text for text, sha256 in kept.items() if digest.of_text(text) == sha256])


def untraced(task: Task, history: History, contents: Contents) -> str:
    """Why a task's files do not follow from its last run on record; empty where they do.

    doit's records only say what needs no build. The history says what ran: the command, the toolchain, and
    the digests of what was read and written.
    """
    run = history.last(task.name)
    if run is None:
        return "no run of it is on record"
    if digest.of_value(run.definition) != digest.of_value(_definition(task)):
        return "its last run on record was declared otherwise"
    for path in sorted(task.file_dep):
        if run.inputs.get(path) != _sha256(path, contents):
            return f"its last run on record read other contents of {path}"
    for path in sorted(task.targets):
        if run.outputs.get(path) != _sha256(path, contents):
            return f"its last run on record wrote other contents of {path}"
    return ""


# Stages that follow from stale ones


@dataclass(frozen=True)
class Verdict:
    """A stage that would run.

    Attributes:
        certain: false where equal bytes of what it follows from would stop it.
    """

    stage: str
    certain: bool
    reasons: tuple[Reason, ...]

    @property
    def is_impossible(self) -> bool:
        """True if it cannot run before its declaration is corrected."""
        return any(isinstance(reason, DeclarationWrong) for reason in self.reasons)

    def __str__(self) -> str:
        if self.is_impossible:
            return "cannot run"
        if any(isinstance(reason, ChoiceOpen | NotFetched | SourceMissing) for reason in self.reasons):
            return "waits"
        return "will run" if self.certain else "may run"


def judge(
    tasks: Mapping[str, Task],
    selected: Iterable[str],
    own: Callable[[Task], tuple[Reason, ...]],
    is_ignored: Callable[[Task], bool] = lambda _task: False,
) -> dict[str, Verdict]:
    """All stale stages among the selected ones and what they need, in an order in which they could run.

    Args:
        tasks: all of the graph, each with everything that it needs in its `task_dep`.
        selected: the names of what is asked for.
        own: why a task has to run by itself, as things are now.
        is_ignored: whether the user wants a task left out (`./doit ignore`), and with it what needs it.
    """
    verdicts: dict[str, Verdict] = {}
    ignored: set[str] = set()
    for task in in_order(tasks, selected):
        if is_ignored(task) or not ignored.isdisjoint(task.task_dep):
            ignored.add(task.name)
            continue
        if not task.actions:
            continue
        stale = [verdicts[name] for name in task.task_dep if name in verdicts]
        # The present contents of such files do not count: they are made anew first, or may be.
        rewritten = {path for verdict in stale if verdict.certain for path in tasks[verdict.stage].targets}
        unsure = {path for verdict in stale for path in tasks[verdict.stage].targets}
        reasons = [reason for reason in own(task) if _file_of(task, reason) not in rewritten]
        follows = [Follows(verdict.stage, verdict.certain) for verdict in stale]
        if reasons or follows:
            certain = any(_file_of(task, reason) not in unsure for reason in reasons)
            verdicts[task.name] = Verdict(task.name, certain, (*reasons, *follows))
    return verdicts


def critical_path(
    tasks: Mapping[str, Task], stages: Iterable[str], seconds: Mapping[str, float]
) -> tuple[tuple[str, ...], float]:
    """Return the chain of stages that takes longest, each needing the one before, and its time in seconds.

    Args:
        tasks: all of the graph.
        stages: those that run, in the order in which they could.
        seconds: that each takes; one that is not there counts as none.
    """
    return graph.longest_path(
        stages, lambda stage: tasks[stage].task_dep, lambda stage: seconds.get(stage, 0.0)
    )


def in_order(tasks: Mapping[str, Task], selected: Iterable[str]) -> Iterator[Task]:
    """Yield the selected tasks and all that they need, each after what it needs."""
    return (tasks[name] for name in graph.in_order(selected, lambda name: tasks[name].task_dep))


def toolchain_of(task: Task) -> str | None:
    """Return the path of the toolchain record that a task reads; None if it reads none."""
    return next((str(path) for path in FINGERPRINTS if str(path) in task.file_dep), None)


def _file_of(task: Task, reason: Reason) -> str | None:
    """Return the file whose present contents are a task's reason."""
    if isinstance(reason, InputChanged | InputMissing):
        return reason.path
    return toolchain_of(task) if isinstance(reason, ToolchainChanged) else None


def _definition(task: Task) -> Definition:
    """Return a task's definition; None for a task that is not ours."""
    return next((check.definition() for check, _, _ in task.uptodate if isinstance(check, Unchanged)), None)


def _membership(task: Task, inputs: Mapping[str, str], old: Definition, new: Definition) -> Iterator[Reason]:
    """Files that are read and were not, and the other way round."""
    before, now = members(old), members(new)
    for path in sorted(task.file_dep - inputs.keys()):
        yield MemberAdded(path) if _is_in(path, now - before) else InputAdded(path)
    for path in sorted(inputs.keys() - task.file_dep):
        yield MemberRemoved(path) if _is_in(path, before - now) else InputRemoved(path)


def _input(path: str, old: str, history: History, contents: Contents) -> tuple[Reason, ...]:
    """Return the change of a file; for the toolchain's record, the parts that have changed."""
    if Path(path) in FINGERPRINTS and (before := history.text(old)):
        # An edited record can hold anything.
        with contextlib.suppress(OSError, ValueError):
            now = json.loads(Path(path).read_text(encoding="utf-8"))
            if parts := identity_changes(json.loads(before), now):
                return parts
    return (InputChanged(path, old, _sha256(path, contents)),)


def _targets(task: Task, recorded: Mapping[str, State], contents: Contents) -> Iterator[Reason]:
    """Yield a reason for each target that no longer holds what was written."""
    for target in task.targets:
        if not Path(target).exists():
            yield TargetMissing(target)
        elif target in recorded and recorded[target][-1] != (now := _sha256(target, contents)):
            yield TargetDamaged(target, recorded[target][-1], now)


def _is_in(path: str, names: Iterable[str]) -> bool:
    return any(path.endswith(f"/{name}") for name in names)


def _sha256(path: str, contents: Contents) -> str:
    """Return the sha256 of a file; empty if it cannot be read."""
    try:
        return str(contents.state(path)[-1])
    except OSError:
        return ""
