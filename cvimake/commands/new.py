"""`new`: a project of one's own that uses cvimake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cvimake import __version__, resources, terminal
from cvimake.commands.base import PlainCommand
from cvimake.commands.run import invoked_from
from cvimake.errors import CvimakeError
from cvimake.spec.declared import NAME

# The whole `dodo.py` of a project that uses cvimake.
DODO = """\
from cvimake.dodo import *

DOIT_CONFIG, task_toolchain, task_models = graph(__file__)
"""
_PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.10"
# Another cvimake is another number here.
dependencies = ["cvimake=={version}"]

# What is common to all models; each can say otherwise.
[tool.cvimake.deploy]
processor = "cv181x"
"""
_GITIGNORE = """\
/.venv/
/.venv.lock
/build/
/release/
"""


class New(PlainCommand):
    """Writes a project with a launcher, the three-line graph and a small example."""

    doc_purpose = "make a project of your own that uses cvimake"
    doc_usage = "DIR"
    takes_arguments = True

    def perform(self, _options: dict[str, Any], arguments: list[str]) -> int:
        """Writes it; nothing that exists is touched."""
        if len(arguments) != 1:
            raise CvimakeError("`new` takes one folder", "./doit new ../my-models")
        try:
            folder = (invoked_from() / arguments[0]).resolve()
        except (OSError, RuntimeError) as error:  # a link that leads to itself
            raise CvimakeError(f"{arguments[0]} is no place for a project: {error}") from error
        if not NAME.fullmatch(folder.name):
            raise CvimakeError(
                f"{folder.name!r} cannot be a project's name", "Letters, digits, '_', '.', '-'."
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CvimakeError(
                f"{folder} is there already and not empty",
                "A project moves to another cvimake by the number in its pyproject.toml.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in resources.new_project().items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
            else:
                shutil.copy(source, target)
        (folder / "doit").chmod(0o755)
        (folder / "dodo.py").write_text(DODO, encoding="utf-8")
        (folder / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
        pyproject = _PYPROJECT.format(name=folder.name, version=__version__)
        (folder / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        if checkout := resources.checkout():
            _build_wheel(checkout, folder / ".cvimake")
        terminal.write(f"made {folder}\n  cd {folder} && ./doit\n")
        return 0


def _build_wheel(checkout: Path, folder: Path) -> None:
    """This very cvimake, for a project made from a checkout: no index need have its version."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CvimakeError("cvimake's own wheel cannot be built", result.stderr.strip())
