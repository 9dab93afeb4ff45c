"""Files that are installed with the package and are not imported."""

from __future__ import annotations

import functools
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_PROGRAMS = _PACKAGE / "toolchain" / "container"


def docker_folder() -> Path:
    """Return the folder with the images' recipes: in the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "docker"
    return installed if installed.is_dir() else _PACKAGE.parent / "docker"


def lock_file(name: str) -> Path:
    """Return a lock file of cvimake's packages, such as `run`."""
    installed = _PACKAGE / "requirements" / f"{name}.txt"
    return installed if installed.is_file() else _PACKAGE.parent / "requirements" / f"{name}.txt"


def container_program(name: str) -> Path:
    """Return the path of a container program, which is a file of `cvimake/toolchain/container`."""
    return _PROGRAMS / f"{name}.py"


def is_container_program(path: Path) -> bool:
    """Tell whether a file is a container program or a part of one."""
    return _PROGRAMS in path.parents


@functools.cache
def container_package(name: str) -> dict[str, Path]:
    """Return the files of a container program that is a package, by their paths in the container."""
    folder = _PROGRAMS / name
    return {f"{name}/{path.name}": path for path in sorted(folder.glob("*.py"))}


def new_project() -> dict[str, Path]:
    """Return the folders of the example that `./doit new` copies, by their places in the new project."""
    installed, checkout = _PACKAGE / "new", _PACKAGE.parent
    example = installed if installed.is_dir() else checkout / "tests"
    return {name: example / name for name in ("models/tiny", "datasets/tiny")}


def launcher_files() -> dict[str, Path]:
    """Return the files that cvimake puts into a project, by their places there."""
    installed = _PACKAGE / "new" / "doit"
    return {
        "doit": installed if installed.is_file() else _PACKAGE.parent / "doit",
        ".cvimake/environment.py": _PACKAGE / "cli" / "environment.py",
    }


def checkout() -> Path | None:
    """Return the checkout that this package is in; None if it was installed from a wheel."""
    root = _PACKAGE.parent
    return root if (root / "requirements").is_dir() and (root / "pyproject.toml").is_file() else None
