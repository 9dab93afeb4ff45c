from __future__ import annotations

import contextlib
import random
from pathlib import Path

import onnx
import pytest
from small_networks import Operator, exported_bytes, model

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import examine as examining
from cvimake.project.networks.examine import Candidate, candidates, examine
from cvimake.project.networks.network_file import Kind
from cvimake.project.networks.reading import read

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


def test_boxes_with_an_angle_have_the_reason_why_the_camera_does_not_take_them(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("yolo11n-oriented"))
    examined = examine(tmp_path / "net.onnx")
    assert examined.findings is None
    assert any("obb: boxes with an angle" in problem for problem in examined.problems)


@pytest.mark.parametrize(("name", "attends"), [("yolo11n", True), ("yolov8n", False)])
def test_attention_is_seen(tmp_path: Path, name: str, attends: bool) -> None:  # noqa: FBT001 - what is expected
    (tmp_path / "net.onnx").write_bytes(exported_bytes(name))
    assert examine(tmp_path / "net.onnx").attends is attends


def test_class_names_of_the_wrong_number_are_ignored(tmp_path: Path) -> None:
    made = onnx.load_model_from_string(exported_bytes("yolo11n-classify"))
    for entry in made.metadata_props:
        if entry.key == "names":
            entry.value = "{0: 'cat'}"
    found = examine(written(tmp_path, made))
    assert found.classes == ()
    assert found.findings
    assert any("names 1 classes, but the graph has 5" in doubt for doubt in found.findings.unsure)


@pytest.mark.parametrize(
    "attributes",
    [{"kernel_shape": 3}, {"kernel_shape": [1, 1], "group": "x"}, {"kernel_shape": [1, 1], "group": [1, 2]}],
)
def test_an_attribute_of_another_kind_than_the_operator_has_is_ignored(
    tmp_path: Path, attributes: dict[str, object]
) -> None:
    operators: list[Operator] = [
        ("Conv", ["x", "w"], ["c"], attributes),
        ("GlobalAveragePool", ["c"], ["p"], {}),
        ("Flatten", ["p"], ["v"], {}),
    ]
    assert examine(written(tmp_path, model(operators, ["v"], weights={"w": [8, 3, 1, 1]}))).problems == ()


def test_an_unknown_network_has_candidates_for_outputs(tmp_path: Path) -> None:
    path = written(tmp_path, model(OPERATORS, ["y"], weights={"w": [8, 3, 1, 1]}))
    assert examine(path).candidates == (
        Candidate("y", (1, 8, 32, 32)),
        Candidate("c", (1, 8, 32, 32), "the last convolution before the decoding"),
    )


def test_a_tensor_before_a_sigmoid_is_a_candidate_with_its_reason(tmp_path: Path) -> None:
    operators: list[Operator] = [
        OPERATORS[0], ("Sigmoid", ["c"], ["s"], {}), ("Transpose", ["s"], ["y"], {"perm": [0, 2, 3, 1]})
    ]  # fmt: skip
    path = written(tmp_path, model(operators, ["y"], weights={"w": [8, 3, 1, 1]}))
    _, before = examine(path).candidates
    assert before.name == "c"
    assert before.why.startswith("before its sigmoid, behind which most scores lie close to 0")


@pytest.mark.parametrize(("shape", "layout"), [([1, 32, 32, 3], "nhwc"), ([1, 3, 32, 32], "")])
def test_channels_that_stand_last_are_seen(tmp_path: Path, shape: list[int], layout: str) -> None:
    path = written(tmp_path, model([("Relu", ["x"], ["y"], {})], ["y"], shape=shape))
    found = examine(path)
    assert found.layout == layout
    assert any("x has its channels last" in problem for problem in found.problems) == bool(layout)


def test_a_network_of_another_size_is_examined_at_that_size(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("yolov8n"))
    found = examine(tmp_path / "net.onnx", [[1, 3, 320, 256]]).findings
    assert found
    assert (found.family, found.image.height, found.image.width) == ("YOLOv8", 320, 256)
    assert len(found.outputs) == 6


def test_a_size_that_the_network_does_not_allow_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("other-flat-classifier"))
    with pytest.raises(CvimakeError, match=r"cannot take inputs of .*Gemm"):
        examine(tmp_path / "net.onnx", [[1, 3, 320, 256]])


def test_candidates_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "_FEW", 1)
    network = read(written(tmp_path, model(OPERATORS, ["y"], weights={"w": [8, 3, 1, 1]})))
    assert [found.name for found in candidates(network)] == ["y"]


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
    assert (
        "x has axes of open length: declare [input] shapes, or use init --shape"
        in examine(written(tmp_path, made)).problems
    )


def test_a_caffe_network_is_taken_with_its_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text('input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 24', encoding="utf-8")
    with pytest.raises(CvimakeError, match=r"net\.caffemodel, the file with its weights, is not beside it"):
        examine(path)
    (tmp_path / "net.caffemodel").write_bytes(b"weights")
    found = examine(path)
    assert found.weights == tmp_path / "net.caffemodel"
    assert found.inputs == [("data", (1, 3, 12, 24))]
