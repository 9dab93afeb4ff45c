"""Stores with entries, for tests."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from cvimake.builder.store import Blob, Entry, Store, action_file
from cvimake.builder.store.exchange import Exchange


def blob_of(content: bytes) -> Blob:
    return Blob(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def put(exchange: Exchange, folder: Path, content: bytes) -> Blob:
    """Puts a file with these contents into a store."""
    path, blob = folder / "file", blob_of(content)
    path.write_bytes(content)
    exchange.put(path, blob)
    return blob


def keep(store: Store, root: Path, key: str, *contents: bytes, age: float = 0.0) -> None:
    files: dict[str, Path] = {}
    blobs: dict[str, Blob] = {}
    for number, content in enumerate(contents):
        path = root / f"{key}_{number}"
        path.write_bytes(content)
        files[path.name] = path
        blobs[path.name] = blob_of(content)
    store.keep(key, Entry(action="net:mlir", seconds=1.0, outputs=blobs), files)
    used = time.time() - age
    os.utime(root / "store" / action_file(key), (used, used))
