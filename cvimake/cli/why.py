"""`why`: tell the chain of reasons from a target down to what has changed, or why it last ran."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from doit.control import TaskControl

from cvimake.builder.history import History, Run
from cvimake.builder.reasons import (
    Follows,
    InputAdded,
    InputChanged,
    InputRemoved,
    Reason,
    ToolchainChanged,
    from_json,
    to_json,
)
from cvimake.builder.staleness import Verdict, toolchain_of
from cvimake.cli.base import OPTION_JSON, GraphCommand, stages_of
from cvimake.core import terminal, units
from cvimake.core.errors import CvimakeError
from cvimake.core.graph import reached

# If a stage reads more files of one folder than before, or fewer, they are counted and not named.
_MOST_OF_A_FOLDER = 5


class Why(GraphCommand):
    """Explain a target. Builds nothing and changes nothing."""

    doc_purpose = "show why a target would be built, or why it last was"
    doc_usage = "MODEL | MODEL:STAGE | PATH"
    cmd_options = (OPTION_JSON,)

    def look(self, graph: TaskControl, selected: list[str], options: dict[str, Any]) -> int:
        """Print the chain of reasons."""
        if self.sel_default_tasks:
            raise CvimakeError("why takes a model, a stage or a file")
        verdicts = self.stale(graph, selected)
        told = _Told(graph, verdicts, self.history)
        roots = _last(verdicts) if verdicts else stages_of(graph, selected)
        if options["json"]:
            stages = [
                {
                    "stage": node.stage,
                    "verdict": node.verdict,
                    "ran": node.run.ended if node.run else None,
                    "seconds": node.run.seconds if node.run else None,
                    "reasons": [to_json(reason) for reason in node.reasons],
                    "because_of": sorted(set(node.causes.values())),
                }
                for node in told.closure(roots)
            ]
            terminal.write(json.dumps({"stale": bool(verdicts), "stages": stages}, indent=1) + "\n")
            return 0
        for root in roots:
            terminal.write("".join(f"{line}\n" for line in told.lines(root)))
        return 0


@dataclass(frozen=True)
class _Node:
    """A stage with its reasons.

    Attributes:
        verdict: `will run`, `may run`, `waits` or `up to date`.
        run: its last success; None if there is no record of it.
        reasons: why it would run; if it is up to date, why it last ran.
        causes: the stage that a reason comes from, by reason.
    """

    stage: str
    verdict: str
    run: Run | None
    reasons: tuple[Reason, ...]
    causes: Mapping[Reason, str]

    @property
    def last_run(self) -> str:
        """Tell when it last ran and for how long, as the heading of the reasons that it then had."""
        if self.run is None:
            return "ran; when and why is not on record"
        ended = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.run.ended))
        then = ", because at that time:" if self.reasons else ""
        return f"ran until {ended}, {units.duration(self.run.seconds)}{then}"


class _Told:
    """Tells the reasons of stages, and those of each stage only once."""

    def __init__(self, graph: TaskControl, verdicts: Mapping[str, Verdict], history: History) -> None:
        self._graph = graph
        self._verdicts = verdicts
        self._history = history
        self._told: set[str] = set()

    def closure(self, roots: list[str]) -> Iterable[_Node]:
        """Return the given stages and those that their reasons lead to, from the targets to the causes."""
        nodes: dict[str, _Node] = {}

        def causes(stage: str) -> Iterable[str]:
            nodes[stage] = self._node(stage)
            return nodes[stage].causes.values()

        reached(roots, causes)
        return nodes.values()

    def lines(self, stage: str) -> Iterator[str]:
        """Yield the chain of reasons of a stage, each link indented further."""
        node = self._node(stage)
        if stage in self._told:
            return
        if node.verdict == "up to date":
            yield f"{stage} is up to date; it {node.last_run}"
        else:
            yield f"{stage} {node.verdict}:"
        yield from self._reasons(node, "  ")

    def _reasons(self, node: _Node, indent: str) -> Iterator[str]:
        self._told.add(node.stage)
        counted, reasons = _of_many_files(node.reasons)
        yield from (f"{indent}{line}" for line in counted)
        for reason in reasons:
            cause = node.causes.get(reason)
            if cause is None:
                yield f"{indent}{reason}"
                continue
            inner, known = self._node(cause), cause in self._told
            if isinstance(reason, Follows):
                yield f"{indent}{reason}{' (see above)' if known else ':'}"
                deeper = indent + "  "
            else:
                yield f"{indent}{reason}"
                if not known:
                    yield f"{indent}  made by {cause}, which {inner.last_run}"
                deeper = indent + "    "
            if not known:
                yield from self._reasons(inner, deeper)

    def _node(self, stage: str) -> _Node:
        verdict, run = self._verdicts.get(stage), self._history.last(stage)
        if verdict:
            reasons = verdict.reasons
        else:
            reasons = tuple(known for value in run.reasons if (known := from_json(value))) if run else ()
        causes: dict[Reason, str] = {}
        for reason in reasons:
            if isinstance(reason, Follows):
                causes[reason] = reason.task
            elif (maker := self._maker(stage, reason)) and self._came_before(maker, None if verdict else run):
                causes[reason] = maker
        return _Node(stage, str(verdict) if verdict else "up to date", run, reasons, causes)

    def _maker(self, stage: str, reason: Reason) -> str | None:
        """Return the stage that made the changed file of a reason; None if no stage did."""
        targets: Mapping[str, str] = self._graph.targets
        if isinstance(reason, ToolchainChanged):
            return targets.get(toolchain_of(self._graph.tasks[stage]) or "")
        return targets.get(reason.path) if isinstance(reason, InputChanged) else None

    def _came_before(self, maker: str, run: Run | None) -> bool:
        """Tell whether a later run followed from the maker's last run."""
        made = self._history.last(maker)
        return made is not None and maker not in self._verdicts and (run is None or made.ended <= run.ended)


def _of_many_files(reasons: Iterable[Reason]) -> tuple[list[str], list[Reason]]:
    """Return a line for each folder of which many files are read now or no longer, and all other reasons."""
    folders: dict[tuple[type[InputAdded | InputRemoved], str], list[Reason]] = {}
    for reason in reasons:
        if isinstance(reason, InputAdded | InputRemoved):
            folders.setdefault((type(reason), os.path.normpath(reason.path).rpartition("/")[0]), []).append(
                reason
            )
    many = {key: found for key, found in folders.items() if len(found) > _MOST_OF_A_FOLDER}
    counted = {reason for found in many.values() for reason in found}
    lines = [
        kind.words.format(f"{len(found)} files in {folder or 'the project'}")
        for (kind, folder), found in many.items()
    ]
    return lines, [reason for reason in reasons if reason not in counted]


def _last(verdicts: Mapping[str, Verdict]) -> list[str]:
    """Return the stale stages that no other stale stage needs."""
    needed = {
        reason.task
        for verdict in verdicts.values()
        for reason in verdict.reasons
        if isinstance(reason, Follows)
    }
    return [name for name in verdicts if name not in needed]
