"""The graph of a model whose network takes PyTorch or TensorFlow: real graph, fake sandbox."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import small_tflite
from graphs import STAGES, Workshop
from small_tflite import Operator, Tensor


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Its network is TFLite; there is a store."""
    workshop = Workshop.with_store(tmp_path, monkeypatch)
    workshop.take_tflite()
    return workshop


def tflite_workshop(root: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop(root, monkeypatch)
    workshop.take_tflite()
    return workshop


def test_the_plan_names_the_image_that_reads_the_network(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = workshop.verdicts(capsys)
    assert list(planned)[:3] == ["toolchain", "frameworks", "m0000:mlir"]
    assert planned["frameworks"] == "will run"


def test_a_project_of_onnx_networks_has_no_such_image(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.declare('source = "tiny.tflite"', 'source = "tiny.onnx"')
    assert "frameworks" not in workshop.verdicts(capsys)
    workshop.doit("list", "--all")
    assert "frameworks" not in capsys.readouterr().out


def test_a_network_that_is_not_there_yet_asks_for_no_image(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (workshop.declaration.parent / "tiny.tflite").unlink()
    assert "frameworks" not in workshop.verdicts(capsys)


def test_only_what_reads_the_network_runs_in_it(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sorted(workshop.build()) == sorted(set(STAGES) - {"m0000:onnx"})
    records = {name: (workshop.root / "build" / f"{name}.json") for name in ("toolchain", "frameworks")}
    assert json.loads(records["toolchain"].read_text(encoding="utf-8")) == workshop.identity
    assert json.loads(records["frameworks"].read_text(encoding="utf-8")) == workshop.frameworks
    assert workshop.verdicts(capsys) == {}


def test_another_framework_makes_only_what_reads_the_network_stale(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.build()
    workshop.frameworks["packages"]["torch"]["version"] = "2.0.2"
    assert workshop.doit("forget", "frameworks") == 0
    workshop.same.add("m0000:mlir")
    assert workshop.build() == ["m0000:mlir"] or workshop.ran[0] == "m0000:mlir"
    capsys.readouterr()
    assert workshop.doit("why", "m0000:mlir") == 0
    told = capsys.readouterr().out
    assert "torch" in told
    assert "was 2.0.1, is 2.0.2" in told
    assert "made by frameworks" in told


def test_results_are_kept_under_the_image_that_made_them(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.build()
    second = tmp_path / "second"
    second.mkdir()
    other = tflite_workshop(second, monkeypatch)
    assert other.build() == []
    third = tmp_path / "third"
    third.mkdir()
    changed = tflite_workshop(third, monkeypatch)
    changed.frameworks["packages"]["torch"]["version"] = "2.0.2"
    # Its bytes are the same, so that what follows is there.
    assert changed.build() == ["m0000:mlir"]


def test_the_log_of_the_image_is_shown(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    workshop.build()
    capsys.readouterr()
    assert workshop.doit("log", "frameworks") == 2
    assert "./doit image --frameworks --rebuild" in capsys.readouterr().err
    (workshop.root / "build" / "logs" / "frameworks.log").write_text("it was built\n", encoding="utf-8")
    assert workshop.doit("log", "frameworks") == 0
    assert capsys.readouterr().out == "build/logs/frameworks.log\n\nit was built\n"


def test_the_picture_has_the_image_beside_the_toolchain(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("graph", "--format", "mermaid") == 0
    drawn = capsys.readouterr().out
    assert "frameworks" in drawn
    assert "toolchain" in drawn


def test_the_image_is_not_made_where_no_network_that_needs_it_can_be_read(
    workshop: Workshop,
) -> None:
    refuse(workshop)
    assert workshop.doit("run", "--continue", "-o", "told.txt") == 2
    assert not (workshop.root / "build" / "frameworks.json").exists()
    told = (workshop.root / "told.txt").read_text(encoding="utf-8")
    assert "TANH (result) is not an operator that tpu_mlir 1.7 reads from TFLite" in told
    assert "tf2onnx" in told
    assert workshop.ran == []


def test_the_image_is_made_for_a_network_that_can_be_read_beside_one_that_cannot(workshop: Workshop) -> None:
    other = workshop.root / "models" / "other"
    shutil.copytree(workshop.declaration.parent, other)
    refuse(workshop)
    workshop.doit("run", "--continue")
    assert (workshop.root / "build" / "frameworks.json").exists()


def refuse(workshop: Workshop) -> None:
    """Takes a network of an operator that the toolchain does not read."""
    tensors = [Tensor("image", [1, 8, 8, 3]), Tensor("result", [1, 8, 8, 3])]
    data = small_tflite.file(tensors, [Operator("TANH", [0], [1])], [0], [1])
    (workshop.declaration.parent / "tiny.tflite").write_bytes(data)
