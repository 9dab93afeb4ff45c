"""Stores with entries, for tests."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from cvimake.builder.store import Blob, Entry, Store, action_file


def keep(store: Store, root: Path, key: str, *contents: bytes, age: float = 0.0) -> None:
    files: dict[str, Path] = {}
    blobs: dict[str, Blob] = {}
    for number, content in enumerate(contents):
        path = root / f"{key}_{number}"
        path.write_bytes(content)
        files[path.name] = path
        blobs[path.name] = Blob(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    store.keep(key, Entry(action="net:mlir", seconds=1.0, outputs=blobs), files)
    used = time.time() - age
    os.utime(root / "store" / action_file(key), (used, used))
