"""The toolchain without containers: the same bytes, and it says what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab import EXAMPLE, HANGS_AFTER, ROOT, environment

from cvimake.core import digest
from cvimake.core.cache import user_cache
from cvimake.execution.engine import connection
from cvimake.execution.image.local import ensure
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import Recipe

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Path:
    """The installed toolchain, with the clock of the image, so that both hold the same time."""
    recipe = Recipe.from_environment(os.environ)
    found = Path(ensure(recipe, tmp_path_factory.mktemp("install"), os.environ).id)
    client = connection.find(os.environ)
    container = client.containers.create(toolchain_image.id, "true")
    try:
        chunks, _ = container.get_archive(FAKETIME)
        archive = tmp_path_factory.mktemp("clock") / "clock.tar"
        archive.write_bytes(b"".join(chunks))
        shutil.unpack_archive(archive, found / "lib", filter="data")
    finally:
        container.remove(force=True)
        client.close()
    return found


MEASURED = """
[accuracy]
dataset = "tiny"
input_num = 3
calibrated_too = true
"""


def build(folder: Path, more: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    if not (folder / "dodo.py").exists():
        shutil.copy(ROOT / "dodo.py", folder)
        for name in ("models", "datasets"):
            shutil.copytree(EXAMPLE / name / "tiny", folder / name / "tiny")
        with (folder / "models" / "tiny" / "model.toml").open("a", encoding="utf-8") as declaration:
            declaration.write(more)
    return subprocess.run(
        [sys.executable, "-m", "cvimake.cli", "tiny"],
        cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False,
        timeout=HANGS_AFTER,
    )  # fmt: skip


def results(folder: Path) -> dict[str, str]:
    return {path.name: digest.of_file(path) for path in sorted(folder.glob("build/tiny/*"))}


def test_the_tiny_chain_has_the_bytes_of_the_containers(prefix: Path, tmp_path: Path) -> None:
    assert prefix.is_relative_to(user_cache(os.environ))
    here = build(tmp_path / "here", MEASURED, CVIMAKE_ENGINE="local")
    assert here.returncode == 0, here.stdout + here.stderr
    contained = build(tmp_path / "contained", MEASURED, CVIMAKE_ENGINE="docker")
    assert contained.returncode == 0, contained.stdout + contained.stderr
    assert results(tmp_path / "here") == results(tmp_path / "contained")
    assert "tiny_cv181x_int8_accuracy.json" in results(tmp_path / "here")
    # One warning at the start, one under the table.
    assert here.stderr.count("warning: stages run on this machine without containers") == 1
    assert here.stdout.count("Built without containers") == 1
    assert "without containers" not in contained.stdout + contained.stderr


def test_another_kind_of_engine_rebuilds_everything(prefix: Path, tmp_path: Path) -> None:
    assert prefix.is_dir()
    assert build(tmp_path / "project", CVIMAKE_ENGINE="local").returncode == 0
    again = build(tmp_path / "project", CVIMAKE_ENGINE="local")
    assert "0 built" in again.stdout
    assert "Built without containers" in again.stdout
    contained = build(tmp_path / "project")
    assert contained.returncode == 0, contained.stdout + contained.stderr
    assert "11 built" in contained.stdout


def test_a_wanted_engine_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    result = build(tmp_path / "project", CVIMAKE_ENGINE="docker", DOCKER_HOST="tcp://127.0.0.1:1")
    assert result.returncode == 2
    assert "no Docker engine answers at tcp://127.0.0.1:1" in result.stdout
    assert "without containers" not in result.stdout + result.stderr


def test_a_named_engine_that_is_not_there_is_never_replaced(tmp_path: Path) -> None:
    result = build(tmp_path / "project", DOCKER_HOST="tcp://127.0.0.1:1")
    assert result.returncode == 2
    assert "without containers" not in result.stdout + result.stderr


def test_a_failing_stage_says_so_and_the_command_to_repeat_it_works(prefix: Path, tmp_path: Path) -> None:
    assert prefix.is_dir()
    folder = tmp_path / "project"
    build(folder, CVIMAKE_ENGINE="local")
    log = (folder / "build" / "logs" / "tiny" / "int8.log").read_text(encoding="utf-8", errors="replace")
    line = log.splitlines()[1]
    subprocess.run(["sh", "-c", f'{line} && cp *.cvimodel "{tmp_path}"'], check=True, capture_output=True)
    (made,) = tmp_path.glob("*.cvimodel")
    assert digest.of_file(made) == digest.of_file(folder / "build" / "tiny" / made.name)
    source = folder / "models" / "tiny" / "tiny.onnx"
    source.write_bytes(source.read_bytes()[:200])
    result = build(folder, CVIMAKE_ENGINE="local")
    assert result.returncode in {1, 2}
    assert "FAILED" in result.stdout
