"""Projects that the tests make: what they declare and what they were built to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import ROOT, environment

SECONDS = 900.0


def copy_shapes(folder: Path) -> None:
    """Copy the bundled model with its dataset; without its accuracy, which takes half a minute."""
    for kind in ("models", "datasets"):
        shutil.copytree(ROOT / kind / "shapes", folder / kind / "shapes")
    declaration = folder / "models" / "shapes" / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    accuracy = '[accuracy]\ndataset = "shapes_test"\n'
    assert accuracy in text
    declaration.write_text(text.replace(accuracy, ""), encoding="utf-8")


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
        return subprocess.run(
            [sys.executable, "-m", "cvimake.cli", *arguments],
            cwd=self.folder, env=environment(), capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip

    def built(self, *arguments: str) -> Project:
        result = self.doit(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return self

    def path(self, suffix: str) -> Path:
        return self.folder / "build" / self.name / f"{self.name}{suffix}"

    def json(self, suffix: str) -> Any:  # noqa: ANN401 - whatever the file holds
        return json.loads(self.path(suffix).read_text(encoding="utf-8"))

    def published(self) -> list[str]:
        """The names of all results."""
        return sorted(path.name for path in self.folder.glob("build/*/*") if path.parent.name == self.name)
