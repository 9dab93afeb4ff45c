"""Keeps a command's answer, if the command has only looked, and everything that it looked at was at rest."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cvimake
from cvimake.cli.answers import kept, sights
from cvimake.cli.answers.kept import Answer
from cvimake.cli.answers.observer import Observer
from cvimake.cli.answers.own_modules import question
from cvimake.cli.answers.repeat import LOCK
from cvimake.cli.answers.request import Request
from cvimake.cli.answers.sights import ABSENT, ASK, FILE, LINK
from cvimake.core import filesystem, terminal
from cvimake.core.filesystem import FileSystems

if TYPE_CHECKING:
    from cvimake.cli.answers.partial import Partial
    from cvimake.cli.answers.sights import State

# File systems on which a change always shows in a file's time of change, and this machine's clock sets it.
_TRUSTED = frozenset(
    {
        "bcachefs",
        "btrfs",
        "erofs",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "overlay",
        "squashfs",
        "tmpfs",
        "xfs",
        "zfs",
    }
)
_SECOND = 10**9
# Seconds. File systems that keep no fractions of a second have the coarsest times of those above.
_COARSE = 2.0
# Times in answers are local ones.
_TIME_ZONE = "/etc/localtime"
_MAPPED = Path("/proc/self/maps")


def keep(observer: Observer, request: Request, since: float, partial: Partial | None = None) -> str:
    """Keep the answer to a request, and return why it was not kept; empty if it was.

    Args:
        observer: has watched the command, which ended with exit code 0.
        request: the command as it was given.
        since: the time at which the process began, in seconds since 1970. Everything that was looked at must
            have been at rest then; so nothing has changed while the command looked.
        partial: knows the models that the answer is about; None if they do not matter.
    """
    if observer.spoiled_by:
        return observer.spoiled_by
    if not Path(LOCK).is_file():
        return "nothing was built here yet"
    if asked := _question(observer.loaded):
        return asked
    seen = {kind: dict(states) for kind, states in enumerate(observer.seen)}
    importable: dict[str, str] = {}
    try:
        for path in (*_of_python(observer.searched, importable), *_links(observer.folders)):
            seen[FILE].setdefault(path, ASK[FILE](path))
        models = partial.complete(seen) if partial else b""
        if reason := _unrest(seen, since):
            return reason
        pieces = [
            (number, text.encode(stream.encoding or "utf-8", stream.errors or "strict"))
            for number, text in _merged(observer.printed)
            for stream in (terminal.output() if number == 1 else terminal.errors(),)
        ]
        answer = Answer(request.digest, time.time_ns(), pieces, takes_lock=observer.takes_lock)
        answer.see(list(seen.values()), importable)
        answer.models = models
        kept.write(request.path, answer)
    except (OSError, OverflowError, UnicodeError) as error:
        return str(error)
    return ""


def _question(loaded: Container[str]) -> str:
    """Return what a module of the project may ask for that is not observed; empty if there is nothing.

    Args:
        loaded: the modules that Python had loaded before the command was observed.
    """
    own = {
        name: file
        for name, module in list(sys.modules.items())
        if name not in loaded
        and name.partition(".")[0] != cvimake.__name__
        and isinstance(file := getattr(module, "__file__", None), str)
        and not sights.is_installed(file)
    }
    tops = {name.partition(".")[0] for name in own}
    return next((asked for file in own.values() if (asked := question(Path(file), tops))), "")


def _unrest(seen: Mapping[int, Mapping[str, State]], since: float) -> str:
    """Return what has changed since a time, or may have changed without a trace; empty if nothing has."""
    file_systems = FileSystems()
    latest = int((since - filesystem.CLOCK_STEP) * _SECOND)
    for kind, states in seen.items():
        for path, state in states.items():
            if ASK[kind](path) != state:
                return f"{path} has changed"
            if state == ABSENT or kind not in {FILE, LINK}:
                continue
            device, _, _, _, changed = state
            if file_systems.kind(device) not in _TRUSTED:
                return f"{path} is on a file system that may hide changes"
            if changed > (latest if changed % _SECOND else latest - _COARSE * _SECOND):
                return f"{path} has changed just now"
    return ""


def _of_python(searched: Iterable[str], importable: dict[str, str]) -> Iterator[str]:
    """Yield the files of the program that runs, and the folders that Python looks for its modules in.

    Args:
        searched: folders in which Python has looked for modules.
        importable: gets those folders of which only the names that Python can import count.
    """
    for module in list(sys.modules.values()):
        for name in ("__file__", "__cached__"):
            if isinstance(path := getattr(module, name, None), str):
                yield path
        for folder in getattr(module, "__path__", ()):
            yield str(folder)
    for folder in {*sys.path, *searched}:
        if sights.is_installed(folder):
            yield from (folder, *map(str, Path(folder).glob("*.pth")))
        else:
            importable[folder] = sights.importable(folder)
    yield from (f"{sys.prefix}/pyvenv.cfg", sys.executable, _TIME_ZONE)
    for line in _MAPPED.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        # Six columns: where in memory, rights, where in the file, device, inode, path.
        *_, path = line.split(maxsplit=5)
        if path.startswith("/") and not path.startswith("/dev/"):
            # If the file was replaced in the meantime, the new one counts, which is not at rest.
            yield path.removesuffix(" (deleted)")


def _links(folders: Iterable[str]) -> Iterator[str]:
    """Yield the links in folders that were listed: what they lead to is not among the names."""
    for folder in folders:
        if os.path.isdir(folder):  # noqa: PTH112 - paths are text here
            with os.scandir(folder) as entries:
                yield from (entry.path for entry in entries if entry.is_symlink())


def _merged(printed: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield what was printed, in as few pieces as the streams leave it."""
    for number, pieces in itertools.groupby(printed, key=lambda piece: piece[0]):
        yield number, "".join(text for _, text in pieces)
