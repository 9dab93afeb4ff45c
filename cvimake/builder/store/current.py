"""The store of a build: which one it is, and how useful it was."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cvimake.core import announce
from cvimake.core.cache import user_cache
from cvimake.core.errors import CvimakeError
from cvimake.core.home import expanded

if TYPE_CHECKING:
    from cvimake.builder.store import Entry, Store
    from cvimake.builder.store.statistics import Uses

STORE_VARIABLE, READ_ONLY_VARIABLE = "CVIMAKE_STORE", "CVIMAKE_STORE_READ_ONLY"
NONE = "none"
# Waiting that takes fewer seconds gets no line.
_SOON = 0.5
_GIBIBYTE = 1024**3


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choice of a store.

    Attributes:
        url: as fsspec takes it, or an absolute path; empty for none.
        limit: bytes that it may hold.
    """

    url: str
    read_only: bool
    limit: int

    @property
    def folder(self) -> Path | None:
        """Where it lies, if it is a folder."""
        return Path(self.url) if self.url.startswith("/") else None


def choose(root: Path, environment: Mapping[str, str], url: str, *, read_only: bool, limit: float) -> Choice:
    """Return the store of the settings and the environment; the environment wins.

    Args:
        root: the project's folder; a relative path is meant from there.
        environment: the variables that cvimake was started with.
        url: of the settings.
        read_only: of the settings.
        limit: GiB that it may hold.

    Raises:
        CvimakeError: the environment says what cannot be.
    """
    given = environment.get(STORE_VARIABLE, "") or url
    flag = environment.get(READ_ONLY_VARIABLE, "")
    if flag not in {"", "0", "1"}:
        raise CvimakeError(f"{READ_ONLY_VARIABLE} is {flag!r}; it can be 1 or 0")
    if not given:
        where = str(user_cache(environment) / "store")
    else:
        where = "" if given == NONE else _absolute(root, given, environment)
    return Choice(url=where, read_only=flag == "1" if flag else read_only, limit=int(limit * _GIBIBYTE))


def _absolute(root: Path, url: str, environment: Mapping[str, str]) -> str:
    """Return a URL, or the absolute path of a folder."""
    parts = urlsplit(url)
    if parts.scheme in {"file", "local"}:
        url = f"/{parts.path.lstrip('/')}"
    elif "://" in url or "::" in url:
        return url
    return os.path.normpath(root / expanded(Path(url), environment))


def open_store(choice: Choice) -> Store:
    """Return the chosen store. It need not exist yet, nor be reachable.

    Raises:
        StoreError: it is not a place that this installation knows.
    """
    from cvimake.builder.store import Store  # noqa: PLC0415 - slow to import, and only needed where something is stale

    if choice.folder:
        from cvimake.builder.store.folder import FolderPlace  # noqa: PLC0415 - the same

        return Store(FolderPlace(choice.folder), choice.url, read_only=choice.read_only)
    from cvimake.builder.store.remote import RemotePlace  # noqa: PLC0415 - the same

    return Store(RemotePlace(choice.url), choice.url, read_only=choice.read_only)


class Current:
    """The store that a build uses. A thread of its own puts results into it, while stages go on.

    Args:
        choice: tells which one it is; called when the store is first wanted.
        environment: the variables that cvimake was started with.

    Attributes:
        prepare: called with the store's URL before the store is opened. Raises CvimakeError if it cannot be.
    """

    def __init__(self, choice: Callable[[], Choice], environment: Mapping[str, str]) -> None:
        self._chosen, self._environment = choice, environment
        self.prepare: Callable[[str], None] = lambda _url: None
        self._choice: Choice | None = None
        self._is_known = False
        self._store: Store | None = None
        self._guard = threading.Lock()
        self._uses: Uses | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._keeper: threading.Thread | None = None

    @property
    def store(self) -> Store | None:
        """The store, opened when it is first wanted; None where there is none, or it cannot be opened."""
        from cvimake.builder.store.place import StoreError  # noqa: PLC0415 - only needed where something is stale

        with self._guard:
            if not self._is_known:
                choice, self._is_known = self._chosen(), True
                self._choice = choice if choice.url else None
            if self._store is None and self._choice is not None:
                try:
                    self.prepare(self._choice.url)
                    self._store = open_store(self._choice)
                except (CvimakeError, StoreError) as error:
                    announce.note(
                        f"warning: the store {self._choice.url} is left alone in this build: {error}"
                    )
                    self._choice = None
            return self._store

    def hit(self, seconds_saved: float) -> None:
        """Count a stage whose results came from the store."""
        self._count(hits=1, seconds_saved=max(0.0, seconds_saved))

    def miss(self) -> None:
        """Count a stage whose results were not in the store."""
        self._count(misses=1)

    def keep(self, key: str, entry: Entry, files: Mapping[str, Path]) -> None:
        """Begins to put a finished action's outputs into it."""
        store = self.store
        if store is None or not store.takes_results:
            return
        self._count(kept=1)
        self._jobs.put(lambda: store.keep(key, entry, files))
        if self._keeper is None:
            # A process does not wait for a daemon thread; `finish` waits as long as it makes progress.
            self._keeper = threading.Thread(target=self._work, name="store", daemon=True)
            self._keeper.start()

    def finish(self) -> None:
        """Wait until all results are in the store, make room in it, and note how useful it was."""
        keeper, self._keeper = self._keeper, None
        if keeper:
            self._jobs.put(None)
            keeper.join(_SOON)
            if keeper.is_alive():
                with announce.step("putting results into the store"):
                    keeper.join()
        uses, self._uses = self._uses, None
        if uses is None or self._choice is None:
            return
        from cvimake.builder.store import statistics  # noqa: PLC0415 - only needed where something was stale

        statistics.add(database(self._environment), self._choice.url, uses)
        if uses.kept and self._choice.folder and self._store and self._store.takes_results:
            self._evict(self._choice)

    def end(self) -> None:
        """Give up all work: the build is interrupted."""
        if self._store:
            self._store.end()

    def _evict(self, choice: Choice) -> None:
        """Remove the entries above the limit. In a remote store that is slow, so `store:gc` does it."""
        from cvimake.builder.store import eviction  # noqa: PLC0415 - only needed where something was kept
        from cvimake.builder.store.place import StoreError  # noqa: PLC0415 - the same

        try:
            if self._store:
                eviction.evict(self._store.place, choice.limit)
        except (OSError, StoreError) as error:
            announce.note(f"warning: the store {choice.url}: {error}")

    def _work(self) -> None:
        while job := self._jobs.get():
            job()

    def _count(self, hits: int = 0, misses: int = 0, kept: int = 0, seconds_saved: float = 0.0) -> None:
        """Add to the counts of this build. Several threads call it."""
        from cvimake.builder.store.statistics import Uses  # noqa: PLC0415 - only needed where something is stale

        with self._guard:
            uses = self._uses = self._uses or Uses()
            uses.hits += hits
            uses.misses += misses
            uses.kept += kept
            uses.seconds_saved += seconds_saved


def database(environment: Mapping[str, str]) -> Path:
    """Where it is kept what stores have been good for."""
    return user_cache(environment) / "stores.sqlite"
