"""A project of one's own and another version of cvimake, which puts itself into the project."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lab import HANGS_AFTER, ROOT, environment

from cvimake import __version__

OTHER = "99.0.0"


def copy_checkout(folder: Path, version: str) -> None:
    """Copies this cvimake as a checkout of another version."""
    for name in ("cvimake", "docker", "requirements", "tests/models", "tests/datasets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "doit"):
        shutil.copy(ROOT / name, folder)
    path = folder / "cvimake" / "__init__.py"
    text = path.read_text(encoding="utf-8")
    assert text.count(f'__version__ = "{__version__}"') == 1
    path.write_text(text.replace(f'"{__version__}"', f'"{version}"'), encoding="utf-8")


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=project, env=own, capture_output=True, text=True, check=False, timeout=HANGS_AFTER
    )


def test_a_project_moves_to_another_cvimake_and_back(tmp_path: Path) -> None:
    project = tmp_path / "mine"
    new = [sys.executable, "-m", "cvimake.cli", "new", str(project)]
    subprocess.run(new, cwd=ROOT, env=environment(), check=True, capture_output=True, timeout=HANGS_AFTER)
    again = subprocess.run(
        new, cwd=ROOT, env=environment(), check=False, capture_output=True, text=True, timeout=HANGS_AFTER
    )
    assert again.returncode == 2
    assert "is there already and not empty" in again.stderr
    assert "--update puts this cvimake into a project" in again.stderr

    other = tmp_path / "other"
    other.mkdir()
    copy_checkout(other, OTHER)
    # Each of the two cvimakes puts itself into the project: first the other one, then this one again.
    for checkout, version in ((other, OTHER), (ROOT, __version__)):
        update = subprocess.run(
            [sys.executable, "-m", "cvimake.cli", "new", "--update", str(project)], cwd=checkout,
            env={**environment(), "PYTHONPATH": str(checkout)}, check=False, capture_output=True, text=True,
            timeout=HANGS_AFTER,
        )  # fmt: skip
        assert update.returncode == 0, update.stderr
        assert f"now uses cvimake {version}" in update.stdout
        listed = run(project, "./doit", "list")
        assert listed.returncode == 0, listed.stderr
        assert f"installing cvimake=={version}" in listed.stderr
        assert "tiny" in listed.stdout
        asked = run(project, ".venv/bin/python", "-c", "import cvimake; print(cvimake.__version__)")
        assert asked.stdout == f"{version}\n"


def test_a_wheel_of_another_version_in_the_projects_folder_is_not_installed(tmp_path: Path) -> None:
    project = tmp_path / "mine"
    new = [sys.executable, "-m", "cvimake.cli", "new", str(project)]
    subprocess.run(new, cwd=ROOT, env=environment(), check=True, capture_output=True, timeout=HANGS_AFTER)
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace(f"cvimake=={__version__}", f"cvimake=={OTHER}"), encoding="utf-8")
    refused = run(project, "./doit", "list")
    assert refused.returncode == 2
    assert "cvimake" in refused.stderr
