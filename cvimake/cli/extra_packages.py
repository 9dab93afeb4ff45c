"""Packages that only some uses of cvimake need. They are installed at the first such use."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from cvimake.cli import environment, surroundings
from cvimake.core import resources
from cvimake.core.errors import CvimakeError


@dataclass(frozen=True)
class Extra:
    """Packages of one use.

    Attributes:
        name: of their lock file, and of cvimake's optional dependency.
        use: for messages.
        modules: those that are imported.
    """

    name: str
    use: str
    modules: tuple[str, ...]


REPORT = Extra("report", "a report", ("jinja2", "matplotlib"))
S3 = Extra("s3", "a store on S3", ("s3fs",))
CLUSTER = Extra("cluster", "a cluster", ("distributed",))
_S3_URLS = ("s3://", "s3a://")


def ensure(extra: Extra) -> None:
    """Install packages, if this program runs in the environment of the launcher.

    Raises:
        CvimakeError: they cannot be installed, or they are missing in an environment that is not ours.
    """
    try:
        if _add(surroundings.folder(), resources.lock_file(extra.name)):
            importlib.invalidate_caches()
            return
    except environment.EnvironmentFailedError as error:
        raise CvimakeError(f"the packages of {extra.use} cannot be installed: {error}") from error
    if missing := [name for name in extra.modules if importlib.util.find_spec(name) is None]:
        raise CvimakeError(
            f"{extra.use} needs packages that are not installed: {', '.join(missing)}",
            f"Install them: pip install 'cvimake[{extra.name}]'",
        )


def ensure_for_store(url: str) -> None:
    """Install what a store at this URL is reached with.

    Drivers for other places than S3 are installed by hand.

    Raises:
        CvimakeError: it cannot be installed, or is missing in an environment that is not ours.
    """
    if url.startswith(_S3_URLS):
        ensure(S3)


def _add(project: Path, lock: Path) -> bool:
    """Install what a lock file lists into `PROJECT/.venv`, beside what is there, if this program runs there.

    Nothing is installed twice. Every other lock file must lock the same versions.

    Returns:
        False if this program runs in another environment, which is not ours to change.

    Raises:
        environment.EnvironmentFailedError: the packages cannot be installed.
    """
    folder = project / ".venv"
    if Path(sys.prefix).resolve() != folder.resolve() or not (folder / environment.MARKS / "place").is_file():
        return False
    with environment.exclusive(project / ".venv.lock"):
        marks = {lock.name: lock.read_text(encoding="utf-8")}
        if not environment.is_marked(folder, marks):
            environment.install(lock, folder)
    return True
