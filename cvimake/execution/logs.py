"""The log of each action: where it is, what is written to it, and how it is read again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from cvimake.core.errors import harmless

# Some tools print a line for each layer and comparison. No sane tool prints more than this, in bytes.
LIMIT = 256 * 1024 * 1024


def log_path(root: Path, name: str) -> Path:
    """Return the path of the whole log of an action of a project."""
    return root / "build" / "logs" / f"{as_path(name)}.log"


def as_path(name: str) -> str:
    """Return MODEL/STAGE for MODEL:STAGE. No name holds a slash, so no two actions share a path."""
    return name.replace(":", "/")


def write_note(root: Path, name: str, text: str) -> None:
    """Write a log for an action that succeeded without being run."""
    path = log_path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {name}\n\n{text}\n", encoding="utf-8")


def write_of_worker(root: Path, name: str, source: Path | None, note: str) -> Path:
    """Write the log of an action that has run on another machine, and return its path.

    Args:
        root: the project's folder.
        name: of the action.
        source: the log as it was written there; its first lines hold that machine's paths. None without one.
        note: stands in the place of a log.
    """
    path = log_path(root, name)
    if source is None:
        write_note(root, name, f"ran on another machine, and its log is lost; {note}")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as log, path.open("wb") as file:
        log.readline()
        log.readline()
        file.write(
            f"# {name} ran on another machine; the next line runs it on this one.\n"
            f"CVIMAKE_CLUSTER=none ./doit --always-execute --single {name}\n".encode()
        )
        shutil.copyfileobj(log, file)
    return path


def read_log(path: Path, end: int | None = None) -> tuple[str, list[str]]:
    """Return the line of a log that repeats its stage by hand, and the lines that the tool printed.

    A progress bar becomes the last thing that it showed. Empty lines are left out, and characters that would
    steer a terminal are replaced.

    Args:
        path: the log.
        end: read no more than this many bytes of its end; None for all of it.

    Raises:
        OSError: it cannot be read.
    """
    # Read as bytes: text mode would turn the bars' carriage returns into line ends.
    with path.open("rb") as file:
        head = file.readline() + file.readline()
        if end is not None:
            file.seek(max(len(head), path.stat().st_size - end))
        text = file.read().decode("utf-8", errors="replace")
    lines = (harmless(line.rstrip().rsplit("\r", 1)[-1]) for line in text.split("\n"))
    return head.decode(errors="replace").rstrip("\n").partition("\n")[2], [line for line in lines if line]


class WatchedLog:
    """A log file of bounded size. A watcher sees all output as it comes, also what the file leaves out."""

    def __init__(self, file: BinaryIO, watch: Callable[[bytes], None]) -> None:
        self._file = file
        self._watch = watch
        self._left = LIMIT

    def write(self, output: bytes) -> None:
        """Write a piece of output, and show it to the watcher."""
        self._watch(output)
        if self._left > 0:
            self._file.write(output[: self._left])
            self._left -= len(output)
            if self._left <= 0:
                self._file.write(f"\ncvimake: more than {LIMIT} bytes; the rest is left out\n".encode())
            self._file.flush()
