"""The task graph as doit reads it, in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(CHECKOUT / "dodo.py", tmp_path)
    for folder in ("models/tiny", "datasets/tiny"):
        shutil.copytree(CHECKOUT / "tests" / folder, tmp_path / folder)
    return tmp_path


def doit(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cvimake.cli", *arguments],
        cwd=project,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_stage_and_variant_is_a_task(project: Path) -> None:
    result = doit(project, "list", "--all")
    assert (result.returncode, result.stderr) == (0, "")
    names = {line.split()[0] for line in result.stdout.splitlines()}
    variants = {"f16", "f16_info", "int8", "int8_info", "mix", "mix_info", "mix_qtable"}
    stages = {"onnx", "mlir", "calibration", *variants}
    assert names == {"tiny", "toolchain", *(f"tiny:{stage}" for stage in stages)}


def test_the_cvimodel_needs_mlir_and_table(project: Path) -> None:
    result = doit(project, "info", "tiny:int8")
    assert "build/tiny/tiny.mlir" in result.stdout
    assert "build/tiny/tiny_calibration_table" in result.stdout
    assert "build/tiny/tiny_cv181x_int8.cvimodel" in result.stdout


def test_every_command_can_be_loaded(project: Path) -> None:
    result = doit(project, "help")
    assert (result.returncode, result.stderr) == (0, "")
    for command in ("run", "doctor", "image", "engine:stop"):
        assert f"\n  {command} " in result.stdout


def check_is_a_clear_error(result: subprocess.CompletedProcess[str], text: str) -> None:
    assert "Traceback" not in result.stderr
    assert text in result.stdout + result.stderr
    assert result.returncode == 2


def test_a_wrong_declaration_is_a_clear_error(project: Path) -> None:
    (project / "models" / "tiny" / "model.toml").write_text("sauce = 1", encoding="utf-8")
    check_is_a_clear_error(doit(project, "plan"), "models/tiny/model.toml:1: sauce: no such key")
    listed = doit(project, "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "models/tiny/model.toml:1: source: is missing; for example: " in listed.stdout


def test_a_source_called_like_an_output_is_a_clear_error(project: Path) -> None:
    declaration = project / "models" / "tiny" / "model.toml"
    text = declaration.read_text(encoding="utf-8").replace("tiny.onnx", "network.mlir")
    declaration.write_text(text, encoding="utf-8")
    check_is_a_clear_error(doit(project, "plan"), "models/tiny/model.toml:2: source: .mlir")


def test_a_wheel_that_is_not_there_is_a_clear_error(project: Path) -> None:
    result = doit(project, "list", CVIMAKE_TPU_MLIR_WHEEL="/nowhere.whl")
    check_is_a_clear_error(result, "CVIMAKE_TPU_MLIR_WHEEL: no file /nowhere.whl")


def test_an_engine_that_there_is_not_is_said_without_a_traceback(project: Path) -> None:
    (project / "build").mkdir()
    (project / "build" / "toolchain.json").write_text("{}", encoding="utf-8")
    result = doit(project, "list", CVIMAKE_ENGINE="nonsense")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "cvimake: CVIMAKE_ENGINE is 'nonsense'; it can be docker or local\n"
