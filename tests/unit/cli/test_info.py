from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cvimodel_listings import CLASSIFIER, LISTING, outputs
from doit.cmd_base import ModuleTaskLoader
from doit.cmdparse import CmdParseError

from cvimake.camera import camera_picture
from cvimake.camera.device_time import MEANING
from cvimake.cli.info import Info, named_as_beside
from cvimake.core import digest
from cvimake.core.action import Action
from cvimake.core.errors import EngineError
from cvimake.execution import runtime
from cvimake.pipeline import cvimodel_info
from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.toolchain import commands

TIME: dict[str, Any] = {
    "clocks": [
        {"megahertz": 500, "compute": 35_576_068, "memory": 5_598_561, "together": 39_927_474},
        {"megahertz": 750, "compute": 23_716_782, "memory": 4_853_497, "together": 27_608_963},
    ],
    "layers": [{"name": "/model.0/Conv", "operation": "convolution", "cycles": 264_904, "commands": 27}],
}


class FakeSandbox:
    """Writes a listing and an estimate in the container's place."""

    listing = LISTING
    time: dict[str, Any] = TIME

    def __init__(self) -> None:
        self.ran: list[Action] = []

    def run(self, action: Action) -> None:
        self.ran.append(action)
        for output, text in zip(action.outputs, (self.listing, json.dumps(self.time)), strict=True):
            output.path.write_text(text, encoding="utf-8")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> FakeSandbox:
    sandbox = FakeSandbox()
    monkeypatch.setattr(runtime.Runtimes, "plain", lambda _root: SimpleNamespace(sandbox=sandbox))
    return sandbox


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
    path = tmp_path / "net.cvimodel"
    path.write_bytes(b"CviModel" * 1000)
    return path


def info(*arguments: str) -> int:
    return int(Info(ModuleTaskLoader({})).parse_execute(list(arguments)) or 0)


@pytest.mark.usefixtures("sandbox")
def test_info_shows_the_contents_of_a_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info(str(model)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name           yolo, for cv181x, built 2024-01-01 00:00:00 by tpu_mlir v1.7-20240419",
        "size           0.01 MB, ION memory 5.55 MB",
        "input          images [1, 3, 416, 416] fp32",
        "output         boxes_f32 [1, 64, 52, 52] fp32",
        "output         scores [1, 80, 52, 52] int8, scale 0.127721",
        "recognised as  nothing: no kind of model has the outputs [1, 64, 52, 52], [1, 80, 52, 52]",
        f"TPU time       28 to 40 ms: {MEANING}",
    ]


