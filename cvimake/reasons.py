"""Why a stage runs: what differs from when it last succeeded, and what follows from that in the graph."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doit.tools import config_changed

from cvimake import digest
from cvimake.content import CONTENTS, OUTPUTS, State
from cvimake.engine.choice import TOOLCHAIN
from cvimake.history import History, Run
from cvimake.records import SECONDS

# What a task's `meta` says of the sources that are not there yet.
WAITS_FOR = "waits_for"
# Longer ones are cut when they are shown.
_LONGEST_VALUE = 60
_SHOWN_OF_SHA256 = 12

Task = Any  # doit has no type information
Definition = Any  # a JSON value


class Unchanged(config_changed):  # type: ignore[misc] # doit has no type information
    """For doit: whether a task is defined as it was when it last ran.

    Args:
        definition: gives all that decides the result beside the contents of the inputs.
    """

    # doit looks for each one's parameters; without this, that takes as long as the rest of the check.
    __signature__ = inspect.signature(config_changed("").__call__)

    def __init__(self, definition: Callable[[], Definition]) -> None:
        # Kept as what gives it: with a thousand models, the definitions themselves would fill the memory.
        super().__init__(digest.of_value(definition()))
        self.definition = definition


@dataclass(frozen=True)
class NeverBuilt:
    """There is no record of a success."""

    def __str__(self) -> str:
        return "was never built"


@dataclass(frozen=True)
class NoRecord:
    """The record of the last success is gone."""

    def __str__(self) -> str:
        return "its last run failed, or its record was removed"


@dataclass(frozen=True)
class Asked:
    """It would not have to run."""

    def __str__(self) -> str:
        return "was up to date, and asked for all the same (--always-execute)"


@dataclass(frozen=True)
class DefinitionChanged:
    """It is defined otherwise, and what it was is not known."""

    def __str__(self) -> str:
        return "is declared otherwise than when it last ran; what has changed is not on record"


@dataclass(frozen=True)
class EngineChanged:
    """Steps would now run with containers and did not, or the other way round."""

    def __str__(self) -> str:
        return "steps would run on another kind of engine (with or without containers)"


@dataclass(frozen=True)
class SourceMissing:
    """A model's source is not there yet."""

    path: str

    def __str__(self) -> str:
        return f"waits for its source: put it at {_place(self.path)}"


@dataclass(frozen=True)
class OptionChanged:
    """Part of the definition is another.

    Attributes:
        old: None where it was not set.
        new: None where it no longer is.
    """

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.name} was {_shown(self.old)}, is {_shown(self.new)}"


@dataclass(frozen=True)
class InputAdded:
    """It did not read this file."""

    path: str

    def __str__(self) -> str:
        return f"now reads {_place(self.path)}"


@dataclass(frozen=True)
class InputRemoved:
    """It no longer reads this file."""

    path: str

    def __str__(self) -> str:
        return f"no longer reads {_place(self.path)}"


@dataclass(frozen=True)
class InputChanged:
    """A file that it reads holds other bytes; both are given as sha256."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{_place(self.path)} has changed: sha256 was {_cut(self.old)}, is {_cut(self.new)}"


@dataclass(frozen=True)
class InputMissing:
    """A file that it reads is not there."""

    path: str

    def __str__(self) -> str:
        return f"its input {_place(self.path)} is missing"


@dataclass(frozen=True)
class MemberAdded:
    """A dataset has a member more."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is new in its dataset"


@dataclass(frozen=True)
class MemberRemoved:
    """A dataset has a member less."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is no longer in its dataset"


@dataclass(frozen=True)
class ToolchainChanged:
    """What computes is another.

    Attributes:
        part: its place in the toolchain's identity.
        old: None where it was not there.
        new: None where it no longer is.
    """

    part: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"toolchain: {self.part} was {_shown(self.old)}, is {_shown(self.new)}"


@dataclass(frozen=True)
class TargetMissing:
    """A file that it makes is not there."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is missing"


@dataclass(frozen=True)
class TargetDamaged:
    """A file that it made holds other bytes than those that it wrote; both are given as sha256.

    Attributes:
        new: empty where it cannot be read, or is no file.
    """

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path} is not what was made: sha256 was {_cut(self.old)}, is {_cut(self.new)}"


