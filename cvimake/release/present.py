"""Compares a project as it is now with its last release."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cvimake.release import difference, opened
from cvimake.release.contents import PROVENANCE, Content
from cvimake.release.difference import EVERYTHING, Change, Contents
from cvimake.release.publish import RECORD_SUFFIX

_RECORD = "record.json"


def last_release(folder: Path) -> Path | None:
    """Return the release in a folder that was made last; None if there is none."""
    try:
        found = [path for path in folder.iterdir() if (path / PROVENANCE).is_file()]
    except OSError:
        return None
    return max(found, key=lambda path: (_ended(path), path.name), default=None)


def _ended(release: Path) -> str:
    """Return when a release was made, in a form that can be sorted; empty if its record does not say it."""
    try:
        record = json.loads((release.with_name(release.name + RECORD_SUFFIX) / _RECORD).read_bytes())
        return str(record["ended"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


class _Unwritten:
    """The files of a release that nobody has written, to be read as those of a real one."""

    def __init__(self, label: str, files: Mapping[str, Content]) -> None:
        self.path = Path(label)
        self.label = label
        self.faults: list[str] = []
        self._files = files
        self.sizes = {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in files.items()
        }

    def open(self, name: str) -> BinaryIO:
        """Open one of its files for reading."""
        content = self._files[name]
        return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def compared(release: Path, files: Mapping[str, Content]) -> tuple[Contents, Contents]:
    """Return the contents of a release, and those that it would have now.

    Args:
        release: its folder.
        files: the files that a release of the project as it is now would have.

    Raises:
        CvimakeError: the release cannot be read.
        OSError: a file is gone.
    """
    old = difference.read(opened.open_release(release))
    return old, difference.read(_Unwritten("now", files))


def of_model(model: str, others: frozenset[str], found: list[Change]) -> tuple[Change, ...]:
    """Return the changes that concern a model.

    Args:
        model: its name.
        others: the names of all other models.
        found: all changes.
    """
    return tuple(change for change in found if _concerns(change, model, others))


def _concerns(change: Change, model: str, others: frozenset[str]) -> bool:
    if change.subject != EVERYTHING:
        return change.subject.startswith(f"{model}/")
    words = change.what.removeprefix("source ").removeprefix("files in ").removeprefix("accuracy of ")
    parts = words.split(" ")[0].replace(":", "/").split("/")
    # `shapes:mix_qtable --expected_cos`, `source models/shapes/model.toml`, `accuracy of shapes in float`.
    return model in parts or others.isdisjoint(parts)
