"""The recipes of the images that stages run in: the files that they are made from, and the user's choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cvimake.core import digest
from cvimake.core.errors import ImageError
from cvimake.core.resources import container_program, docker_folder
from cvimake.toolchain import commands

WHEEL_VARIABLE = "CVIMAKE_TPU_MLIR_WHEEL"
BASE_VARIABLE = "CVIMAKE_BASE"
# The files that the toolchain image is made from, beside its base.
FILES = (
    "Dockerfile",
    "build-requirements.txt",
    "compile-simulator.sh",
    "interpreter.c",
    "onnx-requirements.txt",
    "requirements.txt",
    "sha256.h",
    "simulator-convolution.h",
    "simulator-copy.h",
    "simulator.c",
    "source-requirements.txt",
)
# The container program that takes an image's fingerprint, and the program that it imports.
FILES_PROGRAM = "installed_files"
IDENTITY_PROGRAMS = ("toolchain_identity", FILES_PROGRAM)
# The same for the image with PyTorch and TensorFlow, which is made on the toolchain image.
FRAMEWORKS_FILES = (
    "frameworks.Dockerfile",
    "build-requirements.txt",
    "frameworks-requirements.txt",
    "without-cuda.sh",
)
FRAMEWORKS_IDENTITY_PROGRAMS = ("frameworks_identity", *IDENTITY_PROGRAMS)
# The same for the image with Ultralytics' exporter, which is made on the base alone.
EXPORT_FILES = (
    "export.Dockerfile",
    "build-requirements.txt",
    "export-requirements.txt",
    "without-cuda.sh",
)
EXPORT_IDENTITY_PROGRAMS = ("export_identity", *IDENTITY_PROGRAMS)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The recipe of the toolchain image.

    Attributes:
        base: the base image's name; empty for the official one, or one made of Debian packages in its place.
        wheel: a local tpu_mlir wheel; None for the locked one.
        files: the files that it is made from, beside the base: a Dockerfile, and the files that this copies.
        identity_programs: the container program that takes its fingerprint, and those that this imports.
        what: the image's name in messages and files.
        package: the Python package whose version is in the image's tag.
        log: the name of the log of its build, in the folder of logs.
        duration: how long it takes to build it, on two cores.
        notice: a text for the user when it is made; empty for none.
    """

    base: str = ""
    wheel: Path | None = None
    files: ClassVar[tuple[str, ...]] = FILES
    identity_programs: ClassVar[tuple[str, ...]] = IDENTITY_PROGRAMS
    what: ClassVar[str] = "toolchain"
    package: ClassVar[str] = "tpu-mlir"
    log: ClassVar[str] = "image.log"
    duration: ClassVar[str] = "2 to 5 minutes"
    notice: ClassVar[str] = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Recipe:
        """Return the recipe that the user has chosen with environment variables.

        Args:
            environment: the variables that cvimake was started with.

        Raises:
            ImageError: the wheel is not there.
        """
        wheel = environment.get(WHEEL_VARIABLE)
        if wheel and not Path(wheel).is_file():
            raise ImageError(f"{WHEEL_VARIABLE}: no file {wheel}")
        return cls(base=environment.get(BASE_VARIABLE, ""), wheel=Path(wheel).resolve() if wheel else None)

    def definition(self) -> dict[str, object]:
        """Return a JSON value that is equal for recipes that make equal images of equal bases."""
        return {
            "base": self.base,
            "wheel": digest.of_file(self.wheel) if self.wheel else "",
            "files": _files(FILES),
            "identity": _programs(IDENTITY_PROGRAMS),
        }

    def digest(self) -> str:
        """Return the sha256 of the definition."""
        return digest.of_value(self.definition())

    @classmethod
    def environment(cls) -> dict[str, str]:
        """Return all variables that a tool sees in this image."""
        return commands.environment()


@dataclass(frozen=True, kw_only=True)
class FrameworksRecipe(Recipe):
    """The recipe of the image with PyTorch and TensorFlow, which is made on the toolchain image.

    Attributes:
        toolchain: the fingerprint of the toolchain image; empty where it is not known yet.
    """

    toolchain: str = ""
    files: ClassVar[tuple[str, ...]] = FRAMEWORKS_FILES
    identity_programs: ClassVar[tuple[str, ...]] = FRAMEWORKS_IDENTITY_PROGRAMS
    what: ClassVar[str] = "frameworks"
    log: ClassVar[str] = "frameworks.log"
    duration: ClassVar[str] = "about 2 minutes"

    def definition(self) -> dict[str, object]:
        """Return a JSON value that is equal for recipes that make equal images of equal bases."""
        return {
            "toolchain": super().definition(),
            "fingerprint": self.toolchain,
            "files": _files(FRAMEWORKS_FILES),
            "identity": digest.of_file(container_program(FRAMEWORKS_IDENTITY_PROGRAMS[0])),
        }


@dataclass(frozen=True, kw_only=True)
class ExportRecipe(Recipe):
    """The recipe of the image with Ultralytics' exporter. The toolchain is no part of it."""

    files: ClassVar[tuple[str, ...]] = EXPORT_FILES
    identity_programs: ClassVar[tuple[str, ...]] = EXPORT_IDENTITY_PROGRAMS
    what: ClassVar[str] = "export"
    package: ClassVar[str] = "ultralytics"
    log: ClassVar[str] = "export.log"
    duration: ClassVar[str] = "about 2 minutes"
    notice: ClassVar[str] = (
        "the export image is made with Ultralytics, whose licence is AGPL-3.0 "
        "(https://ultralytics.com/license); it is downloaded to this machine, and is no part of cvimake"
    )

    def definition(self) -> dict[str, object]:
        """Return a JSON value that is equal for recipes that make equal images of equal bases."""
        return {
            "base": self.base,
            "files": _files(EXPORT_FILES),
            "identity": _programs(EXPORT_IDENTITY_PROGRAMS),
        }

    @classmethod
    def environment(cls) -> dict[str, str]:
        """Return all variables that a tool sees in this image."""
        return commands.export_environment()

    @staticmethod
    def wheels() -> tuple[str, ...]:
        """Return the packages that it is made of and made with, each as NAME==VERSION."""
        files = (docker_folder() / name for name in EXPORT_FILES if name.endswith("requirements.txt"))
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        return tuple(line.split()[0] for line in lines if "==" in line)


def _files(names: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of files in the folder of recipes, by name."""
    return {name: digest.of_file(docker_folder() / name) for name in names}


def _programs(names: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of container programs, by name."""
    return {name: digest.of_file(container_program(name)) for name in names}
