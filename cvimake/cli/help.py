"""`help`: tell all commands, in groups; of one command, its options."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from doit.cmd_help import Help as DoitHelp

from cvimake.core import terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError

_ABOUT = (
    "cvimake builds cvimodels for the reCamera from networks in ONNX, Caffe, TFLite or PyTorch.\n"
    "Only what is out of date is built.\n"
)
# The order is that in which a newcomer needs them.
GROUPS = {
    "build": ("run", "clean", "forget", "ignore"),
    "look": ("plan", "why", "log", "shell", "info", "list", "preview", "graph", "report"),
    "declare": ("new", "init", "fetch", "view", "onnx:downgrade", "schema"),
    "ship": ("release", "release:verify", "release:diff"),
    "look after the machine": (
        "doctor", "image", "engine:stop", "worker", "store", "store:gc", "store:verify", "tabcompletion",
        "help",
    ),
}  # fmt: skip
# doit's, which do not work in a project of cvimake.
REFUSED = frozenset({"dumpdb", "reset-dep", "strace"})
# In letters: the place of the second column behind the indentation of the first, and the whole line.
_COLUMN, _WIDTH = 21, 110


def overview(program: str, purposes: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines about all commands.

    Args:
        program: how the user calls it.
        purposes: of all commands, by their names.
    """
    yield _ABOUT
    yield from _entry(program, "build all models")
    yield from _entry(f"{program} shapes", "build one model; also a stage (shapes:int8) or a file (build/…)")
    yield from _entry(f"{program} help COMMAND", "what a command is for, and its options")
    groups: dict[str, Collection[str]] = dict(GROUPS)
    known = REFUSED.union(*GROUPS.values())
    groups["of this project"] = sorted(set(purposes) - known)
    for title, names in groups.items():
        if names:
            yield f"\n{title}"
        for name in names:
            yield from _entry(name, purposes[name])


def _entry(name: str, text: str) -> Iterator[str]:
    first, *others = textwrap.wrap(text, _WIDTH - _COLUMN - 2) or [""]
    yield f"  {name:{_COLUMN}}{first}"
    yield from (f"  {'':{_COLUMN}}{line}" for line in others)


class Help(DoitHelp):
    """Tell all commands, or about one of them."""

    doc_purpose = "show all commands; of one command, what it is for, and its options"
    doc_usage = "[COMMAND]"

    def execute(self, params: dict[str, Any], args: list[str]) -> int:
        """Do the work for doit, and print the error that ends it."""
        purposes = {name: str(command.doc_purpose) for name, command in self.cmds.items()}
        if not args:
            terminal.write("".join(f"{line}\n" for line in overview(str(self.bin_name), purposes)))
            return 0
        # doit also describes the fields of tasks, for those who write some in their `dodo.py`.
        if len(args) == 1 and args[0] in {*self.cmds, "task"}:
            return super().execute(params, args)
        from cvimake.project.mistakes import did_you_mean  # noqa: PLC0415 - takes a while to load

        terminal.complain(
            CvimakeError(
                f"there is no command {' '.join(args)!r}{did_you_mean(args[0], purposes)}",
                f"`{self.bin_name} help` lists all. For a model or a stage: `{self.bin_name} info NAME`.",
            )
        )
        return EXIT_NOT_POSSIBLE
