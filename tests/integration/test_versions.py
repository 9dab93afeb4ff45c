"""A project of one's own and another version of cvimake: one number in its pyproject.toml."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lab import ROOT, environment

from cvimake import __version__

OTHER = "99.0.0"
SECONDS = 300.0


def build_wheel(folder: Path, version: str, target: Path) -> None:
    """A wheel of this cvimake under another version."""
    for name in ("cvimake", "docker", "requirements", "tests/models", "tests/datasets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "doit"):
        shutil.copy(ROOT / name, folder)
    for path in (folder / "pyproject.toml", folder / "cvimake" / "__init__.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count(f'version__ = "{__version__}"') + text.count(f'\nversion = "{__version__}"') == 1
        path.write_text(text.replace(f'"{__version__}"', f'"{version}"'), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)],
        cwd=folder, check=True, capture_output=True, timeout=SECONDS,
    )  # fmt: skip


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=project, env=own, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def test_a_project_moves_to_another_cvimake_by_one_number_and_back(tmp_path: Path) -> None:
    project = tmp_path / "mine"
    new = [sys.executable, "-m", "doit", "new", str(project)]
    subprocess.run(new, cwd=ROOT, env=environment(), check=True, capture_output=True, timeout=SECONDS)
    again = subprocess.run(
        new, cwd=ROOT, env=environment(), check=False, capture_output=True, text=True, timeout=SECONDS
    )
    assert again.returncode == 2
    assert "is there already and not empty" in again.stderr
    assert "its pyproject.toml" in again.stderr

    pyproject = project / "pyproject.toml"
    first = pyproject.read_text(encoding="utf-8")
    other = first.replace(f"cvimake=={__version__}", f"cvimake=={OTHER}")
    assert other != first
    pyproject.write_text(other, encoding="utf-8")
    missing = run(project, "./doit", "list")
    assert missing.returncode == 2
    assert f"put its wheel into {project}/.cvimake" in missing.stderr

    (tmp_path / "source").mkdir()
    build_wheel(tmp_path / "source", OTHER, project / ".cvimake")
    for text, version in ((other, OTHER), (first, __version__)):
        pyproject.write_text(text, encoding="utf-8")
        listed = run(project, "./doit", "list")
        assert listed.returncode == 0, listed.stderr
        assert f"installing cvimake=={version}" in listed.stderr
        assert "tiny" in listed.stdout
        asked = run(project, ".venv/bin/python", "-c", "import cvimake; print(cvimake.__version__)")
        assert asked.stdout == f"{version}\n"
