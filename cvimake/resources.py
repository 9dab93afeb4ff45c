"""Files that are not Python and travel with the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def docker_folder() -> Path:
    """The folder with the image's recipe: in the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "docker"
    return installed if installed.is_dir() else _PACKAGE.parent / "docker"


def step(name: str) -> Path:
    """A program of `cvimake/steps`, which runs inside the container."""
    return _PACKAGE / "steps" / f"{name}.py"
