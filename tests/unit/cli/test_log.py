from __future__ import annotations

import os
import shlex

import pytest
from graphs import Workshop

from cvimake.cli.log import broken


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
        "cvimake: m0000:int8 has no log yet: build/logs/m0000/int8.log is written when it runs\n"
    )
    assert written.out == ""
    assert not (workshop.root / "build").exists()


def test_a_model_has_several_logs(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert built.doit("log", "m0000") == 2
    assert "log takes one stage, not 8: m0000:onnx, " in capsys.readouterr().err


def test_an_unknown_target_is_refused(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert built.doit("log", "m0001:int8") == 3
    assert "m0001:int8" in capsys.readouterr().err


def test_the_toolchains_log_is_what_was_built_last_for_it(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = built.root / "build" / "logs"
    for age, name in enumerate(["image.log", "base.log"]):
        (logs / name).write_text(f"{name} says\n", encoding="utf-8")
        os.utime(logs / name, (1000 - age, 1000 - age))
    assert built.doit("log", "toolchain") == 0
    assert capsys.readouterr().out == "build/logs/image.log\nsee also build/logs/base.log\n\nimage.log says\n"


def test_log_says_if_the_image_existed_already(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert built.doit("log", "toolchain") == 2
    said = capsys.readouterr().err
    assert "toolchain has no log: this project has built no image" in said
    assert "./doit image --rebuild" in said


def test_the_line_is_broken_where_that_changes_nothing() -> None:
    line = """W=$(mktemp -d) && tool --a b --c='d --e "' "$W --f" '' --g="it's --h" 'a'"'"' --i' --j"""
    text = broken(line)
    assert len(text.splitlines()) == 5
    assert [part for part in shlex.split(text) if part != "\n"] == shlex.split(line)
