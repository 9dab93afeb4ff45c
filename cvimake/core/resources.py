"""Files that are not Python and travel with the package."""

from __future__ import annotations

import functools
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def docker_folder() -> Path:
    """The folder with the image's recipe: in the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "docker"
    return installed if installed.is_dir() else _PACKAGE.parent / "docker"


def step(name: str) -> Path:
    """A program of `cvimake/toolchain/container`, which runs inside the container."""
    return _PACKAGE / "toolchain" / "container" / f"{name}.py"


@functools.cache
def step_package(name: str) -> dict[str, Path]:
    """A program of `cvimake/toolchain/container` that is several files, by their names where it runs."""
    folder = _PACKAGE / "toolchain" / "container" / name
    return {f"{name}/{path.name}": path for path in sorted(folder.glob("*.py"))}


def new_project() -> dict[str, Path]:
    """The example that `./doit new` copies, by its place in the new project."""
    installed, checkout = _PACKAGE / "new", _PACKAGE.parent
    example = installed if installed.is_dir() else checkout / "tests"
    return {name: example / name for name in ("models/tiny", "datasets/tiny")}


def launcher_files() -> dict[str, Path]:
    """The files of a project that belong to cvimake, by their places there."""
    installed = _PACKAGE / "new" / "doit"
    return {
        "doit": installed if installed.is_file() else _PACKAGE.parent / "doit",
        ".cvimake/environment.py": _PACKAGE / "cli" / "environment.py",
    }


def checkout() -> Path | None:
    """The checkout that this package is run from; None where it was installed."""
    root = _PACKAGE.parent
    return root if (root / "requirements").is_dir() and (root / "pyproject.toml").is_file() else None
