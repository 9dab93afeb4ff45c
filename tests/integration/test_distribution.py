"""The sdist and the wheel: made, checked, and installed where nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from lab import HANGS_AFTER, ROOT

from cvimake import __version__
from cvimake.cli import own_wheel


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CVIMAKE_"))}
    return subprocess.run(
        command, cwd=folder, env={**own, "CVIMAKE_STORE": "none"}, capture_output=True, text=True,
        check=False, timeout=HANGS_AFTER,
    )  # fmt: skip


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist; beside it the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("dist")
    made = run(ROOT, sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / f"cvimake-{__version__}.tar.gz"


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    return sdist.with_name(f"cvimake-{__version__}-py3-none-any.whl")


def test_twine_finds_no_fault(sdist: Path, wheel: Path) -> None:
    checked = run(ROOT, sys.executable, "-m", "twine", "--no-color", "check", "--strict", sdist, wheel)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == 2


def test_the_wheel_made_from_the_sdist_is_that_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    own_wheel.put_into(tmp_path)
    (from_checkout,) = tmp_path.glob(".cvimake/*.whl")
    assert contents(wheel) == contents(from_checkout)


def test_the_wheel_has_nothing_of_the_checkout_alone(sdist: Path, wheel: Path) -> None:
    rooms = {name.split("/")[0] for name in contents(wheel)}
    assert rooms == {"cvimake", f"cvimake-{__version__}.dist-info"}
    with tarfile.open(sdist) as archive:
        packed = {name.split("/")[1] for name in archive.getnames()}
    assert packed >= {"bench", "cvimake", "docker", "docs", "doit", "requirements", "tests"}


def test_an_installed_wheel_makes_declares_and_plans_a_project(wheel: Path, tmp_path: Path) -> None:
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    venv.create(environment, with_pip=True)
    installed = run(tmp_path, environment / "bin" / "pip", "install", "--quiet", wheel)
    assert installed.returncode == 0, installed.stderr
    empty.mkdir()
    shutil.copy(ROOT / "tests" / "models" / "tiny" / "tiny.onnx", tmp_path / "net.onnx")
    cvimake = environment / "bin" / "cvimake"

    made = run(empty, cvimake, "new", "mine")
    assert (made.returncode, made.stderr) == (0, "")
    assert f"made {empty}/mine" in made.stdout
    project = empty / "mine"
    assert [path.name for path in (project / ".cvimake").glob("*.whl")] == [wheel.name]

    declared = run(project, cvimake, "init", "../../net.onnx")
    assert declared.returncode == 0, declared.stderr
    assert (project / "models" / "net" / "model.toml").is_file()

    planned = run(project, cvimake, "plan")
    assert planned.returncode == 0, planned.stderr
    assert "tiny:mlir" in planned.stdout
    assert not (project / ".venv").exists()
