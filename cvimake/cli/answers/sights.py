"""The states of files and folders, as numbers that can be compared.

A state has five numbers. Equal states prove that a command would see the same again.
"""

from __future__ import annotations

import os
import sys
from array import array
from importlib import machinery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    State = tuple[int, int, int, int, int]

# The kinds of sights. A FILE is a path with its contents: the bytes of a file, or the names in a folder. A
# PLACE is a folder without the names in it. LINK and LINK_PLACE are the same, but if the path is a link, they
# are the link's own.
FILE, PLACE, LINK, LINK_PLACE = range(4)

# No file has this state.
ABSENT: State = (0, 0, 0, 0, 0)
# The functions of `os` themselves, which an observer replaces by others.
STAT, LSTAT = os.stat, os.lstat


def of_file(status: os.stat_result) -> State:
    """Return the state of a file, or of a folder with its names."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def of_place(status: os.stat_result) -> State:
    """Return the state of a folder without its names."""
    return (status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid)


def _asked(
    look: Callable[[str], os.stat_result], state: Callable[[os.stat_result], State]
) -> Callable[[str], State]:
    def ask(path: str) -> State:
        try:
            return state(look(path))
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT

    return ask


# How the present state of a path is found, by the kind of sight.
ASK = (_asked(STAT, of_file), _asked(STAT, of_place), _asked(LSTAT, of_file), _asked(LSTAT, of_place))


def states(kind: int, paths: Iterable[str]) -> bytes:
    """Return the present states of paths, one after the other.

    Raises:
        OSError: a state cannot be found.
        OverflowError: a file has a time before 1970.
    """
    ask, numbers = ASK[kind], array("Q")
    for path in paths:
        numbers.extend(ask(path))
    return numbers.tobytes()


def packed(found: Iterable[State]) -> bytes:
    """Return states in the form that `states` has.

    Raises:
        OverflowError: a file has a time before 1970.
    """
    return array("Q", [number for state in found for number in state]).tobytes()


def unpacked(states: bytes) -> list[State]:
    """Return the states that `states` or `packed` has made bytes of."""
    numbers = array("Q")
    numbers.frombytes(states)
    return list(zip(*[iter(numbers)] * len(ABSENT), strict=True))


def differing(one: bytes, other: bytes) -> Iterator[int]:
    """Yield the places at which states differ."""
    size = len(ABSENT) * array("Q").itemsize
    for place, begin in enumerate(range(0, len(one), size)):
        if one[begin : begin + size] != other[begin : begin + size]:
            yield place


def importable(folder: str) -> str:
    """Return the names in a folder that can be imported, one a line; none if there is no folder."""
    suffixes = tuple(machinery.all_suffixes())
    try:
        with os.scandir(folder) as entries:
            # A name that Python can import ends with one of these, or is a folder's without a dot.
            names = [
                entry.name
                for entry in entries
                if entry.name.endswith(suffixes)
                or ("." not in entry.name and entry.name != "__pycache__" and entry.is_dir())
            ]
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return "\n".join(sorted(names))


def is_installed(path: str) -> bool:
    """Tell whether a path is in Python's own folder or in that of its environment."""
    return path.startswith(tuple(f"{prefix}/" for prefix in (sys.prefix, sys.base_prefix)))


def joined(paths: Sequence[str]) -> bytes:
    """Return paths as bytes."""
    return os.fsencode("\0".join(paths))


def split(data: bytes) -> list[str]:
    """Return the paths that `joined` has made bytes of."""
    return os.fsdecode(data).split("\0") if data else []
