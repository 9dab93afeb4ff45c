"""The disk space that cvimake takes beside a project's results: where, how much, and how it is removed."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker.errors
from docker.models.images import Image

import docker
from cvimake.builder.store import eviction
from cvimake.builder.store.current import Choice, choose, open_store
from cvimake.builder.store.folder import FolderPlace
from cvimake.cli import extra_packages
from cvimake.core import lock, units
from cvimake.core.action import Limits
from cvimake.core.cache import user_cache
from cvimake.core.errors import CvimakeError, EngineError
from cvimake.core.removal import remove_tree
from cvimake.execution.engine import connection
from cvimake.execution.engine.watch import of_folder
from cvimake.execution.image.base import BOOTSTRAPPED
from cvimake.execution.image.making import REPOSITORY
from cvimake.execution.sandbox import INPUTS, LOCKS
from cvimake.execution.shell import SHELLS
from cvimake.project.reader import read_settings

_BOUNDLESS = Limits(workspace=sys.maxsize, files=sys.maxsize)
_LOCAL = "tpu_mlir-*"


@dataclass(frozen=True, kw_only=True)
class Use:
    """Something of cvimake's that takes disk space, and that cvimake makes again when it is needed.

    Attributes:
        name: its name on the command line.
        where: its folder, or its name in the engine.
        what: its purpose.
        size: bytes; None where they are not known.
        remove: removes it. It raises CvimakeError where that is not possible.
    """

    name: str
    where: str
    what: str
    size: int | None
    remove: Callable[[], None]

    def __str__(self) -> str:
        return (
            f"{'size unknown' if self.size is None else units.size(self.size)} in {self.where}: {self.what}"
        )


NAMES = ("store", "images", "base", "toolchain", "inputs", "shell")


def find(root: Path, environment: Mapping[str, str]) -> Iterator[Use]:
    """Yield everything that is there, in the order of NAMES. Without an engine, its images are left out.

    Args:
        root: the project's folder.
        environment: the variables that cvimake was started with.

    Raises:
        CvimakeError: a setting or a variable is wrong.
    """
    yield from _store(root, environment)
    with contextlib.suppress(EngineError):
        yield from _images(connection.find(environment))
    for prefix in sorted(user_cache(environment).glob(_LOCAL)):
        if prefix.is_dir():
            what = "the toolchain without containers"
            turn = prefix.with_suffix(".lock")
            yield _folder("toolchain", prefix, what, functools.partial(_remove, prefix, [turn]))
    inputs, shells = root / INPUTS, root / SHELLS
    if inputs.is_dir():
        what = "copies of inputs, for repeating stages by hand"
        yield _folder("inputs", inputs, what, lambda: _remove_inputs(inputs))
    if shells.is_dir():
        what = "files that you have written in ./doit shell"
        yield _folder("shell", shells, what, lambda: _remove(shells, sorted(shells.rglob(".*.lock"))))


def _folder(name: str, folder: Path, what: str, remove: Callable[[], None]) -> Use:
    return Use(
        name=name, where=str(folder), what=what, size=of_folder(folder, _BOUNDLESS).size, remove=remove
    )


def _store(root: Path, environment: Mapping[str, str]) -> Iterator[Use]:
    settings = read_settings(root).store
    choice = choose(root, environment, settings.url, read_only=settings.read_only, limit=settings.limit)
    what = f"results for all projects, at most {units.size(choice.limit)}"
    if choice.folder and choice.folder.is_dir():
        yield _folder("store", choice.folder, what, lambda: _empty(choice))
    elif choice.url and not choice.folder:
        yield Use(name="store", where=choice.url, what=what, size=None, remove=lambda: _empty(choice))


def _empty(choice: Choice) -> None:
    """Remove everything from a store."""
    if choice.read_only:
        raise CvimakeError(f"the store {choice.url} is used read only here; nothing is removed from it")
    extra_packages.ensure_for_store(choice.url)
    store = open_store(choice)
    if isinstance(store.place, FolderPlace):
        store.place.sweep()
    eviction.evict(store.place, 0)


def _images(client: docker.DockerClient) -> Iterator[Use]:
    found = {
        "images": ("what stages run in", client.images.list(REPOSITORY)),
        "base": ("what the images are made on", client.images.list(BOOTSTRAPPED)),
    }
    every = [image for _, images in found.values() for image in images]
    for name, (what, images) in found.items():
        tags = ", ".join(sorted(tag for image in images for tag in image.tags))
        if images:
            yield Use(
                name=name,
                where=f"the Docker engine ({tags})",
                what=what,
                size=sum(_own_size(image, every) for image in images),
                remove=functools.partial(_remove_images, client, images),
            )


def _own_size(image: Image, every: Sequence[Image]) -> int:
    """Return the bytes of an image without those of the largest other image that it begins with."""
    layers = image.attrs["RootFS"]["Layers"]
    below = [
        int(other.attrs["Size"])
        for other in every
        if len(own := other.attrs["RootFS"]["Layers"]) < len(layers) and layers[: len(own)] == own
    ]
    return int(image.attrs["Size"]) - max(below, default=0)


def _remove_images(client: docker.DockerClient, images: Sequence[Image]) -> None:
    # An image goes before those that it was made on.
    try:
        for image in sorted(images, key=lambda image: str(image.attrs["Created"]), reverse=True):
            client.images.remove(str(image.id), force=True)
    except docker.errors.APIError as error:
        raise CvimakeError(
            f"the engine does not remove all images: {error.explanation}",
            "Wait for running builds, or remove the containers that use them (docker ps --all).",
        ) from error


def _remove(folder: Path, locks: Sequence[Path]) -> None:
    """Remove a folder that nobody uses.

    Raises:
        CvimakeError: another process holds one of the locks.
    """
    with contextlib.ExitStack() as held:
        for path in locks:
            held.enter_context(lock.exclusive(path, f"is removing {folder}", wait=False))
        remove_tree(folder)


def _remove_inputs(folder: Path) -> None:
    """Remove kept inputs. The locks stay: a command without the project's lock may wait for one."""
    with contextlib.ExitStack() as held:
        for path in sorted((folder / LOCKS).glob("*")):
            held.enter_context(lock.exclusive(path, f"is removing {folder}", wait=False))
        for entry in folder.iterdir():
            if entry.name != LOCKS:
                remove_tree(entry)
