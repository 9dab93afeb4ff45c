from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from typing import Any

import pytest
from graphs import STAGES, Workshop


def why(workshop: Workshop, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """With times and sums blotted out."""
    capsys.readouterr()
    assert workshop.doit("why", *arguments) == 0
    out = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, \d+\.\d s", "THEN", capsys.readouterr().out)
    return re.sub(r"\b(was|is) [0-9a-f]{12}\b", r"\1 SHA", out)


def why_json(workshop: Workshop, capsys: pytest.CaptureFixture[str], target: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(why(workshop, capsys, "--json", target))
    return told


INFO = "build/m0000/m0000_cv181x_mix_info.json"


@pytest.mark.parametrize("target", ["m0000", "m0000:mix_info", INFO])
def test_the_chain_leads_from_the_target_down_to_the_option(
    built: Workshop, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    assert why(built, capsys, target) == (
        "m0000:mix_info may run:\n"
        "  needs m0000:mix, which may run:\n"
        "    needs m0000:mix_qtable, which will run:\n"
        "      option --expected_cos was 0.9999, is 0.99\n"
    )


def test_why_shows_each_stage_once(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    source = built.root / "models" / "m0000" / "tiny.onnx"
    source.write_bytes(source.read_bytes() + b"\0")
    out = why(built, capsys, "m0000:int8_info")
    assert out == (
        "m0000:int8_info may run:\n"
        "  needs m0000:mlir, which may run:\n"
        "    needs m0000:onnx, which will run:\n"
        "      models/m0000/tiny.onnx has changed: sha256 was SHA, is SHA\n"
        "  needs m0000:int8, which may run:\n"
        "    needs m0000:mlir, which may run (see above)\n"
        "    needs m0000:calibration, which may run:\n"
        "      needs m0000:mlir, which may run (see above)\n"
    )


def test_why_shows_only_stages_that_the_target_needs(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    assert why(built, capsys, "m0000:int8") == (
        "m0000:int8 is up to date; it ran until THEN, because at that time:\n  was never built\n"
    )


def test_a_file_that_another_stage_has_changed_leads_on_to_why_that_one_ran(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    assert built.build("m0000:mix_qtable") == ["m0000:mix_qtable"]
    lines = why(built, capsys, "m0000:mix").splitlines()
    assert lines == [
        "m0000:mix will run:",
        "  build/m0000/m0000_cv181x_mix_qtable has changed: sha256 was SHA, is SHA",
        "    made by m0000:mix_qtable, which ran until THEN, because at that time:",
        "      option --expected_cos was 0.9999, is 0.99",
    ]


def test_after_a_build_why_shows_why_each_stage_ran(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    built.build()
    assert why(built, capsys, "m0000:mix") == (
        "m0000:mix is up to date; it ran until THEN, because at that time:\n"
        "  build/m0000/m0000_cv181x_mix_qtable has changed: sha256 was SHA, is SHA\n"
        "    made by m0000:mix_qtable, which ran until THEN, because at that time:\n"
        "      option --expected_cos was 0.9999, is 0.99\n"
    )
    # Of a model, all that it has.
    told = why(built, capsys, "m0000")
    assert re.findall(r"m0000:\w+ is up to date|made by m0000:\w+", told) == [
        "m0000:onnx is up to date",
        "m0000:mlir is up to date",
        "m0000:calibration is up to date",
        "m0000:mix_qtable is up to date",
        "m0000:int8 is up to date",
        "m0000:mix is up to date",
        "m0000:int8_info is up to date",
        "m0000:mix_info is up to date",
    ]


def test_a_maker_that_ran_again_later_is_not_the_cause(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    built.same = {"m0000:mix_qtable"}
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    built.build()
    built.declare("expected_cos = 0.99, min", "expected_cos = 0.98, min")
    assert built.build() == ["m0000:mix_qtable"]
    assert why(built, capsys, "m0000:mix") == (
        "m0000:mix is up to date; it ran until THEN, because at that time:\n"
        "  build/m0000/m0000_cv181x_mix_qtable has changed: sha256 was SHA, is SHA\n"
    )


def test_the_toolchain_is_a_cause(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.identity["packages"]["numpy"] = {"version": "1.26.5", "sha256": "cc"}
    built.identity["python"] = "3.10.15"
    built.doit("forget", "toolchain")
    built.build()
    assert why(built, capsys, "m0000:mlir") == (
        "m0000:mlir is up to date; it ran until THEN, because at that time:\n"
        "  toolchain: packages.numpy.version was 1.26.4, is 1.26.5\n"
        "    made by toolchain, which ran until THEN, because at that time:\n"
        "      its last run failed, or its record was removed\n"
        "  toolchain: python was 3.10.14, is 3.10.15\n"
    )


def test_a_forced_run_says_that_it_was_asked_for(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.build("--always-execute", "m0000:mlir")
    assert "was up to date, and asked for all the same" in why(built, capsys, "m0000:mlir")


def test_without_the_history_it_says_that_it_does_not_know(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (built.root / "build" / "history.sqlite").unlink()
    assert why(built, capsys, "m0000:mlir") == (
        "m0000:mlir is up to date; it ran; when and why is not on record\n"
    )


def test_json_of_stale_stages(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    told = why_json(built, capsys, "m0000:mix")
    assert told["stale"] is True
    mix, qtable = told["stages"]
    assert mix.pop("ran") > qtable.pop("ran") > 1.7e9
    assert mix.pop("seconds") >= 0
    assert qtable.pop("seconds") >= 0
    assert mix == {
        "stage": "m0000:mix",
        "verdict": "may run",
        "reasons": [
            {
                "kind": "Follows",
                "task": "m0000:mix_qtable",
                "certain": True,
                "text": "needs m0000:mix_qtable, which will run",
            }
        ],
        "because_of": ["m0000:mix_qtable"],
    }
    assert qtable == {
        "stage": "m0000:mix_qtable",
        "verdict": "will run",
        "reasons": [
            {
                "kind": "OptionChanged",
                "name": "option --expected_cos",
                "old": "0.9999",
                "new": "0.99",
                "text": "option --expected_cos was 0.9999, is 0.99",
            }
        ],
        "because_of": [],
    }


def test_json_of_current_stages(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    told = why_json(built, capsys, "m0000")
    assert told["stale"] is False
    assert sorted(stage["stage"] for stage in told["stages"]) == sorted(STAGES)
    assert {stage["verdict"] for stage in told["stages"]} == {"up to date"}
    assert told["stages"][0]["reasons"] == [{"kind": "NeverBuilt", "text": "was never built"}]


def test_json_before_the_first_build(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    told = why_json(workshop, capsys, "m0000:mlir")
    assert [(stage["stage"], stage["ran"]) for stage in told["stages"]] == [
        ("m0000:mlir", None),
        ("toolchain", None),
        ("m0000:onnx", None),
    ]
    assert not (workshop.root / "build").exists()


def test_a_failure_is_told_with_its_time_and_cause(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    built.failing = {"m0000:mix_qtable"}
    built.build()
    out = re.sub(r"at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "at THEN", why(built, capsys, "m0000:mix_qtable"))
    assert out == (
        "m0000:mix_qtable will run:\n"
        "  failed last time, at THEN: its tool ended with exit code 1\n"
        "  option --expected_cos was 0.9999, is 0.99\n"
    )
    assert built.doit("plan") == 0
    assert "failed last time, at 2" in capsys.readouterr().out
    built.failing.clear()
    built.build()
    assert "m0000:mix_qtable is up to date" in why(built, capsys, "m0000:mix_qtable")


def test_a_stage_that_has_only_failed_is_not_one_that_was_never_built(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.failing = {"m0000:mlir"}
    workshop.build()
    told = why_json(workshop, capsys, "m0000:mlir")
    assert [(reason["kind"], reason["id"], reason["cause"]) for reason in told["stages"][0]["reasons"]] == [
        ("LastFailed", "stage-failed", "its tool ended with exit code 1")
    ]


def test_log_accepts_a_target(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert built.doit("why") == 2
    assert capsys.readouterr().err == "cvimake: why takes a model, a stage or a file\n"


def test_a_model_that_waits(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    (workshop.root / "models" / "m0000" / "tiny.onnx").unlink()
    assert why(workshop, capsys, "m0000") == (
        "m0000:waiting waits:\n  waits for its source: put it at models/m0000/tiny.onnx\n"
    )


@pytest.mark.parametrize(
    "reasons", ['[{"kind": "OfAnotherVersion"}]', '[{"kind": "Asked", "x": 1}]', "[1]", "{"]
)
def test_records_of_another_version_are_skipped(
    built: Workshop, capsys: pytest.CaptureFixture[str], reasons: str
) -> None:
    with contextlib.closing(sqlite3.connect("build/history.sqlite")) as history, history:
        history.execute("update runs set reasons = ?", (reasons,))
    assert "m0000:mlir is up to date; it ran" in why(built, capsys, "m0000:mlir")


def test_its_own_error_is_json_too(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert workshop.doit("why", "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error.keys() == {"id", "cause", "remedy", "link", "log"}
    assert error["cause"] == "why takes a model, a stage or a file"


def test_other_options_of_an_accuracy_are_told_by_name_and_many_images_by_number(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.measure()
    workshop.build()
    workshop.declare('dataset = "samples"\n\n[variant', 'dataset = "samples"\ninput_num = 2\n\n[variant')
    told = why(workshop, capsys, "m0000:float_accuracy")
    assert told.splitlines()[:2] == [
        "m0000:float_accuracy will run:",
        "  no longer reads 6 files in datasets/samples",
    ]
    assert "  options.json images was 8 entries with sha256 " in told
    workshop.build()
    workshop.declare("[variant.int8]", "[budget]\naccuracy_drop = 0.1\n\n[variant.int8]")
    assert why(workshop, capsys, "m0000:float_accuracy") == (
        "m0000:float_accuracy will run:\n  accuracy_drop was not there, is 0.1\n"
    )
    assert "is up to date" in why(workshop, capsys, "m0000:int8_info")