def test_info_says_why_there_is_no_estimate(
    model: Path, sandbox: FakeSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.time = {"unknown": "the reason"}
    assert info(str(model)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "TPU time       no estimate: the reason"


@pytest.mark.usefixtures("sandbox")
def test_info_json_has_everything(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info("--json", str(model)) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["name"], values["size"], values["similarity"]) == ("yolo", 8000, [])
    assert len(values["weights"]) == 3
    assert values["time"]["layers"] == TIME["layers"]


@pytest.mark.usefixtures("sandbox")
def test_info_json_equals_the_info_file_of_a_build(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info("--json", str(model))
    recognition = json.loads(capsys.readouterr().out)["recognition"]
    schema = json.loads((Path(__file__).parents[3] / "schemas/info.schema.json").read_text(encoding="utf-8"))
    assert set(recognition) == set(schema["$defs"]["Recognition"]["properties"])


@pytest.mark.usefixtures("sandbox")
def test_info_shows_several_files(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info(str(model), "net.cvimodel") == 0
    assert capsys.readouterr().out.count("name ") == 2


def test_the_file_is_read_in_the_container_under_a_name_of_ours(model: Path, sandbox: FakeSandbox) -> None:
    awkward = model.rename(model.with_name("a b;$(c).cvimodel"))
    info(str(awkward))
    (action,) = sandbox.ran
    assert action.argv == commands.info_command("model.cvimodel", "info.txt", "time.json")
    assert action.inputs[0].path == awkward


@pytest.mark.usefixtures("sandbox")
def test_a_path_is_meant_from_where_the_user_is(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = model.parent / "inner"
    inner.mkdir()
    model.rename(inner / "net.cvimodel")
    monkeypatch.setenv("CVIMAKE_INVOKED_FROM", str(inner))
    assert info("net.cvimodel") == 0


def test_a_file_that_is_not_there_is_a_clear_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.unlink()
    assert info("net.cvimodel") == 2
    assert capsys.readouterr().err == f"cvimake: no file {model}\n"


def test_a_file_that_is_no_cvimodel_is_a_clear_error(
    model: Path, sandbox: FakeSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.listing = "rubbish"
    assert info(str(model)) == 2
    assert "not a cvimodel that model_tool understands" in capsys.readouterr().err


def test_without_an_engine_it_is_a_clear_error(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_root: Path) -> None:
        raise EngineError("no engine answers")

    monkeypatch.setattr(runtime.Runtimes, "plain", fail)
    assert info(str(model)) == 2
    assert capsys.readouterr().err == "cvimake: no engine answers\n"


@pytest.mark.usefixtures("sandbox")
def test_an_option_that_does_not_exist_is_refused(model: Path) -> None:
    # doit's main program says so and ends with 3.
    with pytest.raises(CmdParseError):
        info("--jsn", str(model))


@pytest.mark.usefixtures("sandbox")
def test_a_file_that_begins_otherwise_is_no_cvimodel(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.write_bytes(b"once upon a time")
    assert info(str(model)) == 2
    assert f"{model} is no cvimodel" in capsys.readouterr().err


def info_beside(
    model: Path, listing: str, declared: camera_picture.Declared = camera_picture.NOTHING
) -> cvimodel_info.Info:
    """Write a cvimodel and its info as a build does; return what the file alone says."""
    model.write_bytes(b"x" * 1000)
    built = cvimodel_info.examine(
        model.name, 1000, listing, TIME, {}, outputs=outputs(listing), declared=declared
    )
    beside = model.with_name(f"{model.stem}_info.json")
    beside.write_text(built.model_dump_json(by_alias=True), encoding="utf-8")
    return cvimodel_info.examine(model.name, 1000, listing, TIME, {})


def test_a_cvimodel_beside_its_info_has_the_declared_names(tmp_path: Path) -> None:
    model = tmp_path / "net.cvimodel"
    bare = info_beside(model, LISTING)
    assert [output.declared for output in bare.outputs] == ["", ""]
    named = named_as_beside(bare, model)
    assert [output.declared for output in named.outputs] == ["tensor 0", "tensor 1"]
    # The info of another cvimodel says nothing about this one.
    other = cvimodel_info.examine(model.name, 1001, LISTING, TIME, {})
    assert named_as_beside(other, model) == other
    (tmp_path / "net_info.json").write_text("damaged", encoding="utf-8")
    assert named_as_beside(bare, model) == bare


def test_a_cvimodel_beside_its_info_has_the_warnings_of_its_declaration(tmp_path: Path) -> None:
    model = tmp_path / "net.cvimodel"
    bare = info_beside(model, CLASSIFIER, camera_picture.Declared(warnings=("another border",)))
    assert bare.recognition.warnings == ()
    assert named_as_beside(bare, model).recognition.warnings == ("another border",)


def accuracy_beside(model: Path, *, figure: bool = True) -> Measured:
    """Write what was measured of a cvimodel, as a build does."""
    measured = Measured(
        network=model.name,
        sha256=digest.of_file(model),
        images=20,
        kind="YOLO11",
        figure=Figure(metric="mAP50-95", value=0.865, standard_error=0.006) if figure else None,
        camera=Figure(metric="mAP50-95", value=0.841) if figure else None,
        agreement=Figure(metric="same detections", value=0.989),
    )
    beside = model.with_name(f"{model.stem}_accuracy.json")
    beside.write_text(measured.model_dump_json(), encoding="utf-8")
    return measured


@pytest.mark.usefixtures("sandbox")
def test_a_cvimodel_that_was_measured_has_its_accuracy(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = accuracy_beside(model)
    assert info(str(model)) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "accuracy       mAP50-95 0.865 ±0.006 on 20 images; 0.841 as the camera shows it",
        "agreement      0.989 with the float network, on 20 images",
    ]
    info("--json", str(model))
    assert json.loads(capsys.readouterr().out)["accuracy"] == measured.model_dump(mode="json")
    accuracy_beside(model, figure=False)
    info(str(model))
    told = capsys.readouterr().out.splitlines()
    assert not [line for line in told if line.startswith("accuracy")]
    assert told[-1].startswith("agreement")


@pytest.mark.usefixtures("sandbox")
def test_the_accuracy_of_other_bytes_is_left_out(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accuracy_beside(model)
    model.write_bytes(b"CviModel" * 1001)
    assert info(str(model)) == 0
    info("--json", str(model))
    model.with_name("net_accuracy.json").write_text("damaged", encoding="utf-8")
    assert info(str(model)) == 0
    assert "accuracy" not in capsys.readouterr().out
