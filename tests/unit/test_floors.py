"""The contracts in `pyproject.toml` that say which room may import which."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
# `./doit test` installs it into the environment that runs this.
CHECKER = Path(sys.executable).with_name("lint-imports")
pytestmark = pytest.mark.skipif(
    not CHECKER.exists(),
    reason="import-linter is not in this environment: pip install -r requirements/test.txt",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, in a folder of its own."""
    shutil.copytree(CHECKOUT / "cvimake", tmp_path / "cvimake", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHECKER, "--no-logo", "--no-cache"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def add(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_the_package_keeps_its_contracts(copy: Path) -> None:
    result = check(copy)
    assert (result.returncode, result.stderr) == (0, "")


def test_one_upward_import_breaks_a_contract_even_inside_a_function(copy: Path) -> None:
    add(copy / "cvimake/core/digest.py", "\n\ndef trial():\n    from cvimake.builder import tasks\n")
    result = check(copy)
    assert result.returncode == 1
    assert "cvimake.core.digest -> cvimake.builder.tasks" in result.stdout


def test_a_room_below_the_builder_may_not_import_doit(copy: Path) -> None:
    add(copy / "cvimake/release/sums.py", "\nimport doit\n")
    result = check(copy)
    assert result.returncode == 1
    assert "cvimake.release.sums -> doit" in result.stdout


@pytest.mark.parametrize("module", ["cvimake.core.terminal", "cvimake.project.reader", "os"])
def test_the_pipeline_may_import_nothing_that_touches_the_disk_or_the_terminal(
    copy: Path, module: str
) -> None:
    add(copy / "cvimake/pipeline/stage.py", f"\n\ndef trial():\n    import {module}\n")
    result = check(copy)
    assert result.returncode == 1
    assert f"cvimake.pipeline.stage -> {module}" in result.stdout


def test_a_room_without_a_floor_breaks_a_contract(copy: Path) -> None:
    (copy / "cvimake" / "attic").mkdir()
    (copy / "cvimake" / "attic" / "__init__.py").touch()
    result = check(copy)
    assert result.returncode == 1
    assert "attic" in result.stdout
