from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from graphs import STAGES, Workshop

ACCURACY = """
[accuracy]
dataset = "samples"
calibrated_too = true
input_num = 1
"""


class Planned:
    """What `plan --json` says."""

    def __init__(self, workshop: Workshop, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        assert workshop.doit("plan", "--json", *arguments) == 0
        self.told: dict[str, Any] = json.loads(capsys.readouterr().out)
        self.stages = {stage["stage"]: stage for stage in self.told["stages"]}

    def having(self, verdict: str) -> set[str]:
        return {name for name, stage in self.stages.items() if stage["verdict"] == verdict}

    def reasons(self, stage: str) -> list[dict[str, Any]]:
        """Without their words."""
        reasons = self.stages[stage]["reasons"]
        return [{key: value for key, value in reason.items() if key != "text"} for reason in reasons]


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_before_the_first_build_everything_will_run_and_nothing_is_made(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = Planned(workshop, capsys)
    assert planned.having("will run") == {"toolchain", *STAGES}
    assert planned.reasons("m0000:int8")[0] == {"kind": "NeverBuilt"}
    assert not (workshop.root / "build").exists()


def test_after_a_build_there_is_nothing_to_do(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert built.doit("plan") == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert Planned(built, capsys).told == {
        "stages": [],
        "critical_path": {"stages": [], "seconds_at_least": 0.0, "seconds_at_most": 0.0},
        "to_fetch": [],
    }


def test_a_plan_changes_nothing(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.declare("0.9999, min_layer_cos", "0.99, min_layer_cos")
    before = state_of(built.root)
    assert Planned(built, capsys).stages
    assert state_of(built.root) == before


def test_a_build_with_nothing_to_do_does_not_open_the_history(
    built: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cvimake.builder import history  # noqa: PLC0415

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError

    monkeypatch.setattr(history.History, "last", refuse)
    monkeypatch.setattr(history.History, "add", refuse)
    assert built.build() == []


def test_the_plan_of_one_stage_has_what_it_needs_and_nothing_else(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = Planned(workshop, capsys, "build/m0000/m0000_calibration_table")
    assert list(planned.stages) == ["toolchain", "m0000:onnx", "m0000:mlir", "m0000:calibration"]


@pytest.mark.parametrize("target", ["m0000:int8", "build/m0000/m0000_cv181x_int8.cvimodel"])
def test_selecting_a_cvimodel_also_selects_its_info_stage(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    planned = Planned(workshop, capsys, target)
    assert list(planned.stages)[-2:] == ["m0000:int8", "m0000:int8_info"]
    assert sorted(["toolchain", *workshop.build(target)]) == sorted({*planned.stages, "toolchain"})
    assert "m0000:mix_info" not in Planned(workshop, capsys, "m0000:mix_qtable").stages
    (workshop.root / "build/m0000/m0000_cv181x_int8_info.json").unlink()
    assert workshop.build("--single", "m0000:int8") == []
    assert workshop.build("m0000:int8") == ["m0000:int8_info"]


def test_an_option_that_changed_and_what_follows(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    planned = Planned(built, capsys)
    assert planned.having("will run") == {"m0000:mix_qtable"}
    assert planned.having("may run") == {"m0000:mix", "m0000:mix_info"}
    assert planned.reasons("m0000:mix_qtable") == [
        {"kind": "OptionChanged", "name": "option --expected_cos", "old": "0.9999", "new": "0.99"}
    ]
    assert planned.reasons("m0000:mix") == [{"kind": "Follows", "task": "m0000:mix_qtable", "certain": True}]
    assert planned.reasons("m0000:mix_info")[0] == {"kind": "Follows", "task": "m0000:mix", "certain": False}
    assert sorted(built.build()) == ["m0000:mix", "m0000:mix_info", "m0000:mix_qtable"]


def test_equal_bytes_stop_what_may_run(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.same = {"m0000:mix_qtable"}
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    built.build()
    built.declare("expected_cos = 0.99, min", "expected_cos = 0.98, min")
    assert Planned(built, capsys).having("may run") == {"m0000:mix", "m0000:mix_info"}
    assert built.build() == ["m0000:mix_qtable"]
    assert Planned(built, capsys).stages == {}


def test_a_change_undone_after_a_partial_build_may_run(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    source = built.root / "models" / "m0000" / "tiny.onnx"
    content = source.read_bytes()
    source.write_bytes(content + b"\0")
    built.build("m0000:mix_qtable")
    source.write_bytes(content)
    planned = Planned(built, capsys)
    assert planned.having("will run") == {"m0000:onnx"}
    assert {reason["kind"] for reason in planned.reasons("m0000:mix")} == {"InputChanged", "Follows"}
    assert sorted(built.build()) == [
        "m0000:calibration", "m0000:mix_qtable", "m0000:mlir", "m0000:onnx",
    ]  # fmt: skip


def test_an_input_that_was_edited(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    source = built.root / "models" / "m0000" / "tiny.onnx"
    source.write_bytes(source.read_bytes() + b"\0")
    planned = Planned(built, capsys)
    assert planned.having("will run") == {"m0000:onnx"}
    assert planned.having("may run") == set(STAGES) - {"m0000:onnx"}
    (reason,) = planned.reasons("m0000:onnx")
    assert (reason["kind"], reason["path"]) == ("InputChanged", "models/m0000/tiny.onnx")
    assert reason["old"] != reason["new"]


def test_members_of_a_dataset_that_come_and_go(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    samples = built.root / "datasets" / "samples"
    shutil.copy(samples / "01.png", samples / "new.png")
    (samples / "07.png").unlink()
    planned = Planned(built, capsys)
    reasons = [
        {"kind": "MemberAdded", "path": "datasets/samples/new.png"},
        {"kind": "MemberRemoved", "path": "datasets/samples/07.png"},
    ]
    assert planned.reasons("m0000:calibration") == reasons
    assert planned.reasons("m0000:mix_qtable")[:2] == reasons
    assert planned.having("will run") == {"m0000:calibration", "m0000:mix_qtable"}


def test_a_member_of_a_dataset_that_was_edited(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    (built.root / "datasets" / "samples" / "03.png").write_bytes(b"other")
    assert Planned(built, capsys).reasons("m0000:calibration")[0]["path"] == "datasets/samples/03.png"


def test_a_part_of_the_toolchain_that_changed(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.identity["packages"]["numpy"] = {"version": "1.26.5", "sha256": "cc"}
    built.identity["packages"]["onnx"]["sha256"] = "dd"
    built.identity["system"] = {}
    # As `./doit image` and a build that ends after it would leave it.
    built.doit("forget", "toolchain")
    planned = Planned(built, capsys)
    assert planned.having("will run") == {"toolchain"}
    assert planned.reasons("toolchain") == [{"kind": "NoRecord"}]
    built.doit("run", "toolchain")
    planned = Planned(built, capsys)
    assert planned.having("will run") == set(STAGES)
    assert planned.reasons("m0000:mlir") == [
        {"kind": "ToolchainChanged", "part": "packages.numpy.version", "old": "1.26.4", "new": "1.26.5"},
        {"kind": "ToolchainChanged", "part": "packages.onnx.sha256", "old": "bb", "new": "dd"},
        {"kind": "ToolchainChanged", "part": "system.libc6", "old": "2.35", "new": None},
        {"kind": "Follows", "task": "m0000:onnx", "certain": True},
    ]


def test_another_base_for_the_toolchain(
    built: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVIMAKE_BASE", "another:1")
    planned = Planned(built, capsys)
    assert planned.reasons("toolchain") == [
        {"kind": "OptionChanged", "name": "base", "old": "", "new": "another:1"}
    ]
    assert planned.having("may run") == set(STAGES)


def test_another_engine(
    built: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", "local")
    assert Planned(built, capsys).reasons("toolchain") == [{"kind": "EngineChanged"}]


TABLE = "build/m0000/m0000_calibration_table"


def test_a_target_that_is_missing(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    (built.root / TABLE).unlink()
    planned = Planned(built, capsys)
    assert planned.reasons("m0000:calibration") == [{"kind": "TargetMissing", "path": TABLE}]
    assert planned.having("may run") == set(STAGES) - {"m0000:calibration", "m0000:mlir", "m0000:onnx"}
    assert built.build() == ["m0000:calibration"]


@pytest.mark.parametrize("content", [b"", b"m0000_cali"])
def test_a_target_that_was_cut_off(
    built: Workshop, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (built.root / TABLE).write_bytes(content)
    planned = Planned(built, capsys)
    (reason,) = planned.reasons("m0000:calibration")
    assert (reason["kind"], reason["path"]) == ("TargetDamaged", TABLE)
    # What others read in it now is not what they will read.
    assert planned.having("will run") == {"m0000:calibration"}


def test_two_targets_that_were_swapped(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (built.root / f"build/m0000/m0000_cv181x_{name}.cvimodel" for name in ("int8", "mix"))
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    planned = Planned(built, capsys)
    reasons = [planned.reasons(f"m0000:{name}")[0] for name in ("int8", "mix")]
    assert [reason["kind"] for reason in reasons] == ["TargetDamaged", "TargetDamaged"]
    assert (reasons[0]["old"], reasons[0]["new"]) == (reasons[1]["new"], reasons[1]["old"])
    assert planned.having("may run") == {"m0000:int8_info", "m0000:mix_info"}


def test_a_stage_that_failed_after_an_option_changed(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    built.failing = {"m0000:mix_qtable"}
    assert built.build() == ["m0000:mix_qtable"]
    planned = Planned(built, capsys)
    assert [reason["kind"] for reason in planned.reasons("m0000:mix_qtable")] == [
        "LastFailed",
        "OptionChanged",
    ]
    assert planned.stages["m0000:mix_qtable"]["seconds"] is not None


def test_without_the_history_it_says_what_doit_knows(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (built.root / "build" / "history.sqlite").write_bytes(b"rubbish")
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    assert Planned(built, capsys).reasons("m0000:mix_qtable") == [{"kind": "DefinitionChanged"}]
    # A build does not fail by it, and begins it anew.
    assert len(built.build()) == 3
    built.declare("expected_cos = 0.99, min", "expected_cos = 0.9999, min")
    assert Planned(built, capsys).reasons("m0000:mix_qtable")[0]["kind"] == "OptionChanged"


def test_a_model_without_its_source_waits(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    workshop.build()
    (workshop.root / "models" / "m0000" / "tiny.onnx").unlink()
    planned = Planned(workshop, capsys)
    assert planned.having("waits") == {"m0000:waiting"}
    assert workshop.doit("plan") == 0
    out = capsys.readouterr().out
    assert "waits for its source: put it at models/m0000/tiny.onnx" in out
    assert out.endswith("nothing to do\n")


def test_the_table_and_the_total(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    assert built.doit("plan") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split("  ")[0] == "m0000:mix_qtable"
    assert lines[1].endswith("option --expected_cos was 0.9999, is 0.99")
    assert lines[2].endswith("needs m0000:mix_qtable, which will run")
    assert lines[5].startswith("1 will run, 2 may; 0.")
    assert lines[5].endswith(" along the critical path")
    assert lines[6] == "  m0000:mix_qtable, m0000:mix, m0000:mix_info"


def test_the_times_of_what_never_ran_are_estimated(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("plan") == 0
    out = capsys.readouterr().out
    assert "8 of them never ran here: their times are estimated" in out
    assert "not counted, since its time is not known: toolchain\n" in out
    assert re.search(r"^m0000:calibration +will run +about \d+\.\d s +was never built$", out, re.MULTILINE)
    assert " 0.0 s along the critical path" not in out
    planned = Planned(workshop, capsys)
    assert planned.stages["m0000:mlir"]["estimated"] is True
    assert planned.stages["toolchain"]["seconds"] is None
    assert planned.told["critical_path"]["seconds_at_least"] > 1
    workshop.build()
    workshop.declare("expected_cos = 0.9999, min", "expected_cos = 0.99, min")
    assert Planned(workshop, capsys).stages["m0000:mix_qtable"]["estimated"] is False


def test_ignored_stages_and_those_that_need_them_are_left_out(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (built.root / "datasets" / "samples" / "07.png").unlink()
    assert built.doit("ignore", "m0000:calibration") == 0
    assert Planned(built, capsys).stages == {}
    assert built.build() == []


def test_files_that_are_read_anew_or_no_longer(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.declare("[variant.int8]", '[variant.int8]\ncalibration_table = "own_table"')
    own = built.root / "models" / "m0000" / "own_table"
    own.write_text("# a table\n", encoding="utf-8")
    kinds = {reason["kind"]: reason.get("path") for reason in Planned(built, capsys).reasons("m0000:int8")}
    assert kinds["InputAdded"] == "models/m0000/own_table"
    assert kinds["InputRemoved"] == TABLE


def test_a_dataset_at_another_place(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    built.declare('dataset = "samples"', 'dataset = "others"')
    shutil.copytree(built.root / "datasets" / "samples", built.root / "datasets" / "others")
    kinds = [reason["kind"] for reason in Planned(built, capsys).reasons("m0000:calibration")]
    assert kinds == [*["InputAdded"] * 8, *["InputRemoved"] * 8]


@pytest.mark.parametrize("text", ["rubbish", '{"python": '])
def test_a_toolchains_record_that_was_edited(
    built: Workshop, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (built.root / "build" / "toolchain.json").write_text(text, encoding="utf-8")
    planned = Planned(built, capsys)
    assert planned.reasons("toolchain")[0]["kind"] == "TargetDamaged"
    assert planned.having("may run") == set(STAGES)
    assert built.build() == []


def test_a_folder_in_the_place_of_a_target(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    path = built.root / "build/m0000/m0000_cv181x_mix_info.txt"
    path.unlink()
    path.mkdir()
    (reason,) = Planned(built, capsys).reasons("m0000:mix_info")
    assert (reason["kind"], reason["new"]) == ("TargetDamaged", "")


def test_images_that_cannot_be_read_are_told_before_a_container_starts(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    image = workshop.root / "datasets" / "samples" / "00.png"
    image.write_bytes(b"\xff\xd8\xff\xda half")
    assert workshop.doit("plan") == 0
    assert (
        "m0000:mlir would fail, because it cannot read:\n  datasets/samples/00.png: is cut off\n"
        in capsys.readouterr().out
    )
    planned = Planned(workshop, capsys)
    assert planned.stages["m0000:mlir"]["unreadable"] == ["datasets/samples/00.png: is cut off"]


def test_doubts_about_the_accuracy_are_told_before_it_is_measured(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workshop.root / "models" / "m0000" / "model.toml"
    path.write_text(path.read_text(encoding="utf-8") + ACCURACY, encoding="utf-8")
    assert workshop.doit("plan") == 0
    assert "\nm0000:float_accuracy would tell:\n  only 1 image is measured" in capsys.readouterr().out
    planned = Planned(workshop, capsys)
    assert planned.stages["m0000:float_accuracy"]["notes"][0].startswith("only 1 image is measured")
    assert planned.stages["m0000:int8_accuracy"]["notes"] == []


def test_selecting_an_accuracy_stage_also_selects_the_info_of_its_row(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workshop.root / "models" / "m0000" / "model.toml"
    path.write_text(path.read_text(encoding="utf-8") + ACCURACY, encoding="utf-8")
    assert "m0000:int8_info" in Planned(workshop, capsys, "m0000:int8_accuracy").stages
    assert "m0000:int8_info" not in Planned(workshop, capsys, "m0000:float_accuracy").stages


def test_a_test_image_that_is_not_there_is_told_with_its_line(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.declare("../../datasets/samples/00.png", "nothing.png")
    assert workshop.doit("plan") == 2
    assert "verify.input: no file models/m0000/nothing.png" in capsys.readouterr().out


def test_the_json_of_what_cannot_be_built_has_id_cause_and_remedy(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (workshop.declaration.parent / "tiny.onnx").unlink()
    (waits,) = Planned(workshop, capsys, "m0000").stages["m0000:waiting"]["reasons"]
    assert waits["id"] == "source-missing"
    assert waits["cause"] == "its source is missing"
    assert waits["remedy"] == "Put it at models/m0000/tiny.onnx."
    workshop.declare("expected_cos = 0.9999", "expected_cos = 2")
    assert workshop.doit("plan", "--json", "m0000") == 2
    told = json.loads(capsys.readouterr().out)
    (wrong,) = (stage for stage in told["stages"] if stage["verdict"] == "cannot run")
    assert wrong["reasons"][0]["id"] == "declaration"
    assert wrong["reasons"][0]["cause"].startswith("models/m0000/model.toml:")


def test_files_to_fetch_are_told_with_their_bytes(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    declaration = workshop.root / "datasets" / "more" / "dataset.toml"
    declaration.parent.mkdir()
    file = f'{{ sha256 = "{"0" * 64}", size = 4000000, url = "https://example.org/a.png" }}'
    declaration.write_text(f'[fetch.files]\n"a.png" = {file}\n', encoding="utf-8")
    assert workshop.doit("plan") == 0
    assert "\n1 file of more (4.0 MB) is missing: ./doit fetch more\n" in capsys.readouterr().out
    assert workshop.doit("plan", "m0000") == 0
    assert "fetch" not in capsys.readouterr().out
    told = Planned(workshop, capsys).told
    assert told["to_fetch"] == [{"owner": "more", "files": 1, "size": 4000000}]
    samples = workshop.root / "datasets" / "samples" / "dataset.toml"
    samples.write_text(f'[fetch.files]\n"a.png" = {file}\n', encoding="utf-8")
    (waits,) = Planned(workshop, capsys, "m0000").stages["m0000:waiting"]["reasons"]
    assert (waits["id"], waits["count"], waits["size"]) == ("not-fetched", 1, 4000000)
    assert waits["text"] == "waits for 1 file of samples (4.0 MB): ./doit fetch samples"
