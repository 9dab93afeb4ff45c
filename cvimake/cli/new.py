"""`new`: make a project that uses cvimake."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from cvimake import __version__
from cvimake.cli import own_wheel
from cvimake.cli.base import PlainCommand
from cvimake.cli.options import option
from cvimake.cli.surroundings import invoked_from
from cvimake.core import resources, terminal
from cvimake.core.errors import CvimakeError
from cvimake.project.names import NAME

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
# .cvimake has its wheel. `./doit new --update` puts another one there and its number here.
dependencies = ["cvimake=={version}"]

# Plain `doit` says here that it is not the program to use.
[tool.doit]
loader = "cvimake"

[tool.doit.plugins.loader]
cvimake = "cvimake.cli.loaders:PlainDoit"

# The defaults of all models. The declaration of a model can set other values.
[tool.cvimake.deploy]
processor = "cv181x"
"""
_REQUIREMENT = re.compile(r"""(["']cvimake\s*==\s*)[^"']+(["'])""")
_GITIGNORE = """\
/.venv/
/.venv.lock
/build/
/release/
__pycache__/
"""


class New(PlainCommand):
    """Write a project with a launcher, a `dodo.py` of three lines, and a small example."""

    doc_purpose = "make a project of your own that uses cvimake"
    doc_usage = "DIR"
    takes_arguments = True
    cmd_options = (
        option(
            "update",
            bool,
            "replace the cvimake of an existing project by this one, and leave all else as it is",
        ),
    )

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Write the project; no existing file is changed."""
        if len(arguments) != 1:
            raise CvimakeError("`new` takes one folder", "./doit new ../my-models")
        try:
            folder = (invoked_from() / arguments[0]).resolve()
        except (OSError, RuntimeError) as error:  # A link that leads to itself.
            raise CvimakeError(f"{arguments[0]} is no place for a project: {error}") from error
        if options["update"]:
            _update(folder)
            terminal.write(f"{folder} now uses cvimake {__version__}\n")
            return 0
        if not NAME.fullmatch(folder.name):
            raise CvimakeError(
                f"{folder.name!r} cannot be a project's name", "Letters, digits, '_', '.', '-'."
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CvimakeError(
                f"{folder} is there already and not empty",
                "--update puts this cvimake into a project that another one made.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in resources.new_project().items():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        _write_launcher(folder)
        (folder / "dodo.py").write_text(DODO, encoding="utf-8")
        (folder / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
        pyproject = _PYPROJECT.format(name=folder.name, version=__version__)
        (folder / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        terminal.write(f"made {folder}\n  cd {folder} && ./doit\n")
        return 0


def _update(folder: Path) -> None:
    """Replace the cvimake of a project by this one; its models and settings stay as they are."""
    declaration = folder / "pyproject.toml"
    if not (folder / own_wheel.FOLDER).is_dir() or not declaration.is_file():
        raise CvimakeError(
            f"{folder} is no project that `new` made",
            f"It has no {own_wheel.FOLDER} or no pyproject.toml.",
        )
    text, count = _REQUIREMENT.subn(rf"\g<1>{__version__}\g<2>", declaration.read_text(encoding="utf-8"))
    if count != 1:
        raise CvimakeError(
            f"{declaration} names cvimake {count} times", 'Once: dependencies = ["cvimake==…"]'
        )
    _write_launcher(folder)
    declaration.write_text(text, encoding="utf-8")


def _write_launcher(folder: Path) -> None:
    """Write the launcher, the files that it needs, and the wheel that it installs."""
    for name, source in resources.launcher_files().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (folder / "doit").chmod(0o755)
    own_wheel.put_into(folder)
