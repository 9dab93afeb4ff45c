"""Who reads a `dodo.py`: cvimake, and plain `doit` in a project of cvimake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cvimake.cli.new import New

CHECKOUT = Path(__file__).parents[3]


def run(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", program, *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, timeout=60,
    )  # fmt: skip


def test_plain_doit_refuses_a_new_project_and_names_the_right_program(tmp_path: Path) -> None:
    project = tmp_path / "mine"
    assert New().perform({"update": False}, [str(project)]) == 0
    before = sorted(project.rglob("*"))
    for command in ("run", "list", "info", "clean", "forget"):
        result = run(project, "doit", command)
        assert (result.returncode, result.stdout) == (3, "")
        assert result.stderr == (
            "ERROR: plain `doit` cannot build a project of cvimake: use `./doit` or `cvimake` instead.\n"
        )
    assert sorted(project.rglob("*")) == before
    listed = run(project, "cvimake.cli", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "tiny" in listed.stdout


def test_a_folder_without_a_dodo_py_is_told_how_to_make_a_project(tmp_path: Path) -> None:
    for command in ([], ["plan"], ["list"]):
        result = run(tmp_path, "cvimake.cli", *command)
        assert (result.returncode, result.stdout) == (3, "")
        assert "dodo.py" in result.stderr
        assert "`new DIR` makes a project" in result.stderr
    assert list(tmp_path.iterdir()) == []
