"""Finds a dataset's image by the name that labels have for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from cvimake.project.labels.values import LabelledImage


class ImageNames:
    """The images of a dataset, by name.

    A name in labels is relative to a folder that only the author knew: `0001.jpg` and `test/0001.jpg` can
    both mean `/data/test/0001.jpg`. It fits an image if the image's path ends in it.
    """

    def __init__(self, images: Sequence[LabelledImage], folder: Path) -> None:
        self._exact = {image.name: index for index, image in enumerate(images)}
        self._by_last: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        for index, image in enumerate(images):
            path = folder.absolute() / image.name
            self._by_last.setdefault(path.name, []).append((index, path.parts))

    def of(self, name: str) -> tuple[int, ...]:
        """Return the indices of the images that a name fits."""
        name = name.replace("\\", "/")
        if name in self._exact:
            return (self._exact[name],)
        parts = PurePosixPath(name).parts
        candidates = self._by_last.get(parts[-1], []) if parts else []
        return tuple(index for index, path in candidates if path[-len(parts) :] == parts)