@dataclass(frozen=True)
class Follows:
    """It reads what another one makes anew. Where those bytes are equal, it need not run.

    Attributes:
        certain: whether the other one is sure to run.
    """

    task: str
    certain: bool

    def __str__(self) -> str:
        return f"needs {self.task}, which {'will' if self.certain else 'may'} run"


Reason = (
    NeverBuilt | NoRecord | Asked | DefinitionChanged | EngineChanged | SourceMissing | OptionChanged
    | InputAdded | InputRemoved | InputChanged | InputMissing | MemberAdded | MemberRemoved
    | ToolchainChanged | TargetMissing | TargetDamaged | Follows
)  # fmt: skip
_KINDS: dict[str, type[Reason]] = {
    kind.__name__: kind
    for kind in (
        NeverBuilt, NoRecord, Asked, DefinitionChanged, EngineChanged, SourceMissing, OptionChanged,
        InputAdded, InputRemoved, InputChanged, InputMissing, MemberAdded, MemberRemoved, ToolchainChanged,
        TargetMissing, TargetDamaged, Follows,
    )
}  # fmt: skip


def to_json(reason: Reason) -> dict[str, Any]:
    """A reason as a JSON value: its kind, its attributes, and its words as `text`."""
    return {"kind": type(reason).__name__, **dataclasses.asdict(reason), "text": str(reason)}


def from_json(value: Mapping[str, Any]) -> Reason:
    """What `to_json` made a value of.

    Raises:
        KeyError: there is no reason of this kind.
        TypeError: it has other attributes.
    """
    attributes = {key: item for key, item in value.items() if key not in {"kind", "text"}}
    return _KINDS[value["kind"]](**attributes)


# What differs


