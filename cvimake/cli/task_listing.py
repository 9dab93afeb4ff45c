"""Lists a model or a stage for its user: its state, what it needs, and the files that it reads and writes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from doit.task import Task

from cvimake.builder.staleness import Verdict
from cvimake.builder.task_meta import meta_of
from cvimake.core import resources

# If more files of one folder are read, they are counted and not named.
_MOST_OF_A_FOLDER = 5


def listed(
    name: str,
    stages: Sequence[str],
    tasks: Mapping[str, Task],
    verdicts: Mapping[str, Verdict],
    ignored: Collection[str],
) -> Iterator[str]:
    """Yield the lines about a model or a stage.

    Args:
        name: of its task.
        stages: the names of the model's stages; of a stage, its own name alone.
        tasks: all of the graph.
        verdicts: of the stages that are stale.
        ignored: the stages that the user wants left out (`./doit ignore`).
    """
    task = tasks[name]
    stale = [verdicts[stage] for stage in stages if stage in verdicts]
    hindered = [verdict for verdict in stale if meta_of(tasks[verdict.stage]).hindrances]
    yield name
    # The description of a stage is its outputs, and that of a hindered model is why.
    if task.doc and not meta_of(task).stage and not hindered:
        yield from _field("is", [task.doc])
    left_out = [f"{stage} is left out of builds: ./doit forget {stage} ends this" for stage in ignored]
    state = _hindrances(hindered) if hindered else _state(name, stale)
    yield from _field("state", left_out if name in ignored else [*state, *left_out])
    if not task.actions:
        yield from _field("stages", stages)
    needed = {need for stage in stages for need in tasks[stage].task_dep} - set(stages)
    yield from _field("needs", sorted(needed))
    written = [str(target) for stage in stages for target in tasks[stage].targets]
    # Files that a model's stages make for each other are listed once, as written.
    read = {str(path) for stage in stages for path in tasks[stage].file_dep} - set(written)
    yield from _field("reads", _counted(read))
    yield from _field("writes", written)


def _hindrances(hindered: Iterable[Verdict]) -> Iterator[str]:
    for verdict in hindered:
        if verdict.is_impossible:
            yield f"{verdict}:"
        yield from map(str, verdict.reasons)


def _state(name: str, stale: Sequence[Verdict]) -> Iterator[str]:
    """Yield the state of a stage, or of a model: how many of its stages are stale."""
    if not stale:
        yield "up to date"
    elif stale[0].stage != name:
        yield f"{_number(stale, 'stage')} will run or may run: ./doit plan {name}"
    else:
        first, *others = map(str, stale[0].reasons)
        yield f"{stale[0]}: {first}"
        if others:
            yield f"and for {_number(others, 'more reason')}: ./doit why {name}"


def _counted(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files by their folders; of folders with many, and of cvimake's programs, their number."""
    folders: dict[str, list[str]] = defaultdict(list)
    programs = []
    for path in sorted({os.path.normpath(path) for path in paths}):
        if resources.is_container_program(Path(path)):
            programs.append(path)
        else:
            folders[str(Path(path).parent)].append(path)
    for folder, found in folders.items():
        if len(found) > _MOST_OF_A_FOLDER:
            yield f"{_number(found, 'file')} in {folder}"
        else:
            yield from found
    if programs:
        yield f"{_number(programs, 'program')} of cvimake"


def _number(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _field(name: str, values: Iterable[str]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield f"  {'' if number else name:8}{value}"
