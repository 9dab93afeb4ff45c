"""Notes everything that a command looks at, and whether it does more than look.

Python reports opened files, listed folders, started programs and much more as audit events; an event that is
not known here ends the observation. It does not report questions about a file's status, so `os.stat` and its
like are replaced while a command is observed.

Source: https://docs.python.org/3/library/audit_events.html
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from cvimake.cli.answers import sights
from cvimake.cli.answers.questions import Question, Status
from cvimake.cli.answers.repeat import LOCK
from cvimake.cli.answers.sights import ABSENT, FILE, LINK, LINK_PLACE, PLACE

if TYPE_CHECKING:
    from cvimake.cli.answers.sights import State

# A build locks this file while it looks for workspaces of killed builds.
_TURN, _WORKSPACES = "build/.work.lock", "build/.work"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# A build reads these for its lock, or writes to the first one. Their contents do not decide an answer.
_OF_THE_PROCESS = frozenset(
    {
        os.devnull,
        "/proc/self/mountinfo",
        "/proc/self/ns/pid",
        "/proc/self/stat",
        "/proc/sys/kernel/random/boot_id",
    }
)
# These sets tell what a function of `os` can do. The function that replaces it is added to them. Otherwise
# `shutil`, imported meanwhile, would remove folders in a way that follows links.
_ABILITIES: tuple[set[Any], ...] = (
    os.supports_dir_fd,
    os.supports_effective_ids,
    os.supports_fd,
    os.supports_follow_symlinks,
)
# There is nothing below this path.
_NOWHERE = f"{os.devnull}/nowhere"
# The name of the file with Python's search for modules, in frames.
_SEARCH = "<frozen importlib._bootstrap_external>"
_KERNEL = ("/proc/", "/sys/")
# Events that change nothing and read nothing from outside this process, or that another event reports too.
_HARMLESS = frozenset(
    {
        "_thread.start_joinable_thread", "_thread.start_new_thread", "array.__new__", "builtins.id",
        "code.__new__", "compile", "cpython._PySys_ClearAuditHooks", "cpython.PyInterpreterState_Clear",
        "cpython.PyInterpreterState_New", "exec", "fcntl.fcntl", "fcntl.flock", "fcntl.ioctl",
        "function.__new__", "gc.get_objects", "gc.get_referents", "gc.get_referrers", "glob.glob", "import",
        "marshal.dumps", "marshal.load", "marshal.loads", "object.__delattr__", "object.__getattr__",
        "object.__setattr__", "os.fwalk", "os.putenv", "os.unsetenv", "os.walk", "pathlib.Path.glob",
        "pathlib.Path.rglob", "pathlib.Path.walk", "pickle.find_class", "sqlite3.connect/handle",
        "sys._current_frames", "sys._getframe", "sys._getframemodulename", "sys.addaudithook", "sys.settrace",
        "sys.setprofile", "sys.unraisablehook", "time.sleep",
    }
)  # fmt: skip
# One hook serves all observers of a process: a hook cannot be removed.
_listeners: list[Callable[[str, tuple[Any, ...]], None]] = []
_hooked: list[bool] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _HARMLESS:
        for listener in _listeners:
            listener(event, arguments)


class Observer:
    """Everything that a command has looked at.

    Args:
        root: the project's folder, in which the process is and stays.

    Attributes:
        seen: for each kind of sight, the paths with the state in which they were first seen.
        folders: those whose names were listed.
        opened: how often each path was opened to be read.
        loaded: the modules that Python had loaded before.
        searched: folders in which Python has looked for modules.
        printed: what was printed, with the number of its stream.
        takes_lock: whether the project's lock was taken.
        spoiled_by: what the command did that is not only a look; empty if it has only looked.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.seen: tuple[dict[str, State], ...] = ({}, {}, {}, {})
        self.folders: set[str] = set()
        self.opened: Counter[str] = Counter()
        self.loaded: frozenset[str] = frozenset()
        self.searched: set[str] = set()
        self.printed: list[tuple[int, str]] = []
        self.takes_lock = False
        self.spoiled_by = ""
        self._reals: dict[tuple[Any, str], Callable[..., Any]] = {}
        self._watched: dict[tuple[Any, str], Callable[..., Any]] = {}

    @property
    def is_watching(self) -> bool:
        """Tell whether anything is still to be noted."""
        return bool(self._reals)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Observe the process from now on."""
        self.loaded = frozenset(sys.modules)
        if not _hooked:
            _hooked.append(True)
            sys.addaudithook(_hear)
        status = Status(self, os.stat, follows=True)
        self._replace(os, "stat", status)
        if accessor := getattr(sys.modules.get("pathlib"), "_normal_accessor", None):
            # Python 3.10.
            self._replace(accessor, "stat", status)
        self._replace(os, "lstat", Status(self, os.lstat, follows=False))
        self._replace(os, "access", Question(self, os.access, self.look))
        self._replace(os, "readlink", Question(self, os.readlink, self.look_at_link))
        for module, name in ((os, "statvfs"), (pwd, "getpwall"), (pwd, "getpwnam"), (pwd, "getpwuid")):
            self._replace(module, name, Question(self, getattr(module, name), self.spoil))
        _listeners.append(self._heard)
        try:
            with _printed(sys.stdout, 1, self), _printed(sys.stderr, 2, self):  # noqa: TID251 - terminal.py writes to them
                yield
            self._prove()
        finally:
            self._end()

    def _prove(self) -> None:
        """Ask for a file in the ways that cvimake and doit have, and check that each was noticed.

        Another Python may ask in another way.
        """
        from pathlib import Path  # noqa: PLC0415 - in Python 3.10, it keeps the functions that it finds

        for number, ask in enumerate(
            (os.path.exists, os.path.lexists, Path.exists, Path.is_file, Path.is_symlink)
        ):
            path = f"{_NOWHERE}/{number}"
            ask(Path(path))
            noted = [seen.pop(path, None) for seen in self.seen]
            if self.is_watching and not any(noted):
                self.spoil("this Python asks for files in a way that is not observed")

    def spoil(self, what: str) -> None:
        """Note that the command does more than look. There is nothing more to observe then."""
        self.spoiled_by = self.spoiled_by or what
        self._end()

    def note(self, path: str, kind: int, state: State) -> None:
        """Note the state of a path; only the first one is kept."""
        known = self.seen[kind].setdefault(path, state)
        if known != state:
            self.spoil(f"{path} has changed")

    def look(self, path: str, *, lists: bool = False) -> None:
        """Note the present state of a path that is about to be opened, or whose names are listed."""
        if lists:
            self.folders.add(path)
        try:
            self.saw(path, sights.STAT(path), lists=lists)
        except (FileNotFoundError, NotADirectoryError):
            self.note(path, FILE, ABSENT)

    def look_at_link(self, path: str) -> None:
        """Note the present state of a path, which may be a link."""
        try:
            self.saw(path, sights.LSTAT(path), follows=False)
        except (FileNotFoundError, NotADirectoryError):
            self.note(path, LINK, ABSENT)

    def saw(self, path: str, status: os.stat_result, *, follows: bool = True, lists: bool = False) -> None:
        """Note a status that was found."""
        if path.startswith(_KERNEL) or path == os.devnull:
            self._look_at_kernel(path)
        elif stat.S_ISDIR(status.st_mode) and not lists:
            self.note(path, PLACE if follows else LINK_PLACE, sights.of_place(status))
        else:
            self.note(path, FILE if follows else LINK, sights.of_file(status))

    def _look_at_kernel(self, path: str) -> None:
        if path not in _OF_THE_PROCESS and path != f"/proc/{os.getpid()}/stat":
            self.spoil(path)

    def _replace(self, owner: Any, name: str, watched: Callable[..., Any]) -> None:  # noqa: ANN401 - a module, or an object of pathlib
        real = self._reals[owner, name] = getattr(owner, name)
        for abilities in _ABILITIES:
            if real in abilities:
                abilities.add(watched)
        self._watched[owner, name] = watched
        setattr(owner, name, watched)

    def _end(self) -> None:
        """Stop observing."""
        for (owner, name), real in self._reals.items():
            for abilities in _ABILITIES:
                abilities.discard(self._watched[owner, name])
            setattr(owner, name, real)
        self._reals.clear()
        if self._heard in _listeners:
            _listeners.remove(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event. An error must not leave this function: it would end the command."""
        try:
            self._take(event, arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the command goes on unobserved
            self.spoil(f"{event}: {error!r}")

    def _take(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            # A number is a file that is open already.
            if not isinstance(path, int):
                self._opens(os.fsdecode(path), flags)
        elif event in {"os.listdir", "os.scandir"} and not isinstance(arguments[0], int):
            folder = os.fsdecode(arguments[0] or ".")
            if _is_import():
                self.searched.add(folder)
            else:
                self.look(folder, lists=True)
        elif event == "sqlite3.connect":
            self._connects(os.fsdecode(arguments[0]))
        elif event == "os.chdir" and not isinstance(arguments[0], int):
            if os.path.realpath(arguments[0]) != os.path.realpath(self._root):
                self.spoil(f"{event}: {arguments[0]!r}")
        elif event == "os.mkdir" and arguments[2] == -1 and os.path.isdir(arguments[0]):  # noqa: PTH112 - paths are text here
            # The folder is there, so nothing is made.
            pass
        else:
            self.spoil(f"{event}: {arguments!r}")

    def _opens(self, path: str, flags: int) -> None:
        place = os.path.relpath(path, self._root) if flags & _WRITING or _WORKSPACES in path else ""
        if place == LOCK:
            self.takes_lock = True
        elif place.startswith(f"{_WORKSPACES}/"):
            self.spoil(f"{path}: a build was killed, or somebody works there")
        elif flags & _WRITING and place != _TURN and path != os.devnull:
            self.spoil(f"{path} is written")
        elif not flags & _WRITING:
            self.opened[path] += 1
            self.look(path)

    def _connects(self, database: str) -> None:
        if database.startswith("file:"):
            database = urllib.parse.unquote(urllib.parse.urlsplit(database).path)
        if database != ":memory:":
            # SQLite itself looks for these beside a database.
            for suffix in ("", "-journal", "-wal"):
                self.look(f"{database}{suffix}")


def _is_import() -> bool:
    """Tell whether Python's own search for modules is what is observed."""
    frame = sys._getframe()  # noqa: SLF001 - documented, and nothing else tells who asks
    while frame.f_code.co_filename == __file__ and frame.f_back:
        frame = frame.f_back
    return frame.f_code.co_filename == _SEARCH


@contextmanager
def _printed(stream: TextIO, number: int, observer: Observer) -> Iterator[None]:
    """Note what is written to a standard stream, until the observation ends: a build writes for hours."""
    write = stream.write

    def noted(text: str) -> int:
        if observer.is_watching:
            observer.printed.append((number, text))
        return write(text)

    stream.write = noted  # type: ignore[method-assign] # this one stream's, and only for a while
    try:
        yield
    finally:
        del stream.write