def definition_changes(old: Definition, new: Definition) -> tuple[OptionChanged, ...]:
    """Every part of a definition that is another: the tool's options, the environment, texts, budgets.

    Which files are read, also those of datasets, is left to who knows their paths.
    """
    before, now = _options(old), _options(new)
    changed = [
        OptionChanged(name, before.get(name), now.get(name))
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    # Without names of their own, they would all move by one when one is added.
    words, new_words = _words(old), _words(new)
    gone = [word for word in words if word not in new_words]
    come = [word for word in new_words if word not in words]
    changed += [OptionChanged("argument", *pair) for pair in itertools.zip_longest(gone, come)]
    return tuple(changed)


def identity_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[ToolchainChanged, ...]:
    """Every part of a toolchain's identity that is another; of a package its version where that says it."""
    before, now = dict(_leaves("", old)), dict(_leaves("", new))
    parts = sorted(part for part in before.keys() | now.keys() if before.get(part) != now.get(part))
    return tuple(
        ToolchainChanged(part, before.get(part), now.get(part))
        for part in parts
        if not (part.endswith(".sha256") and f"{part.removesuffix('.sha256')}.version" in parts)
    )


def of_task(task: Task, records: Any, tasks: Mapping[str, Task], history: History) -> tuple[Reason, ...]:  # noqa: ANN401
    """Why a task has to run by itself, whatever becomes of those that it needs; empty where it has not to.

    Args:
        task: one with work.
        records: doit's, which decide; see `doit.dependency.Dependency`.
        tasks: all of the graph.
        history: says what has changed where doit only knows that something has.
    """
    if missing := (task.meta or {}).get(WAITS_FOR):
        return tuple(SourceMissing(path) for path in missing)
    status = records.get_status(task, tasks, get_log=True)
    if status.status == "up-to-date":
        return ()
    values = records.get_values(task.name)
    past = history.last(task.name)
    # A killed build can have written the one and not the other.
    if values and past and digest.of_value(past.definition) != values.get("_config_changed"):
        past = None
    if not values:
        if past is None:
            return (NeverBuilt(),)
        changed = [
            path
            for path in sorted(task.file_dep & past.inputs.keys())
            if Path(path).exists() and _sha256(path) != past.inputs[path]
        ]
        inputs: Mapping[str, str] = past.inputs
    else:
        states = {path: records.backend.get(task.name, path) for path in _known_inputs(records, task)}
        inputs = {path: state[-1] for path, state in states.items() if state}
        changed = sorted(inputs.keys() & set(status.reasons.get("changed_file_dep") or ()))
    false = [check for check, _, _ in status.reasons.get("uptodate_false", ())]
    now = _definition(task)
    found: list[Reason] = [] if values else [NoRecord()]
    if past:
        found += definition_changes(past.definition, now)
    if any(check is False for check in false):
        found.append(EngineChanged())
    found += _membership(task, inputs, past.definition if past else None, now)
    for path in changed:
        found += _input(path, inputs[path], history)
    found += (InputMissing(path) for path in sorted(status.reasons.get("missing_file_dep", ())))
    found += _targets(task, values.get(OUTPUTS, {}))
    return tuple(found) or (DefinitionChanged(),)


def record(history: History, task: Task, why: Iterable[Reason], inputs: Mapping[str, str]) -> None:
    """Writes down a task's success.

    Args:
        history: where.
        task: has just succeeded.
        why: it ran.
        inputs: the sha256 of each file, as it was when the task began.
    """
    run = Run(
        task=task.name,
        ended=time.time(),
        definition=_definition(task),
        inputs=inputs,
        reasons=[to_json(reason) for reason in why],
        seconds=task.values.get(SECONDS, 0.0),
    )
    toolchain = inputs.get(str(TOOLCHAIN))
    kept = TOOLCHAIN.read_text(encoding="utf-8") if toolchain else ""
    history.add(run, [kept] if digest.of_text(kept) == toolchain else [])


# What follows


@dataclass(frozen=True)
class Verdict:
    """A stage that would run.

    Attributes:
        certain: false where equal bytes of what it follows from would stop it.
    """

    stage: str
    certain: bool
    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        if any(isinstance(reason, SourceMissing) for reason in self.reasons):
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
    for task in _in_order(tasks, selected):
        if is_ignored(task) or not ignored.isdisjoint(task.task_dep):
            ignored.add(task.name)
            continue
        if not task.actions:
            continue
        stale = [verdicts[name] for name in task.task_dep if name in verdicts]
        # Whatever such files are now, they are made anew first.
        rewritten = {path for verdict in stale if verdict.certain for path in tasks[verdict.stage].targets}
        reasons = [reason for reason in own(task) if _file_of(reason) not in rewritten]
        follows = [Follows(verdict.stage, verdict.certain) for verdict in stale]
        if reasons or follows:
            verdicts[task.name] = Verdict(task.name, bool(reasons), (*reasons, *follows))
    return verdicts


def critical_path(
    tasks: Mapping[str, Task], stages: Iterable[str], seconds: Mapping[str, float]
) -> tuple[tuple[str, ...], float]:
    """The chain of stages that takes longest, each needing the one before, and its time in seconds.

    Args:
        tasks: all of the graph.
        stages: those that run, in the order in which they could.
        seconds: that each takes; one that is not there counts as none.
    """
    paths: dict[str, tuple[tuple[str, ...], float]] = {}

    def longest(path: tuple[tuple[str, ...], float]) -> tuple[float, int]:
        # Where no times are known, by the number of stages.
        return (path[1], len(path[0]))

    for stage in stages:
        before = [paths[name] for name in tasks[stage].task_dep if name in paths]
        chain, so_far = max(before, key=longest, default=((), 0.0))
        paths[stage] = ((*chain, stage), so_far + seconds.get(stage, 0.0))
    return max(paths.values(), key=longest, default=((), 0.0))


def _in_order(tasks: Mapping[str, Task], selected: Iterable[str]) -> Iterator[Task]:
    """The selected tasks and all that they need, each after what it needs."""
    seen: set[str] = set()
    left = [(name, False) for name in reversed(list(selected))]
    while left:
        name, needed_are_done = left.pop()
        if needed_are_done:
            yield tasks[name]
        elif name not in seen:
            seen.add(name)
            left.append((name, True))
            left += [(needed, False) for needed in reversed(tasks[name].task_dep)]


def _file_of(reason: Reason) -> str | None:
    """The file whose contents, now, are a reason."""
    if isinstance(reason, InputChanged | InputMissing):
        return reason.path
    return str(TOOLCHAIN) if isinstance(reason, ToolchainChanged) else None


def _definition(task: Task) -> Definition:
    """What a task is defined as; None for one that is not ours."""
    return next((check.definition() for check, _, _ in task.uptodate if isinstance(check, Unchanged)), None)


def _known_inputs(records: Any, task: Task) -> Iterable[str]:  # noqa: ANN401
    """The files that a task read when it last succeeded, as doit has them."""
    return records.backend.get(task.name, "deps:") or ()


def _membership(task: Task, inputs: Mapping[str, str], old: Definition, new: Definition) -> Iterator[Reason]:
    """Files that are read and were not, and the other way round."""
    before, now = _members(old), _members(new)
    for path in sorted(task.file_dep - inputs.keys()):
        yield MemberAdded(path) if _is_in(path, now - before) else InputAdded(path)
    for path in sorted(inputs.keys() - task.file_dep):
        yield MemberRemoved(path) if _is_in(path, before - now) else InputRemoved(path)


def _input(path: str, old: str, history: History) -> tuple[Reason, ...]:
    """What has changed in a file; of the toolchain's record, in which parts."""
    if path == str(TOOLCHAIN) and (before := history.text(old)):
        # Whoever edited it may have left anything.
        with contextlib.suppress(OSError, ValueError):
            now = json.loads(Path(path).read_text(encoding="utf-8"))
            if parts := identity_changes(json.loads(before), now):
                return parts
    return (InputChanged(path, old, _sha256(path)),)


def _targets(task: Task, recorded: Mapping[str, State]) -> Iterator[Reason]:
    """Which targets are not what they were when they were made."""
    for target in task.targets:
        if not Path(target).exists():
            yield TargetMissing(target)
        elif target in recorded and recorded[target][-1] != (now := _sha256(target)):
            yield TargetDamaged(target, recorded[target][-1], now)


def _sha256(path: str) -> str:
    """The sha256 of a file; empty where it cannot be read."""
    try:
        return str(CONTENTS.state(path)[-1])
    except OSError:
        return ""


def _parts(definition: Definition) -> tuple[Mapping[str, Any], Any]:
    """A definition's action, and the rest."""
    if isinstance(definition, list) and definition and isinstance(definition[0], dict):
        return definition[0], definition[1:]
    return {}, definition


def _options(definition: Definition) -> dict[str, str]:
    """Everything in a definition that has a name, and its value."""
    action, rest = _parts(definition)
    options = {}
    for argument in action.get("argv", ()):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            options[f"option {name}"] = value if equals else "given"
    options |= {f"environment {name}": value for name, value in action.get("environment", {}).items()}
    options |= action.get("texts", {})
    for part in rest if isinstance(rest, list) else [rest]:
        options |= dict(_leaves("", part))
    return options


def _words(definition: Definition) -> list[str]:
    """The arguments of a definition's command that have no name."""
    action, _ = _parts(definition)
    return [argument for argument in action.get("argv", ()) if not argument.startswith("--")]


def _members(definition: Definition) -> frozenset[str]:
    """The names of all members of a definition's folders."""
    action, _ = _parts(definition)
    return frozenset(name for names in action.get("folders", {}).values() for name in names)


def _is_in(path: str, names: Iterable[str]) -> bool:
    return any(path.endswith(f"/{name}") for name in names)


def _leaves(place: str, value: object) -> Iterator[tuple[str, str]]:
    """Every value inside a JSON value, by its place in it; None is left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{place}.{key}" if place else key, inner)
    elif value is not None:
        yield place, value if isinstance(value, str) else json.dumps(value)


def _shown(value: str | None) -> str:
    if value is None:
        return "not there"
    line = " ".join(value.split()) or '""'
    return line if len(line) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]}..."


def _place(path: str) -> str:
    """A path without the way back that a declaration goes to it."""
    return os.path.normpath(path)


def _cut(sha256: str) -> str:
    return sha256[:_SHOWN_OF_SHA256] or "not readable"
