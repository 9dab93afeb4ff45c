"""Results of models that are no longer declared, or are called otherwise now."""

from __future__ import annotations

import glob
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

LOGS = "logs"


@dataclass(frozen=True)
class Leftover:
    """The remains of a model that is no longer declared."""

    name: str
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.files)

    def remove(self) -> None:
        """Remove its files, and the folders that are empty then."""
        for path in self.files:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self.files}:
            if not any(folder.iterdir()):
                folder.rmdir()


def asked(build: Path, name: str) -> Leftover:
    """Return the results of a model's previews that were made with images or options of their own."""
    return Leftover(name, tuple(sorted((build / name).glob(f"{glob.escape(name)}*_asked_*"))))


def find(build: Path, declared: Container[str]) -> list[Leftover]:
    """Everything in the folder of results that is of no declared model.

    Only files that are called as results of a model count: `build/NAME/NAME_*` and `build/NAME/NAME.*`.

    Args:
        build: the folder of results.
        declared: the names of the models whose results are to stay.
    """
    folders = sorted(build.iterdir()) if build.is_dir() else []
    found = []
    for folder in folders:
        name = folder.name
        if not folder.is_dir() or folder.is_symlink() or name == LOGS or name in declared:
            continue
        results = sorted(
            path
            for path in folder.iterdir()
            if path.is_file() and path.name.startswith((f"{name}.", f"{name}_"))
        )
        if results:
            found.append(Leftover(name, (*results, *sorted((build / LOGS / name).glob("*.log")))))
    return found
