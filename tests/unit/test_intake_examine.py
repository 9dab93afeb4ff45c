from __future__ import annotations

import contextlib
import random
from pathlib import Path

import onnx
import pytest
from small_networks import Operator, exported_bytes, model

from cvimake.errors import CvimakeError
from cvimake.intake import examine as examining
from cvimake.intake.examine import candidates, examine
from cvimake.intake.reading import read
from cvimake.network_file import Kind

OPERATORS: list[Operator] = [
    ("Conv", ["x", "w"], ["c"], {"kernel_shape": [1, 1]}),
    ("Relu", ["c"], ["y"], {}),
]


def written(folder: Path, made: onnx.ModelProto) -> Path:
    onnx.save(made, folder / "net.onnx")
    return folder / "net.onnx"


def test_a_recognised_network_has_findings_and_class_names(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("yolo26n-classify"))
    found = examine(tmp_path / "net.onnx")
    assert found.findings
    assert found.classes == tuple(str(number) for number in range(10))
    assert (found.candidates, found.problems) == ((), ())


@pytest.mark.parametrize(("name", "attends"), [("yolo11n", True), ("yolov8n", False)])
def test_attention_is_seen(tmp_path: Path, name: str, attends: bool) -> None:  # noqa: FBT001 - what is expected
    (tmp_path / "net.onnx").write_bytes(exported_bytes(name))
    assert examine(tmp_path / "net.onnx").attends is attends


def test_names_of_another_number_of_classes_are_not_taken(tmp_path: Path) -> None:
    made = onnx.load_model_from_string(exported_bytes("yolo11n-classify"))
    for entry in made.metadata_props:
        if entry.key == "names":
            entry.value = "{0: 'cat'}"
    found = examine(written(tmp_path, made))
    assert found.classes == ()
    assert found.findings
    assert any("names 1 classes, and the graph has 5" in doubt for doubt in found.findings.unsure)


def test_another_network_has_candidates(tmp_path: Path) -> None:
    path = written(tmp_path, model(OPERATORS, ["y"], weights={"w": [8, 3, 1, 1]}))
    assert examine(path).candidates == (("y", (1, 8, 32, 32)), ("c", (1, 8, 32, 32)))


def test_candidates_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "_FEW", 1)
    network = read(written(tmp_path, model(OPERATORS, ["y"], weights={"w": [8, 3, 1, 1]})))
    assert [name for name, _ in candidates(network)] == ["y"]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_examined_or_refused_in_one_sentence(tmp_path: Path, seed: int) -> None:
    damage = random.Random(seed)
    data = bytearray(exported_bytes("yolo26n-pose-end-to-end" if seed % 2 else "other-flat-classifier"))
    for _ in range(damage.choice([1, 3, 20])):
        data[damage.randrange(len(data))] ^= 1 << damage.randrange(8)
    (tmp_path / "net.onnx").write_bytes(data)
    with contextlib.suppress(CvimakeError):
        assert examine(tmp_path / "net.onnx").kind is Kind.ONNX


def test_open_axes_are_told(tmp_path: Path) -> None:
    made = model(OPERATORS, ["y"], weights={"w": [8, 3, 1, 1]}, shape=[1, 3, "h", "w"])
    assert "x has axes of open length: say [input] shapes" in examine(written(tmp_path, made)).problems


def test_a_caffe_network_is_taken_with_its_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text('input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 24', encoding="utf-8")
    with pytest.raises(CvimakeError, match=r"no net\.caffemodel beside it"):
        examine(path)
    (tmp_path / "net.caffemodel").write_bytes(b"weights")
    found = examine(path)
    assert found.weights == tmp_path / "net.caffemodel"
    assert found.inputs == [("data", (1, 3, 12, 24))]
