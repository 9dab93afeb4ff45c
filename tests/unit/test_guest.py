"""Somebody else's doit project in an environment where cvimake is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import doit
import pytest

from cvimake.cli import own_wheel

DODO = """
def task_write():
    "writes a file"
    return {
        "actions": ["cp source result"],
        "file_dep": ["source"],
        "targets": ["result"],
        "params": [{"name": "jobs", "short": "j", "default": 1, "type": int}],
    }
"""
COMMANDS = (
    "help", "help run", "help info", "list --all --status", "info write", "run", "run", "list --status",
    "info write", "-n 2", "run -a", "dumpdb", "reset-dep", "ignore write", "run", "forget write",
    "strace write", "run --backend records", "clean", "plan", "graph", "release",
)  # fmt: skip


def environment(folder: Path, wheel: Path | None) -> Path:
    """Make an environment with doit and, where a wheel is given, with that; return its Python."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "doit").symlink_to(Path(doit.__file__).parent)
    if wheel:
        pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run(
            [*pip, "--no-index", "--no-deps", "--no-compile", "--target", str(packages), str(wheel)],
            check=True,
        )
    return folder / "bin" / "python"


def session(python: Path, project: Path) -> list[tuple[str, int, str, str]]:
    """Run all commands, one after another, in a new project; return what each printed."""
    project.mkdir()
    (project / "dodo.py").write_text(DODO, encoding="utf-8")
    (project / "source").write_text("something\n", encoding="utf-8")
    os.utime(project / "source", (0, 0))  # doit records the time
    ended = []
    for command in COMMANDS:
        result = subprocess.run(
            [python, "-I", "-m", "doit", *command.split()],
            cwd=project, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        ended.append((command, result.returncode, result.stdout, result.stderr))
    return ended


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    own_wheel.put_into(folder)
    (built,) = folder.glob(".cvimake/*.whl")
    return built


def test_an_installed_cvimake_changes_nothing_there(tmp_path: Path, wheel: Path) -> None:
    plain = session(environment(tmp_path / "without", None), tmp_path / "project")
    (tmp_path / "project").rename(tmp_path / "before")
    python = environment(tmp_path / "with", wheel)
    installed = [str(python), "-I", "-c", "import cvimake; print(cvimake.__file__)"]
    assert str(tmp_path) in subprocess.run(installed, check=True, capture_output=True, text=True).stdout
    guest = session(python, tmp_path / "project")
    assert guest == plain
    # These commands do something in both.
    ended = {command: (code, out) for command, code, out, _ in plain}
    assert ended["help"][0] == ended["info write"][0] == ended["forget write"][0] == 0
    assert ended["plan"][0] == ended["run --backend records"][0] == 3
