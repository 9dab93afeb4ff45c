"""Projects that the tests make: what they declare and what they were built to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import HANGS_AFTER, ROOT, environment

# The declaration of the bundled model's accuracy.
ACCURACY = '[accuracy]\ndataset = "shapes_test"\n'


def doit(folder: Path, *arguments: str, seconds: float = HANGS_AFTER) -> subprocess.CompletedProcess[str]:
    """Run a command of cvimake in a project."""
    return subprocess.run(
        [sys.executable, "-m", "cvimake.cli", *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip


def done(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of cvimake in a project; it must succeed."""
    result = doit(folder, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def copy_shapes(folder: Path, accuracy: str = "") -> None:
    """Copy the bundled model with the datasets that it needs.

    Args:
        folder: the project's folder.
        accuracy: stands in place of ACCURACY. Without it nothing is measured, which would take half a minute.
    """
    shutil.copytree(ROOT / "models" / "shapes", folder / "models" / "shapes")
    for name in ("shapes", "shapes_test") if accuracy else ("shapes",):
        shutil.copytree(ROOT / "datasets" / name, folder / "datasets" / name)
    declaration = folder / "models" / "shapes" / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    assert ACCURACY in text
    declaration.write_text(text.replace(ACCURACY, accuracy), encoding="utf-8")


@dataclass(frozen=True)
class Project:
    """A project with one model, named and declared."""

    folder: Path
    name: str

    @classmethod
    def make(cls, folder: Path, name: str, declaration: str) -> Project:
        model = folder / "models" / name
        model.mkdir(parents=True)
        (model / "model.toml").write_text(declaration, encoding="utf-8")
        shutil.copy(ROOT / "dodo.py", folder)
        return cls(folder, name)

    @property
    def model(self) -> Path:
        """The model's folder."""
        return self.folder / "models" / self.name

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return doit(self.folder, *arguments)

    def built(self, *arguments: str) -> Project:
        done(self.folder, *arguments)
        return self

    def path(self, suffix: str) -> Path:
        return self.folder / "build" / self.name / f"{self.name}{suffix}"

    def json(self, suffix: str) -> Any:  # noqa: ANN401 - whatever the file holds
        return json.loads(self.path(suffix).read_text(encoding="utf-8"))

    def published(self) -> list[str]:
        """The names of all results."""
        return sorted(path.name for path in self.folder.glob("build/*/*") if path.parent.name == self.name)
