"""`doctor`: tell what a build needs, what is missing, and what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from cvimake.builder import leftovers, unbuildable
from cvimake.cli import disk_use, surroundings
from cvimake.cli.base import PlainCommand
from cvimake.core import terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError
from cvimake.core.system import has_avx2
from cvimake.execution.engine import connection
from cvimake.execution.engine.choice import DOCKER, chosen
from cvimake.execution.image import making
from cvimake.execution.image.base import find_python
from cvimake.execution.image.recipe import Recipe
from cvimake.project import read_declarations

GIGABYTE = 1000**3
# The toolchain image and its base, while they are made.
DISK_FOR_IMAGE = 8 * GIGABYTE
# The weights, references and cvimodels of one model.
DISK_FOR_BUILD = 1 * GIGABYTE
# Enough for the tools and a small model; a calibration of YOLOv5s takes 3.3 GB.
MEMORY = 2 * GIGABYTE
MEMORY_FOR_CALIBRATION = 4 * GIGABYTE


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        good: a build can run.
        mark: stands before a result that is not good; seven characters.
        remedy: what to do if it is not good, or could be better.
    """

    what: str
    good: bool
    seen: str
    remedy: str = ""
    mark: str = "MISSING"


class Doctor(PlainCommand):
    """Check everything that a build needs. Changes nothing."""

    doc_purpose = "check what a build needs, and say what is missing and what to do"
    doc_usage = ""
    doc_description = "Exit code 0 if a build can run now, 2 if something is missing."

    def perform(self, _options: dict[str, Any], _arguments: list[str]) -> int:
        """Print the findings."""
        findings = list(examine(surroundings.folder(), surroundings.variables()))
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            mark = "ok     " if finding.good else finding.mark
            terminal.line(f"{mark} {finding.what:{width}}  {finding.seen}")
            for line in finding.remedy.splitlines():
                terminal.line(f"{'':{len(mark) + width + 3}}{line}")
        good = all(finding.good for finding in findings)
        terminal.line("A build can run." if good else "A build cannot run yet.")
        return 0 if good else EXIT_NOT_POSSIBLE


