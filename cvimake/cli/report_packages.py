"""The packages that only a report needs: installed when the first report is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from cvimake.cli import environment
from cvimake.core import resources
from cvimake.core.errors import CvimakeError

_MODULES = ("jinja2", "matplotlib", "pycocotools")


def ensure(project: Path) -> None:
    """Install the packages of a report, if this program runs in the environment of the launcher.

    Raises:
        CvimakeError: they cannot be installed, or they are missing in an environment that is not ours.
    """
    try:
        if _add(project, resources.lock_file("report")):
            importlib.invalidate_caches()
            return
    except environment.EnvironmentFailedError as error:
        raise CvimakeError(f"the packages of a report cannot be installed: {error}") from error
    if missing := [name for name in _MODULES if importlib.util.find_spec(name) is None]:
        raise CvimakeError(
            f"a report needs packages that are not installed: {', '.join(missing)}",
            "Install them: pip install 'cvimake[report]'",
        )


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
