"""`plan`: tell what a build would run, why, and how long that would take."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from doit.control import TaskControl
from doit.task import Task

from cvimake.builder import staleness, summary
from cvimake.builder.checks import samples
from cvimake.builder.estimates import Estimates
from cvimake.builder.reasons import Follows, to_json
from cvimake.builder.restore import foresee
from cvimake.builder.staleness import Verdict, critical_path
from cvimake.builder.task_meta import meta_of
from cvimake.builder.tasks import DefaultTasks
from cvimake.builder.untouched import judged
from cvimake.cli.base import OPTION_JSON, GraphCommand
from cvimake.cli.run import with_info
from cvimake.core import terminal, units
from cvimake.core.errors import EXIT_NOT_POSSIBLE
from cvimake.core.paths import TOOLCHAIN
from cvimake.pipeline.checks import AccuracyNotes
from cvimake.project.awaiting import Owner, counted, owners
from cvimake.project.dataset import ARRAYS, IMAGES

# The suffixes of samples.
_SAMPLES = tuple(IMAGES | ARRAYS)


class Plan(GraphCommand):
    """Show what is stale. Builds nothing and changes nothing."""

    doc_purpose = "show what a build would run, why, and how long it would take"
    doc_usage = "[MODEL | MODEL:STAGE | PATH ...]"
    doc_description = (
        "A stage that only depends on stages that run may run: if they write the same bytes as before, "
        "it does not. Times are those of the last runs, and estimates for stages that never ran here; what "
        "is in the store takes next to none."
    )
    cmd_options = (OPTION_JSON,)

    def look(self, graph: TaskControl, selected: list[str], options: dict[str, Any]) -> int:
        """Print the plan."""
        if self.sel_default_tasks:
            selected = [*selected, *(name for name, task in graph.tasks.items() if meta_of(task).hindrances)]
        asked = with_info(selected, graph.tasks)
        verdicts = self.stale(graph, asked)
        if isinstance(self.sel_tasks, DefaultTasks):
            needed = staleness.in_order(graph.tasks, asked)
            unchanged = [task.name for task in needed if task.actions and task.name not in verdicts]
            self.build.judged = judged(graph.tasks, self.build.declarations, unchanged, verdicts)
        running = [name for name in verdicts if not meta_of(graph.tasks[name]).hindrances]
        wrong = [name for name, verdict in verdicts.items() if verdict.is_impossible]
        unreadable = _unreadable(graph.tasks[name] for name in running)
        notes = _notes(graph.tasks[name] for name in running)
        code = EXIT_NOT_POSSIBLE if wrong else 0
        to_fetch = self._to_fetch()
        kept = self._kept(graph, running)
        estimates = Estimates(graph.tasks, self.dep_manager, self.history)
        expected = {name: found for name in running if (found := estimates.of(name))}
        guessed = {name for name, found in expected.items() if found.is_guess and name not in kept}
        seconds = {name: found.seconds for name, found in expected.items()}
        # Restoring from the store takes next to no time.
        seconds |= dict.fromkeys(kept, 0.0)
        certain = [name for name in running if verdicts[name].certain]
        _, least = critical_path(graph.tasks, certain, seconds)
        path, most = critical_path(graph.tasks, running, seconds)
        if options["json"]:
            stages = [
                {
                    "stage": name,
                    "verdict": str(verdict),
                    "from_store": name in kept,
                    "seconds": seconds.get(name),
                    "estimated": name in guessed,
                    "reasons": [to_json(reason) for reason in verdict.reasons],
                    "unreadable": unreadable.get(name, []),
                    "notes": notes.get(name, []),
                }
                for name, verdict in verdicts.items()
            ]
            critical = {"stages": path, "seconds_at_least": least, "seconds_at_most": most}
            fetched = [
                {"owner": owner.name, "files": len(owner.missing), "size": owner.size(owner.missing)}
                for owner in to_fetch
            ]
            told = {"stages": stages, "critical_path": critical, "to_fetch": fetched}
            terminal.write(json.dumps(told, indent=1) + "\n")
            return code
        if verdicts:
            _write_table(verdicts, seconds, kept, guessed)
        for name in wrong:
            mistakes = "".join(f"  {reason}\n" for reason in verdicts[name].reasons)
            terminal.write(
                f"\n{name} cannot run; ./doit stops at it, "
                f"./doit --continue builds the other models:\n{mistakes}"
            )
        for owner in to_fetch:
            files = counted(len(owner.missing), owner.name, owner.size(owner.missing))
            verb = "is" if len(owner.missing) == 1 else "are"
            terminal.write(f"\n{files} {verb} missing: ./doit fetch {owner.name}\n")
        _write_lists(unreadable, "would fail, because it cannot read")
        _write_lists(notes, "would tell")
        if not running:
            terminal.write("nothing to do\n" if not wrong else "")
            return code
        about = "about " if guessed else ""
        terminal.write(
            f"\n{len(certain)} will run, {len(running) - len(certain)} may; "
            f"{about}{_time(least, most)} along the critical path\n  {', '.join(path)}\n"
        )
        if guessed:
            terminal.write(
                f"{len(guessed)} of them never ran here: their times are estimated from the network's size "
                "and this machine's speed\n"
            )
        if unknown := [name for name in running if name not in seconds]:
            terminal.write(f"not counted, since its time is not known: {', '.join(unknown)}\n")
        return code

    def _to_fetch(self) -> list[Owner]:
        """Return the models and datasets with missing files; if models are named, their own lines tell it."""
        if not self.sel_default_tasks:
            return []
        return [owner for owner in owners(self.build.declarations) if owner.missing]

    def _kept(self, graph: TaskControl, running: list[str]) -> set[str]:
        """Return the stages whose outputs are in the store."""
        tasks = [graph.tasks[name] for name in running]
        makes = []
        for task in tasks:
            stage = meta_of(task).stage
            known = (stage.action, stage.toolchain) if stage else (None, TOOLCHAIN)
            makes.append((task.targets, *known))
        foreseen = foresee(self.build, makes)
        return {name for name, is_kept in zip(running, foreseen, strict=True) if is_kept}


def _unreadable(tasks: Iterable[Task]) -> dict[str, list[str]]:
    """Return the samples and test images that no tool can read, by the stage that would read them first."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for task in tasks:
        stage = meta_of(task).stage
        if stage is None:
            continue
        for path in sorted(map(os.path.normpath, stage.action.paths())):
            if path in seen or not path.lower().endswith(_SAMPLES) or path.startswith("build/"):
                continue
            seen.add(path)
            if fault := samples.unreadable(Path(path), stage.action.limits.memory):
                found.setdefault(task.name, []).append(f"{path}: {fault}")
    return found


