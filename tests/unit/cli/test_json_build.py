from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from graphs import STAGES, Workshop

from cvimake.builder import json_reporter
from cvimake.builder.events import Event
from cvimake.core import lock


def events(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> list[dict[str, Any]]:
    """Build, and return the events, each of which its schema takes; the last one has the exit code."""
    capsys.readouterr()
    assert workshop.doit(*arguments) == code
    return read(capsys.readouterr().out, code)


def read(out: str, code: int) -> list[dict[str, Any]]:
    lines = out.splitlines()
    for line in lines:
        Event.model_validate_json(line)
    told: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert [event["event"] for event in told].index("finished") == len(told) - 1
    assert told[-1]["exit_code"] == code
    return told


def stages(told: list[dict[str, Any]], kind: str) -> list[str]:
    return [event["stage"] for event in told if event["event"] == kind]


@pytest.mark.parametrize("command", [["run", "--json"], ["--json"]])
def test_a_build_is_told_from_its_first_stage_to_its_last(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    told = events(workshop, capsys, *command)
    assert sorted(stages(told, "started")) == sorted(stages(told, "done")) == sorted(["toolchain", *STAGES])
    done = {event["stage"]: event for event in told if event["event"] == "done"}
    assert done["m0000:int8"]["result"] == "built"
    assert "build/m0000/m0000_cv181x_int8.cvimodel" in done["m0000:int8"]["files"]
    assert done["m0000:int8"]["seconds"] >= 0
    assert {key: told[-1][key] for key in ("built", "restored", "unchanged", "failed", "left_out")} == {
        "built": 9, "restored": 0, "unchanged": 0, "failed": 0, "left_out": 0,
    }  # fmt: skip


def test_a_build_without_work_is_told_in_one_line(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.build()
    (finished,) = events(workshop, capsys, "run", "--json")
    assert (finished["built"], finished["unchanged"]) == (0, 9)


def test_a_failure_has_its_id_and_what_needs_it_is_left_out(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.failing = {"m0000:calibration"}
    told = events(workshop, capsys, "run", "--json", "--continue", code=1)
    (failed,) = (event for event in told if event["event"] == "failed")
    assert failed == {
        "event": "failed", "stage": "m0000:calibration", "id": "stage-failed",
        "cause": "its tool ended with exit code 1", "remedy": "", "link": "", "log": "", "worker": "",
    }  # fmt: skip
    assert sorted(stages(told, "left out")) == [
        "m0000:int8", "m0000:int8_info", "m0000:mix", "m0000:mix_info", "m0000:mix_qtable",
    ]  # fmt: skip
    assert (told[-1]["failed"], told[-1]["left_out"]) == (1, 5)


def test_a_wrong_declaration_is_a_failure_of_its_model(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.declare("expected_cos = 0.9999", "expected_cos = 2")
    told = events(workshop, capsys, "run", "--json", code=2)
    (failed,) = (event for event in told if event["event"] == "failed")
    assert (failed["stage"], failed["id"]) == ("m0000:declaration", "declaration")
    assert failed["cause"].startswith("models/m0000/model.toml:")


def test_a_model_without_its_network_waits(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    (workshop.declaration.parent / "tiny.onnx").unlink()
    told = events(workshop, capsys, "run", "--json")
    (waits,) = (event for event in told if event["event"] == "waits")
    assert (waits["stage"], waits["id"]) == ("m0000:waiting", "source-missing")
    assert waits["remedy"] == "Put it at models/m0000/tiny.onnx."
    told = events(workshop, capsys, "run", "--json", "m0000", code=2)
    (failed,) = (event for event in told if event["event"] == "failed")
    assert (failed["stage"], failed["id"]) == ("m0000:waiting", "source-missing")


def test_an_error_of_the_whole_build_has_no_stage(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (workshop.root / "build").mkdir()
    with lock.exclusive(workshop.root / "build" / ".lock", "is building everything in this project"):
        failed, _ = events(workshop, capsys, "run", "--json", "--no-wait", code=2)
    assert (failed["event"], failed["stage"]) == ("failed", None)
    assert "is building everything" in failed["cause"]


def test_a_name_that_doit_does_not_know_is_told_too(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    failed, _ = events(workshop, capsys, "run", "--json", "m00000", code=3)
    assert (failed["stage"], failed["id"]) == (None, "command-line")
    known = "there is no command, model, stage or result 'm00000'; did you mean m0000?"
    assert failed["cause"] == known


def test_the_events_can_go_to_a_file(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert workshop.doit("run", "--json", "-o", "events.jsonl") == 0
    assert capsys.readouterr().out == ""
    assert len(read((workshop.root / "events.jsonl").read_text(encoding="utf-8"), 0)) > 9


def test_ctrl_c_ends_the_events_with_its_exit_code(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = workshop.run

    def interrupted(action: Any, watch: Any, *others: Any) -> Any:  # noqa: ANN401 - as the fake that it stands for
        if action.name == "m0000:mlir":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return run(action, watch, *others)

    monkeypatch.setattr(workshop, "run", interrupted)
    with pytest.raises(SystemExit) as ended:
        workshop.doit("run", "--json")
    assert ended.value.code == 130
    told = read(capsys.readouterr().out, 130)
    assert "m0000:onnx" in stages(told, "done")


def test_progress_is_told_while_a_stage_runs(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_reporter, "PROGRESS_SECONDS", 0.01)
    run, seen = workshop.run, threading.Event()

    def slow(action: Any, watch: Any, *others: Any) -> Any:  # noqa: ANN401 - as the fake that it stands for
        if action.name == "m0000:calibration":
            watch(b"calibrating:  40%|")
            seen.wait(1.0)
        return run(action, watch, *others)

    monkeypatch.setattr(workshop, "run", slow)
    told = events(workshop, capsys, "run", "--json")
    progress = [event for event in told if event["event"] == "progress"]
    assert ("m0000:calibration", 40) in {(event["stage"], event["percent"]) for event in progress}


def test_a_stage_from_the_store_is_told_as_restored(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CVIMAKE_STORE", str(tmp_path / "store"))
    workshop.build()
    shutil.rmtree(workshop.root / "build" / "m0000")
    told = events(workshop, capsys, "run", "--json")
    done = {event["stage"]: event["result"] for event in told if event["event"] == "done"}
    assert done == dict.fromkeys(STAGES, "restored")
    assert (told[-1]["built"], told[-1]["restored"]) == (0, len(STAGES))
