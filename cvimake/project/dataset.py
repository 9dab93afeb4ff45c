"""`dataset.toml`: samples to calibrate and search with, and the files that they are made of."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import model_validator

from cvimake.core import toml
from cvimake.project.declared import Declared, FileName, Texts, example, unusable_file
from cvimake.project.fetch import Fetch
from cvimake.project.fetch import missing as missing_of

# The files that the toolchain takes as samples (tpu_mlir 1.7, data_selector.py).
IMAGES = frozenset({".jpg", ".bmp", ".png", ".jpeg", ".jfif"})
ARRAYS = frozenset({".npy", ".npz"})
# The most bytes of a list of samples: a million lines.
_MOST_BYTES = 64 * 1024 * 1024


class Dataset(Declared):
    """One `dataset.toml`."""

    description: Annotated[str, example("Photos of cats")] = ""
    """A line about the dataset."""
    folder: Annotated[FileName, example("../photos")] = "."
    """The folder with the files, relative to the dataset's folder."""
    files: Annotated[Texts, example(["*.jpg"])] = ("**/*",)
    """Patterns relative to that folder; the images, npz and npy that they match are the samples."""
    data_list: Annotated[FileName | None, example("samples.txt")] = None
    """Instead of patterns: a file with one sample on each line; commas join the files of several inputs."""
    labels: Annotated[FileName | None, example("labels.json")] = None
    """The correct answers, relative to the dataset's folder: COCO JSON, a data.yaml or a folder of txt files
    of Ultralytics, or for a classifier the folder that holds one folder for each class."""
    fetch: Fetch | None = None
    """Where its files come from."""

    @model_validator(mode="after")
    def _one_source(self) -> Dataset:
        if self.data_list and "files" in self.model_fields_set:
            raise ValueError("files and data_list exclude each other")
        return self


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples as they lie in the container.

    Attributes:
        files: the files, by their path below the mount.
        lines: the paths of the files of each sample, in the order of a list; None if the tool chooses
            from the folder.
    """

    files: dict[str, Path]
    lines: tuple[tuple[str, ...], ...] | None = None

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(self.files if self.lines is None else self.lines)

    @functools.cached_property
    def kinds(self) -> set[str]:
        """The kinds of the files: image, npy, npz."""
        return {_kind(path) for path in self.files}


@dataclass(frozen=True, kw_only=True)
class DeclaredDataset:
    """A dataset with its name and the folder that its paths are relative to."""

    name: str
    folder: Path
    dataset: Dataset

    @property
    def files_folder(self) -> Path:
        """The folder with the files."""
        return self.folder / self.dataset.folder

    @property
    def labels(self) -> Path | None:
        """The file or folder with the labels, if there are any."""
        return self.folder / self.dataset.labels if self.dataset.labels else None

    @functools.cached_property
    def missing(self) -> tuple[str, ...]:
        """The files that are still to be fetched, relative to its folder; the dataset waits for them."""
        return missing_of(self.dataset.fetch, self.folder) if self.dataset.fetch else ()

    @functools.cached_property
    def samples(self) -> Samples:
        """The samples as they are on the disk; looked for once, however many models use them.

        Raises:
            OSError: the list cannot be read.
            ValueError: a pattern or the list leads out of the folder, or a sample is not a regular file or
                has a name that cannot be used.
        """
        if self.dataset.data_list:
            return read_list(self.folder / self.dataset.data_list, self.files_folder)
        for pattern in self.dataset.files:
            if _leads_out(pattern):
                raise ValueError(
                    f"{pattern} must be a relative path without '..', inside of {self.files_folder}"
                )
        found = {
            path.relative_to(self.files_folder).as_posix(): path
            for pattern in self.dataset.files
            for path in self.files_folder.glob(pattern)
            if _kind(path.name) and not _is_folder(path)
        }
        if reason := next(filter(None, map(unusable_file, found)), ""):
            raise ValueError(f"{self.files_folder}: {reason}")
        # If they were left out in silence, a calibration would use fewer samples than there seem to be.
        if name := next((name for name, path in found.items() if not path.is_file()), ""):
            raise ValueError(
                f"{self.files_folder / name} is not a regular file, or is a link to a missing one"
            )
        return Samples(files=dict(sorted(found.items())))


def read_list(path: Path, folder: Path) -> Samples:
    """Return the samples that a list names, relative to a folder.

    Raises:
        OSError: it cannot be read.
        ValueError: an entry leads out of the folder.
    """
    lines = []
    files: dict[str, Path] = {}
    try:
        text = toml.read_plain(path, _MOST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        sample = tuple(part.strip() for part in line.split(","))
        for name in sample:
            if reason := unusable_file(name):
                raise ValueError(f"{path}:{number}: {reason}")
            if _leads_out(name):
                raise ValueError(
                    f"{path}:{number}: {name} must be a relative path without '..', inside of {folder}"
                )
            files[name] = folder / name
        lines.append(sample)
    return Samples(files=files, lines=tuple(lines))


def _is_folder(path: Path) -> bool:
    """Tell whether a path is a folder; a link to itself is not."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _leads_out(name: str) -> bool:
    """Tell whether a path or pattern can name something outside of its folder."""
    return name.startswith("/") or ".." in Path(name).parts


def _kind(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix in IMAGES:
        return "image"
    return suffix[1:] if suffix in ARRAYS else ""


def mixed(kinds: Iterable[str]) -> str:
    """Say why samples of these kinds cannot be used together; return an empty text if they can."""
    kinds = sorted(kinds)
    return f"has samples of different kinds: {', '.join(kinds)}" if len(kinds) > 1 else ""
