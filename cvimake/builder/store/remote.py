"""A store behind a URL that fsspec knows: an object store, another machine's files."""

from __future__ import annotations

import contextlib
import hashlib
import math
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.callbacks import Callback

from cvimake.builder.store.place import Beat, DamagedError, Stored, StoreError

# Bytes that are read at once.
_PIECE = 1024 * 1024
# These have buckets in the place of folders, and an upload to them appears whole or not at all. With others,
# a file gets its name when it is complete.
_OBJECT_STORES = frozenset({"abfs", "abfss", "adl", "az", "gcs", "gs", "memory", "oci", "oss", "s3", "s3a"})


class RemotePlace:
    """Files below a URL.

    Args:
        url: as fsspec takes it; its options come from fsspec's own settings and the driver's variables.

    Raises:
        StoreError: there is no driver for it, or it does not take the URL.
    """

    def __init__(self, url: str) -> None:
        with _as_store_error():
            files, self._root = fsspec.core.url_to_fs(url)
            # Files that others have put there meanwhile must be seen.
            files.use_listings_cache = False
            self._files: Any = files
        protocol = self._files.protocol
        self._is_object_store = not _OBJECT_STORES.isdisjoint(
            [protocol] if isinstance(protocol, str) else protocol
        )
        # Empty once it is known to be there, and for other places than object stores.
        self._unproven_bucket = self._root.partition("/")[0] if self._is_object_store else ""

    def read(self, name: str, most: int) -> bytes:
        """See `Place`."""
        return b"".join(self._pieces(name, most))

    def fetch(self, name: str, target: Path, beat: Beat, most: int) -> None:
        """See `Place`."""
        with target.open("wb") as file:
            for piece in self._pieces(name, most):
                file.write(piece)
                beat()

    def sha256(self, name: str, beat: Beat, most: int) -> str:
        """See `Place`."""
        digest = hashlib.sha256()
        for piece in self._pieces(name, most):
            digest.update(piece)
            beat()
        return digest.hexdigest()

    def _pieces(self, name: str, most: int) -> Iterator[bytes]:
        """Read a file piece by piece. A server may send more than it announced, without end.

        Raises:
            FileNotFoundError: there is none of that name.
            DamagedError: there is more of it.
        """
        left = most
        with self._in_bucket(), self._files.open(self._path(name), "rb") as file:
            while piece := file.read(min(_PIECE, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise DamagedError(f"{name} has more than the {most} bytes that were put there")
                yield piece

    def size(self, name: str) -> int | None:
        """See `Place`."""
        try:
            with self._in_bucket():
                return int(self._files.info(self._path(name))["size"])
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """See `Place`."""
        with self._in_bucket(), self._whole(name) as path:
            self._files.pipe_file(path, content)

    def keep(self, name: str, source: Path, beat: Beat) -> None:
        """See `Place`."""
        with self._in_bucket(), self._whole(name) as path:
            self._files.put_file(str(source), path, callback=_Beating(beat))

    def touch(self, name: str) -> None:
        """See `Place`: most of them cannot remember it without writing the file anew."""

    def remove(self, name: str) -> None:
        """See `Place`."""
        with contextlib.suppress(FileNotFoundError), self._in_bucket():
            self._files.rm_file(self._path(name))

    def files(self, folder: str) -> Iterator[Stored]:
        """See `Place`."""
        listed = []
        with contextlib.suppress(FileNotFoundError), self._in_bucket():
            for path, facts in sorted(self._files.find(self._path(folder), detail=True).items()):
                name = self._files._strip_protocol(path).removeprefix(self._root).lstrip("/")  # noqa: SLF001 - fsspec's own callers use it; paths come with and without their beginning
                # Some object stores list an empty folder among its files.
                if name.startswith(f"{folder}/"):
                    listed.append(Stored(name=name, size=int(facts["size"]), used=_written(facts)))
        yield from listed

    @contextlib.contextmanager
    def _in_bucket(self) -> Iterator[None]:
        """Turn every error of a driver into a StoreError, and tell a missing file from a missing bucket.

        Raises:
            FileNotFoundError: there is no file of this name.
            StoreError: the bucket is missing, or the place cannot be used.
        """
        with _as_store_error():
            try:
                yield
            except FileNotFoundError:
                self._require_bucket()
                raise

    def _require_bucket(self) -> None:
        """Raise StoreError if the bucket is missing."""
        if not self._unproven_bucket:
            return
        # Somebody who may use a bucket need not have the right to ask about it.
        with contextlib.suppress(PermissionError):
            try:
                self._files.info(self._unproven_bucket)
            except FileNotFoundError as error:
                what = f"there is no bucket {self._unproven_bucket!r}: make it, or correct the URL"
                raise StoreError(what) from error
        self._unproven_bucket = ""

    @contextlib.contextmanager
    def _whole(self, name: str) -> Iterator[str]:
        path = self._path(name)
        if self._is_object_store:
            # A driver that is asked for a folder would make a missing bucket, even if its name is a mistake.
            self._require_bucket()
            yield path
            return
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        unfinished = f"{path}.{uuid.uuid4().hex}"
        yield unfinished
        self._files.mv(unfinished, path)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


class _Beating(Callback):  # type: ignore[misc] # fsspec has no type information
    """Passes on that a transfer goes on."""

    def __init__(self, beat: Beat) -> None:
        super().__init__()
        self._beat = beat

    def call(self, *_arguments: Any, **_options: Any) -> None:  # noqa: ANN401 - fsspec's signature
        """Give a sign of life; fsspec calls this after each piece."""
        self._beat()


@contextlib.contextmanager
def _as_store_error() -> Iterator[None]:
    """Every driver has errors of its own, and none of them is to end a build."""
    try:
        yield
    except (FileNotFoundError, StoreError, DamagedError):
        raise
    except Exception as error:
        raise StoreError(f"{type(error).__name__}: {error}") from error


def _written(facts: dict[str, Any]) -> float:
    """When a file was written, in seconds since 1970; drivers do not agree on how they say it."""
    for key in ("LastModified", "mtime", "last_modified", "created", "updated"):
        value = facts.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    return 0.0