def examine(root: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each thing that a build in a folder needs."""
    yield Finding("versions", good=True, seen=_versions())
    yield _processor()
    yield _memory()
    yield _room("disk here", root, DISK_FOR_BUILD)
    yield _models(root)
    yield from _leftovers(root)
    yield from _disk_use(root, environment)
    try:
        client = connection.find(environment)
    except CvimakeError as error:
        yield _without_engine(error, environment)
        return
    version, info = client.version(), client.info()
    rootless = ", rootless" if "name=rootless" in (info.get("SecurityOptions") or []) else ""
    seen = f"Docker {version['Version']} at {client.api.base_url.replace('http+docker://', '')}{rootless}"
    yield Finding("engine", good=True, seen=seen.removesuffix(" at localhost"))
    yield from _image(client, Path(info["DockerRootDir"]), environment)


def _versions() -> str:
    names = ("cvimake", "doit", "docker")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
    return ", ".join([*versions, f"Python {platform.python_version()}"])


def _processor() -> Finding:
    machine = platform.machine()
    if machine != "x86_64":
        return Finding(
            "processor",
            good=True,
            seen=f"{machine}; the toolchain is compiled for x86-64, and emulated here",
            remedy="An engine on an x86-64 machine is many times faster: DOCKER_HOST=ssh://...",
        )
    seen = f"x86-64, {os.cpu_count()} cores"
    if not has_avx2():
        remedy = (
            "Calibration tables and references will differ in the last bits from those of other machines."
        )
        return Finding("processor", good=True, seen=f"{seen}, without AVX2", remedy=remedy)
    return Finding("processor", good=True, seen=f"{seen}, AVX2")


def _memory() -> Finding:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    kibibytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    total = kibibytes["MemTotal"] * 1024
    seen = f"{total / GIGABYTE:.1f} GB, {kibibytes['MemAvailable'] * 1024 / GIGABYTE:.1f} free"
    remedy = ""
    if total < MEMORY_FOR_CALIBRATION:
        remedy = f"Calibrating larger models takes {MEMORY_FOR_CALIBRATION / GIGABYTE:.0f} GB."
    return Finding("memory", good=total >= MEMORY, seen=seen, remedy=remedy)


def _room(what: str, folder: Path, needed: int) -> Finding:
    free = shutil.disk_usage(folder).free
    good = free >= needed
    remedy = "" if good else f"Free at least {needed / GIGABYTE:.0f} GB in {folder}."
    return Finding(what, good=good, seen=f"{free / GIGABYTE:.1f} GB free in {folder}", remedy=remedy)


def _models(root: Path) -> Finding:
    """Tell whether the models are declared so that they can be built."""
    try:
        declarations = read_declarations(root)
    except CvimakeError as error:
        return Finding("models", good=False, seen="the settings are wrong", remedy=str(error), mark="WRONG  ")
    held = unbuildable.of_declarations(declarations, root).values()
    wrong, waiting = ([each for each in held if each.is_wrong is is_wrong] for is_wrong in (True, False))
    count = len(declarations.models) + len(declarations.unusable)
    parts = [f"{count - len(held)} can be built"]
    parts += [
        f"{len(each)} {what}" for each, what in ((waiting, "wait"), (wrong, "declared wrongly")) if each
    ]
    texts = [*declarations.mistakes, *(model.error.in_short for model in (*wrong, *waiting))]
    return Finding("models", good=not wrong, seen=", ".join(parts), remedy="\n".join(texts), mark="WRONG  ")


def _leftovers(root: Path) -> Iterator[Finding]:
    """Tell of results whose models are no longer declared."""
    try:
        declarations = read_declarations(root)
    except CvimakeError:
        return
    declared = {*declarations.models, *declarations.unusable}
    if found := leftovers.find(root / "build", declared):
        names = " ".join(each.name for each in found)
        sizes = ", ".join(f"{each.name} ({each.size / GIGABYTE * 1000:.1f} MB)" for each in found)
        yield Finding(
            "leftovers",
            good=True,
            seen=f"results of models that are no longer declared: {sizes}",
            remedy=f"./doit clean {names} removes them.",
        )


def _disk_use(root: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Tell what takes disk space beside the results."""
    try:
        uses = list(disk_use.find(root, environment))
    except CvimakeError:
        # The models' finding tells that the settings are wrong.
        return
    for number, use in enumerate(uses, 1):
        names = " ".join(dict.fromkeys(use.name for use in uses))
        remedy = (
            f"./doit clean --cache NAME ... removes what is named: {names}." if number == len(uses) else ""
        )
        yield Finding(f"keeps: {use.name}", good=True, seen=str(use), remedy=remedy)


def _without_engine(error: CvimakeError, environment: Mapping[str, str]) -> Finding:
    """Tell what a build does if no engine answers."""
    remedy = _engine_remedy(error, environment)
    python = find_python(environment, movable=False, fetch=False)
    stays = (
        connection.can_bring_up(environment)
        or chosen(environment) == DOCKER
        or not connection.is_this_machines(environment)
    )
    if stays or python is None:
        return Finding("engine", good=False, seen=error.cause, remedy=remedy)
    seen = f"{error.cause}: stages would run without containers, with {python}"
    return Finding("engine", good=True, seen=seen, remedy=f"For isolation:\n{remedy}")


def _engine_remedy(error: CvimakeError, environment: Mapping[str, str]) -> str:
    if error.remedy:
        return error.remedy
    by_itself = "./doit brings it up by itself, or by hand:\n" if connection.can_bring_up(environment) else ""
    return by_itself + connection.by_hand(environment)


def _image(client: docker.DockerClient, storage: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    # Only the storage of a local engine can be looked at, and not every user may.
    can_look = storage.is_dir() and os.access(storage, os.R_OK)
    try:
        found = making.find(client, Recipe.from_environment(environment))
    except CvimakeError as error:
        yield Finding("image", good=False, seen=str(error))
        return
    if found:
        tpu_mlir = found.identity["packages"]["tpu-mlir"]["version"]
        seen = f"tpu_mlir {tpu_mlir}, fingerprint {found.fingerprint[:12]}; base: {found.base}"
        yield Finding("image", good=True, seen=seen)
    else:
        remedy = f"./doit image builds it ({Recipe.duration})."
        yield Finding("image", good=False, seen="not built yet", remedy=remedy)
        if can_look:
            yield _room("disk for it", storage, DISK_FOR_IMAGE)
