"""Downloads files, several at once, and puts each in its place when it is complete and has its sum."""

from __future__ import annotations

import contextlib
import functools
import queue
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cvimake.core import lock
from cvimake.core.errors import CvimakeError, DiskError
from cvimake.core.publication import publish
from cvimake.fetching import archive, drivers
from cvimake.fetching.archive import Member
from cvimake.fetching.faults import FetchError
from cvimake.fetching.jobs import Job, Place
from cvimake.fetching.network import Network, server
from cvimake.fetching.reply import Ask
from cvimake.fetching.tally import Tally
from cvimake.fetching.transfer import StoppedError, Wanted, Watch, transfer
from cvimake.fetching.web import Web
from cvimake.project.fetch import WEB

# Where the parts of files are, relative to the project. Each has the name of the sha256 that it will have.
FOLDER = Path(".cvimake") / "fetch"
_PART = ".part"
_AT_ONCE = 8
# Seconds that an interrupted program waits for its downloads to stop.
_STOPS_IN = 2.0


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A download that failed.

    Attributes:
        error: why.
        places: of the files that are therefore missing.
    """

    error: CvimakeError
    places: Sequence[Place]


@contextlib.contextmanager
def parts_folder(root: Path, what: str) -> Iterator[Path]:
    """Make the folder of the parts, and have it alone.

    Args:
        root: the project's folder.
        what: the work of this process, for another one that waits: `is fetching ...`.

    Raises:
        CvimakeError: a link is in its place.
    """
    folder = root / FOLDER
    locked, ignored = folder / ".lock", folder / ".gitignore"
    # A stranger's project can have links there, through which we would write into other folders.
    for path in (folder.parent, folder, locked, ignored):
        if path.is_symlink():
            raise CvimakeError(f"{path} is a link", "Remove it: cvimake writes its own files there.")
    folder.mkdir(parents=True, exist_ok=True)
    with lock.exclusive(locked, what):
        ignored.write_text("*\n", encoding="utf-8")
        yield folder


def sweep(folder: Path, declared: set[str]) -> None:
    """Remove the parts of files that are no longer declared."""
    for part in folder.glob(f"*{_PART}*"):
        if part.name.partition(".")[0] not in declared:
            part.unlink()


class Work:
    """Some downloads.

    Args:
        folder: of the parts.
        network: how servers are reached.
        tally: is told how far the downloads are.
    """

    def __init__(self, folder: Path, network: Network, tally: Tally) -> None:
        self._folder, self._network, self._tally = folder, network, tally
        self._web = Web(network)
        self._stop = threading.Event()
        # Servers that cannot be reached, and why. Nobody wants to wait for the same answer a hundred times.
        self._unreachable: dict[str, FetchError] = {}

    def do(self, jobs: Sequence[Job]) -> list[Failed]:
        """Do all downloads and return those that failed.

        An interruption leaves the parts, with which the next run goes on.
        """
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        ended: queue.SimpleQueue[Failed | BaseException | None] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        work = functools.partial(self._work, waiting, ended)
        # Python does not wait for daemon threads at its end: one may be waiting for a server that is silent.
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_AT_ONCE, len(jobs)))]
        for thread in threads:
            thread.start()
        failed = []
        try:
            for _ in jobs:
                outcome = ended.get()
                if isinstance(outcome, Failed):
                    failed.append(outcome)
                elif outcome is not None:
                    raise outcome  # noqa: TRY301 - as an interruption
        except BaseException:
            self._stop.set()
            for thread in threads:
                thread.join(_STOPS_IN / len(threads))
            raise
        finally:
            self._web.close()
        return failed

    def _work(
        self, waiting: queue.SimpleQueue[Job], ended: queue.SimpleQueue[Failed | BaseException | None]
    ) -> None:
        while not self._stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put(self._outcome(job))
            except BaseException as error:  # noqa: BLE001 - the main thread raises it
                ended.put(error)

    def _outcome(self, job: Job) -> Failed | None:
        try:
            self._fetch(job)
        except CvimakeError as error:
            return Failed(error=error, places=job.places)
        except OSError as error:
            return Failed(error=DiskError(str(error)), places=job.places)
        self._tally.place(len(job.places))
        return None

    def _fetch(self, job: Job) -> None:
        for place in job.places:
            place.check()
        url = self._network.mirrored(job.url)
        wanted = Wanted(server=server(url), sha256=job.sha256, size=job.size)
        watch = Watch(
            have=functools.partial(self._tally.have, job.sha256),
            received=self._tally.receive,
            whole=functools.partial(self._tally.whole, job.sha256),
            stop=self._stop,
        )
        part = self._part(job.sha256)
        try:
            transfer(self._ask(url), part, wanted, watch, self._network.patience)
        except FetchError as error:
            if error.id == "fetch-network":
                self._unreachable[server(url)] = error
            raise
        if not job.is_archive:
            self._publish({part: job.places})
            return
        members = {
            each.member: Member(
                wanted=Wanted(server=server(url), sha256=each.sha256, size=each.size),
                part=self._part(each.sha256, f".{job.sha256}"),
            )
            for each in job.contents
        }
        try:
            archive.extract(part, server(url), members, self._stop)
            self._publish({members[each.member].part: each.places for each in job.contents})
        finally:
            for member in members.values():
                member.part.unlink(missing_ok=True)
        part.unlink()

    def _ask(self, url: str) -> Ask:
        if error := self._unreachable.get(server(url)):
            raise error
        if urlsplit(url).scheme in WEB:
            return functools.partial(self._web.ask, url)
        return functools.partial(drivers.ask, url)

    def _part(self, sha256: str, more: str = "") -> Path:
        return self._folder / f"{sha256}{_PART}{more}"

    def _publish(self, files: dict[Path, list[Place]]) -> None:
        """Move complete files to their places."""
        moves: dict[Path, Path] = {}
        for part, places in files.items():
            for number, place in enumerate(places):
                source = part
                if number:
                    source = part.with_name(f"{part.name}.{number}")
                    source.unlink(missing_ok=True)
                    shutil.copyfile(part, source)
                moves[source] = place.path
        publish(moves)


__all__ = ["FOLDER", "Failed", "StoppedError", "Work", "parts_folder", "sweep"]
