"""The file of a kept answer."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time

from cvimake.cli.answers import sights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cvimake.cli.answers.sights import State

_HEAD = b"a kept answer of cvimake, 2\n"
_DIGEST, _LENGTH = 32, 8
# More files than this are removed, the oldest first. Each terminal can have answers of its own.
_MOST = 8


class Damaged(Exception):  # noqa: N818 - it is no error that anybody is told
    """A file of an answer cannot be used."""


class Answer:
    """An answer, with the state of everything that it depends on.

    Attributes:
        request: the digest of the request.
        kept: the time at which it was kept, in ns since 1970.
        takes_lock: whether the command takes the project's lock.
        printed: each piece that was printed, with the number of its stream.
        models: what the answer says of each model; see `partial.py`.
    """

    def __init__(
        self, request: bytes, kept: int, printed: Sequence[tuple[int, bytes]], *, takes_lock: bool
    ) -> None:
        self.request = request
        self.kept = kept
        self.printed = printed
        self.takes_lock = takes_lock
        # For each kind of sight: the paths, and their states.
        self.seen: list[tuple[bytes, bytes]] = []
        # Folders, and the names in them that Python could import.
        self.importable: tuple[bytes, bytes] = (b"", b"")
        self.models = b""

    def holds(self) -> bool:
        """Tell whether everything that it depends on is as it was.

        Raises:
            OSError: something cannot be looked at.
            OverflowError: a file has a time before 1970.
        """
        if self._is_of_the_future():
            return False
        for kind, (paths, states) in enumerate(self.seen):
            if sights.states(kind, sights.split(paths)) != states:
                return False
        return self._imports_the_same()

    def changed(self) -> list[tuple[int, int]] | None:
        """Return what has changed of all that it depends on: for each path its kind, and its place there.

        It is None if that cannot be told.
        """
        found = []
        try:
            if self._is_of_the_future() or not self._imports_the_same():
                return None
            for kind, (paths, states) in enumerate(self.seen):
                now = sights.states(kind, sights.split(paths))
                if now != states:
                    found += [(kind, place) for place in sights.differing(now, states)]
        except (OSError, OverflowError):
            return None
        return found

    def read(self) -> Iterator[tuple[list[str], list[State]]]:
        """Yield for each kind of sight the paths, and their states."""
        for paths, states in self.seen:
            yield sights.split(paths), sights.unpacked(states)

    def _is_of_the_future(self) -> bool:
        # The clock was set back. Until it reaches that time again, times of files say nothing.
        return time.time_ns() < self.kept

    def _imports_the_same(self) -> bool:
        folders, names = self.importable
        return sights.joined([sights.importable(folder) for folder in sights.split(folders)]) == names

    def see(self, seen: Sequence[Mapping[str, State]], importable: Mapping[str, str]) -> None:
        """Take the states of everything that it depends on.

        Raises:
            OverflowError: a file has a time before 1970.
        """
        self.seen = [(sights.joined(list(each)), sights.packed(each.values())) for each in seen]
        self.importable = (sights.joined(list(importable)), sights.joined(list(importable.values())))


def _packed(parts: Sequence[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(_LENGTH, "big") + part for part in parts)


def _unpacked(data: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        begin = place + _LENGTH
        place = begin + int.from_bytes(data[begin - _LENGTH : begin], "big")
        yield data[begin:place]


def read(path: str) -> Answer:
    """Read an answer.

    Raises:
        OSError: there is none, or it cannot be read.
        Damaged: it is damaged, or is not this user's alone.
    """
    with open(path, "rb", opener=_open_here) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise Damaged
        data = file.read()
    begin = len(_HEAD) + _DIGEST
    if data[: len(_HEAD)] != _HEAD or _digest(data[begin:]) != data[len(_HEAD) : begin]:
        raise Damaged
    request, kept, takes_lock, printed, *others = _unpacked(data[begin:])
    pieces = [(piece[0], piece[1:]) for piece in _unpacked(printed)]
    answer = Answer(request, int.from_bytes(kept, "big"), pieces, takes_lock=takes_lock == b"1")
    *seen, folders, names, answer.models = others
    answer.seen = list(zip(seen[::2], seen[1::2], strict=True))
    answer.importable = (folders, names)
    return answer


def write(path: str, answer: Answer) -> None:
    """Write an answer, and remove the oldest ones if there are many.

    Raises:
        OSError: it cannot be written.
    """
    folder = os.path.dirname(path)  # noqa: PTH120 - paths are text here
    try:  # noqa: SIM105 - contextlib is slow to import
        os.mkdir(folder, 0o700)  # noqa: PTH102 - paths are text here
    except FileExistsError:
        pass
    if not _is_own_folder(folder):
        # A link that came with a stranger's project could lead to anything of the user's.
        raise NotADirectoryError(errno.ENOTDIR, "not a folder of this user", folder)
    pieces = [bytes([stream]) + text for stream, text in answer.printed]
    body = _packed(
        [
            answer.request,
            answer.kept.to_bytes(_LENGTH, "big"),
            b"1" if answer.takes_lock else b"0",
            _packed(pieces),
            *(part for pair in answer.seen for part in pair),
            *answer.importable,
            answer.models,
        ]
    )
    new = f"{path}.{os.getpid()}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_HEAD + _digest(body) + body)
        os.replace(new, path)  # noqa: PTH105 - paths are text here
    except BaseException:
        os.unlink(new)  # noqa: PTH108 - paths are text here
        raise
    _remove_oldest(folder)


def _is_own_folder(path: str) -> bool:
    status = os.lstat(path)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _remove_oldest(folder: str) -> None:
    with os.scandir(folder) as entries:
        answers = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    kept = sorted(answers, key=lambda entry: -entry.stat(follow_symlinks=False).st_mtime_ns)
    for entry in kept[_MOST:]:
        os.unlink(entry.path)  # noqa: PTH108 - paths are text here


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _open_here(path: str, flags: int) -> int:
    # A link would lead to a file of anybody's; a pipe would be waited for.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
