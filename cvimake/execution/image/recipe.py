"""What the user can choose about the images that steps run in, and what decides their contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cvimake.core import digest
from cvimake.core.errors import ImageError
from cvimake.core.resources import container_program, docker_folder

WHEEL_VARIABLE = "CVIMAKE_TPU_MLIR_WHEEL"
BASE_VARIABLE = "CVIMAKE_BASE"
# What the result is made from, beside the base.
FILES = (
    "Dockerfile",
    "build-requirements.txt",
    "onnx-requirements.txt",
    "requirements.txt",
    "source-requirements.txt",
)
# The program that finds out the identity of what was made, and what it imports.
FILES_PROGRAM = "installed_files"
IDENTITY_PROGRAMS = ("toolchain_identity", FILES_PROGRAM)
# The same of the image with PyTorch and TensorFlow, beside the toolchain image that it is made on.
FRAMEWORKS_FILES = (
    "frameworks.Dockerfile",
    "build-requirements.txt",
    "frameworks-requirements.txt",
    "without-cuda.sh",
)
FRAMEWORKS_IDENTITY_PROGRAMS = ("frameworks_identity", *IDENTITY_PROGRAMS)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the toolchain image is to be made.

    Attributes:
        base: the base image's name; empty for the official one, or a bootstrapped one in its place.
        wheel: a local tpu_mlir wheel; None for the locked one.
        files: what it is made from beside the base; a Dockerfile and what that copies.
        identity_programs: the program that finds out what computes in it, and what that imports.
        what: people call it.
    """

    base: str = ""
    wheel: Path | None = None
    files: ClassVar[tuple[str, ...]] = FILES
    identity_programs: ClassVar[tuple[str, ...]] = IDENTITY_PROGRAMS
    what: ClassVar[str] = "toolchain"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Recipe:
        """Return the user's choice.

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
        """Equal for recipes that make equal images of equal bases; a JSON value."""
        return {
            "base": self.base,
            "wheel": digest.of_file(self.wheel) if self.wheel else "",
            "files": {name: digest.of_file(docker_folder() / name) for name in FILES},
            "identity": {name: digest.of_file(container_program(name)) for name in IDENTITY_PROGRAMS},
        }

    def digest(self) -> str:
        """The sha256 of the definition."""
        return digest.of_value(self.definition())


@dataclass(frozen=True, kw_only=True)
class FrameworksRecipe(Recipe):
    """How the image with PyTorch and TensorFlow is to be made, on the toolchain image.

    Attributes:
        toolchain: the fingerprint of the toolchain image; empty where it is not known yet.
    """

    toolchain: str = ""
    files: ClassVar[tuple[str, ...]] = FRAMEWORKS_FILES
    identity_programs: ClassVar[tuple[str, ...]] = FRAMEWORKS_IDENTITY_PROGRAMS
    what: ClassVar[str] = "frameworks"

    def definition(self) -> dict[str, object]:
        """Equal for recipes that make equal images of equal bases; a JSON value."""
        return {
            "toolchain": super().definition(),
            "fingerprint": self.toolchain,
            "files": {name: digest.of_file(docker_folder() / name) for name in FRAMEWORKS_FILES},
            "identity": digest.of_file(container_program(FRAMEWORKS_IDENTITY_PROGRAMS[0])),
        }