def _notes(tasks: Iterable[Task]) -> dict[str, list[str]]:
    """Return what stages tell before they run, by stage."""
    stages = [stage for task in tasks if (stage := meta_of(task).stage)]
    checks = [(stage.action.name, check) for stage in stages for check in stage.checks]
    return {
        name: [*check.notes] for name, check in checks if isinstance(check, AccuracyNotes) and check.notes
    }


def _write_lists(lists: Mapping[str, list[str]], what: str) -> None:
    for name, lines in lists.items():
        terminal.write(f"\n{name} {what}:\n")
        terminal.write("".join(f"  {line}\n" for line in lines))


def _time(least: float, most: float) -> str:
    if least == most:
        return units.duration(most)
    return f"{units.duration(least)} to {units.duration(most)}"


def _write_table(
    verdicts: Mapping[str, Verdict],
    seconds: Mapping[str, float],
    kept: AbstractSet[str],
    guessed: AbstractSet[str],
) -> None:
    table = summary.new_table()
    table.add_column("stage", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("reason")
    colours = {"will run": "green", "may run": "dim", "waits": "bold red", "cannot run": "bold red"}
    for name, verdict in verdicts.items():
        # Its own reasons come first: the stages that it follows from have lines of their own.
        own = [reason for reason in verdict.reasons if not isinstance(reason, Follows)]
        first, *others = own or verdict.reasons
        more = f" (and {len(others)} more)" if others else ""
        time = units.duration(seconds[name]) if name in seconds else ""
        time = f"about {time}" if name in guessed else time
        time = "from the store" if name in kept else time
        state = terminal.styled(str(verdict), style=colours[str(verdict)])
        table.add_row(terminal.styled(name), state, terminal.styled(time), terminal.styled(f"{first}{more}"))
    summary.show(table, terminal.output())
