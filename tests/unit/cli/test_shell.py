from __future__ import annotations

import pytest
from graphs import Workshop


def test_missing_inputs_are_named_with_the_command_that_builds_them(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("shell", "m0000:int8") == 2
    said = capsys.readouterr().err
    assert "m0000:int8: its inputs are not there: build/m0000/m0000.mlir, " in said
    assert "`./doit m0000:mlir m0000:calibration` builds them." in said
    assert not (workshop.root / "build").exists()


def test_a_shell_takes_one_model(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert workshop.doit("shell", "m0000", "m0000:int8") == 2
    assert "`shell` takes one model or stage, not 2" in capsys.readouterr().err


def test_the_toolchain_is_no_stage(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert workshop.doit("shell", "toolchain") == 2
    assert "`shell` takes a model or a stage of one, not toolchain" in capsys.readouterr().err


def test_there_is_no_shell_without_containers(
    built: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", "local")
    assert built.doit("shell") == 2
    assert "without containers there is no sandbox to work in" in capsys.readouterr().err
