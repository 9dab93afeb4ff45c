"""`log`: print what a stage's tool printed when it last ran, and how to run it by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doit.control import TaskControl

from cvimake.builder.task_meta import meta_of
from cvimake.builder.tasks import EXPORT_TASK, FRAMEWORKS_TASK, TOOLCHAIN_TASK
from cvimake.cli.base import GraphCommand, stages_of
from cvimake.core import terminal
from cvimake.core.errors import CvimakeError
from cvimake.execution import logs

# The logs of making images: for the toolchain those of its image and its base, and that of a toolchain
# without containers.
_IMAGE_LOGS = {
    TOOLCHAIN_TASK: ("image.log", "base.log", "local_toolchain.log"),
    FRAMEWORKS_TASK: ("frameworks.log",),
    EXPORT_TASK: ("export.log",),
}


class Log(GraphCommand):
    """Print the log of a stage, or of an image."""

    doc_purpose = "show what a stage's tool printed, and the command that runs the stage by hand"
    doc_usage = "MODEL:STAGE | PATH"
    doc_description = "A progress bar is shown as it was at its end. Exit code 2 if there is no log."

    def look(self, graph: TaskControl, selected: list[str], _options: dict[str, Any]) -> int:
        """Print where the log is, the line that runs the stage by hand, and the log."""
        name = _one_stage(graph, selected)
        if name in _IMAGE_LOGS:
            return _show_image(name)
        if found := meta_of(graph.tasks[name]).hindrances:
            raise CvimakeError(f"{name} never runs, and has no log:", "\n".join(map(str, found)))
        path = logs.log_path(Path(), name)
        try:
            by_hand, lines = logs.read_log(path)
        except FileNotFoundError:
            raise CvimakeError(f"{name} has no log yet: {path} is written when it runs") from None
        terminal.write(f"{path}\n\n")
        if by_hand:
            terminal.write(f"By hand, with the results in $W:\n{broken(by_hand)}\n\n")
        terminal.write("".join(f"{line}\n" for line in lines))
        return 0


def broken(command: str) -> str:
    """Break a line for the shell into several that do the same: one for each long option."""
    quote = ""
    parts = []
    for place, sign in enumerate(command):
        if sign in {quote, "'", '"'} and (not quote or sign == quote):
            quote = "" if quote else sign
        begins_option = sign == " " and not quote and command.startswith("--", place + 1)
        parts.append(" \\\n  " if begins_option else sign)
    return "".join(parts)


def _show_image(task: str) -> int:
    """Print the newest log of making an image, and name the others.

    Raises:
        CvimakeError: no image was made here.
    """
    written = [path for name in _IMAGE_LOGS[task] if (path := Path("build/logs") / name).exists()]
    if not written:
        command = "./doit image" if task == TOOLCHAIN_TASK else f"./doit image --{task}"
        raise CvimakeError(
            f"{task} has no log: this project has built no image; it uses one that was there",
            f"{command} says which one; {command} --rebuild builds it anew, and writes a log.",
        )
    last, *others = sorted(written, key=lambda path: path.stat().st_mtime, reverse=True)
    terminal.write(f"{last}\n" + "".join(f"see also {path}\n" for path in others) + "\n")
    terminal.write(last.read_text(encoding="utf-8", errors="replace"))
    return 0


def _one_stage(graph: TaskControl, selected: list[str]) -> str:
    """Return the one stage that is meant.

    Raises:
        CvimakeError: none is meant, or several are.
    """
    stages = stages_of(graph, selected)
    if len(stages) != 1:
        raise CvimakeError(
            "log takes one stage" + (f", not {len(stages)}: {', '.join(stages)}" if stages else "")
        )
    return stages[0]
