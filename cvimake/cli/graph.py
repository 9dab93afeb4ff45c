"""`graph`: draw the graph, and in it what a build would run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from doit.control import TaskControl
from doit.task import Task

import cvimake
from cvimake.builder.hindrances import ChoiceOpen, DeclarationWrong, SourceMissing
from cvimake.builder.reasons import Reason
from cvimake.builder.records import SECONDS
from cvimake.builder.staleness import Verdict, in_order
from cvimake.builder.task_meta import meta_of
from cvimake.builder.tasks import FRAMEWORKS_TASK, TOOLCHAIN_TASK
from cvimake.camera.recognition import Recognition
from cvimake.cli import surroundings
from cvimake.cli.base import GraphCommand, stages_of
from cvimake.cli.drawing import Group, Kind, Node, Picture, State, dot, mermaid, reduced, svg
from cvimake.cli.options import option
from cvimake.cli.run import with_info
from cvimake.cli.surroundings import invoked_from
from cvimake.core import terminal, units
from cvimake.core.errors import CvimakeError

FORMATS = {"svg": svg.drawn, "mermaid": mermaid.drawn, "dot": dot.drawn}
_SUFFIXES = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot"}
# A larger picture helps nobody, and GitHub does not draw it.
MOST_MODELS = 30
# Stages that belong to no model.
_SHARED = (TOOLCHAIN_TASK, FRAMEWORKS_TASK)
# From this number on, the files of one folder are drawn as one node.
_MANY_FILES = 4
_OWN = Path(cvimake.__file__).resolve().parent


class Graph(GraphCommand):
    """Draw the graph. Builds nothing and changes nothing."""

    doc_purpose = "draw the graph as SVG, Mermaid or DOT, with what a build would run"
    doc_usage = "[MODEL | MODEL:STAGE | PATH ...]"
    doc_description = (
        "Draws the named models and stages, and all that they need. Without a name: everything, up to "
        f"{MOST_MODELS} models. A line is left out if it follows from other lines."
    )
    cmd_options = (
        option(
            "format", str, "svg, mermaid or dot [default: by the suffix of the output; without one, mermaid]"
        ),
        option("output", str, "the file to write: .svg, .mmd or .dot [default: standard output]", short="o"),
    )

    def look(self, graph: TaskControl, selected: list[str], options: dict[str, Any]) -> int:
        """Draw the selected tasks and what they need."""
        form = _format(options["format"], options["output"])
        if self.sel_default_tasks:
            # Models that cannot be built are drawn too.
            selected = [name for name, task in graph.tasks.items() if not task.subtask_of]
        models = {name.partition(":")[0] for name in stages_of(graph, selected)} - {*_SHARED}
        if len(models) > MOST_MODELS:
            raise CvimakeError(
                f"a picture of {len(models)} models is too large to read; it can hold {MOST_MODELS}",
                "Name some of them: ./doit graph MODEL ...",
            )
        text = FORMATS[form](self._picture(graph, with_info(selected, graph.tasks)))
        if options["output"]:
            try:
                (invoked_from() / options["output"]).write_text(text, encoding="utf-8")
            except OSError as error:
                raise CvimakeError(f"the picture cannot be written: {error}") from error
        else:
            terminal.write(text)
        return 0

    def _picture(self, graph: TaskControl, selected: list[str]) -> Picture:
        verdicts = self.stale(graph, selected)
        groups: dict[str, list[Task]] = {}
        left_out: set[str] = set()
        for task in in_order(graph.tasks, selected):
            if self.dep_manager.status_is_ignore(task) or not left_out.isdisjoint(task.task_dep):
                left_out.add(task.name)
            if task.actions:
                groups.setdefault(task.name.partition(":")[0], []).append(task)
        made = {target for task in graph.tasks.values() for target in task.targets}

        def node(task: Task) -> Node:
            state = State.LEFT_OUT if task.name in left_out else _state(task, verdicts.get(task.name))
            return self._node(task, state, verdicts.get(task.name))

        shared = tuple(node(task) for name in _SHARED for task in groups.pop(name, []))
        return Picture(
            shared=shared,
            groups=tuple(
                _group(name, graph.tasks[name].doc if name in graph.tasks else "", tasks, made, node)
                for name, tasks in sorted(groups.items())
            ),
        )

    def _node(self, task: Task, state: State, verdict: Verdict | None) -> Node:
        seconds = self.dep_manager.get_values(task.name).get(SECONDS)
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


def _format(wanted: str, output: str) -> str:
    """Return the format to draw.

    Raises:
        CvimakeError: there is no such format, or the output's name does not tell which one.
    """
    if wanted and wanted not in FORMATS:
        raise CvimakeError(f"--format is {wanted!r}; it can be {', '.join(FORMATS)}")
    if wanted or not output:
        return wanted or "mermaid"
    if form := _SUFFIXES.get(Path(output).suffix.lower()):
        return form
    raise CvimakeError(
        f"{output}: the file's name does not tell the format",
        f"End it in {', '.join(_SUFFIXES)}, or give --format.",
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
    return os.path.normpath(hindrance.path) if isinstance(hindrance, SourceMissing) else str(hindrance)


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
    for path in sorted(Path(os.path.normpath(path)) for path in paths):
        # The container programs are ours, and no part of the model.
        if not surroundings.folder().joinpath(path).is_relative_to(_OWN):
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
