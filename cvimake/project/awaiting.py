"""The files that models wait for and that `./doit fetch` downloads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import units
from cvimake.project import presence, rules
from cvimake.project.declarations import Declarations, DeclaredModel
from cvimake.project.fetch import Fetch, missing


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A model or dataset with `[fetch]`.

    Attributes:
        name: its name. A model and a dataset can have the same one.
        folder: its folder, which the paths in `[fetch]` are relative to.
    """

    name: str
    folder: Path
    fetch: Fetch

    @property
    def missing(self) -> tuple[str, ...]:
        """The files that are still to be fetched."""
        return missing(self.fetch, self.folder)

    def size(self, names: Iterable[str]) -> int | None:
        """Return the bytes to download for some of its files; None if a size is not declared."""
        files = [self.fetch.files[name] for name in names]
        # An archive is downloaded whole.
        archives = {file.archive for file in files if file.archive}
        sizes = [file.size for file in files if not file.archive]
        sizes += [self.fetch.archives[name].size for name in archives]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None


def owners(declarations: Declarations) -> Iterator[Owner]:
    """Yield every dataset and model of a project that has `[fetch]`."""
    for dataset in declarations.datasets.values():
        if dataset.dataset.fetch:
            yield Owner(name=dataset.name, folder=dataset.folder, fetch=dataset.dataset.fetch)
    for model in declarations.models.values():
        if model.model.fetch:
            yield Owner(name=model.name, folder=model.folder, fetch=model.model.fetch)


def counted(count: int, owner: str, size: int | None) -> str:
    """Return some files in words: `101 files of coco2017 (17.1 MB)`."""
    files = "1 file" if count == 1 else f"{count} files"
    return f"{files} of {owner}" + (f" ({units.size(size)})" if size is not None else "")


class Awaiting:
    """Tells for each model of a project which owners have to fetch files for it.

    Args:
        declarations: the project's.
        also_fetched: count the files that are there too.
    """

    def __init__(self, declarations: Declarations, *, also_fetched: bool = False) -> None:
        self._datasets = declarations.datasets
        files = {
            owner.folder: (owner, tuple(owner.fetch.files) if also_fetched else owner.missing)
            for owner in owners(declarations)
        }
        # Only those with missing files: a project usually has none.
        self._owners = [owner for owner, names in files.values() if names]
        self._by_path = {
            os.path.normpath(owner.folder / name): owner for owner, names in files.values() for name in names
        }

    def is_fetched(self, path: Path) -> bool:
        """Tell whether a missing file is one that will be fetched."""
        return os.path.normpath(path) in self._by_path

    def owners(self, model: DeclaredModel) -> tuple[Owner, ...]:
        """Return the owners of missing files that a model needs, itself and its datasets among them."""
        if not self._owners:
            return ()
        folders = {model.folder}
        folders |= {self._datasets[name].folder for name in _datasets(model) if name in self._datasets}
        paths = [*model.missing, *(model.folder / name for _, name in presence.named(model.model))]
        owned = [self._by_path.get(os.path.normpath(path)) for path in paths]
        return tuple(owner for owner in self._owners if owner.folder in folders or owner in owned)


def _datasets(model: DeclaredModel) -> Iterator[str]:
    """Yield the names of the datasets whose samples a model's stages read."""
    if model.calibration.dataset and any(rules.needs_calibration(each.options) for each in model.variants):
        yield model.calibration.dataset
    for variant in model.variants:
        if variant.qtable:
            yield variant.qtable.dataset or model.calibration.dataset or ""
    if model.model.accuracy.dataset:
        yield model.model.accuracy.dataset
