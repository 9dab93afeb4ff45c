from __future__ import annotations

from pathlib import Path

import pytest
from graphs import Workshop


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(tmp_path, monkeypatch)


@pytest.fixture
def built(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> Workshop:
    assert len(workshop.build()) == 8
    capsys.readouterr()
    return workshop


@pytest.mark.parametrize("target", ["m0000:int8", "build/m0000/m0000_cv181x_int8.cvimodel"])
def test_the_log_of_a_stage_with_its_line_and_the_bars_last_state(
    built: Workshop, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    assert built.doit("log", target) == 0
    assert capsys.readouterr().out == (
        "build/logs/m0000/int8.log\n\n"
        "By hand, with the results in $W:\nW=$(mktemp -d) && tool\n\n"
        "begin\nat 100%|b\nend\n"
    )


def test_a_stage_that_never_ran_has_no_log_and_nothing_is_made(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("log", "m0000:int8") == 2
    written = capsys.readouterr()
    assert written.err == (
        "cvimake: m0000:int8 has no log: build/logs/m0000/int8.log is written when it runs\n"
    )
    assert written.out == ""
    assert not (workshop.root / "build").exists()


def test_a_model_has_several_logs(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert built.doit("log", "m0000") == 2
    assert "log takes one stage, not 8: m0000:onnx, " in capsys.readouterr().err


def test_what_does_not_exist_is_refused(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert built.doit("log", "m0001:int8") == 3
    assert "m0001:int8" in capsys.readouterr().err
