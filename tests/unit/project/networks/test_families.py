from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from small_networks import EXPORTED, SHARED, Operator, exported, exported_bytes, small, yolov5

from cvimake.project.networks import network, reading
from cvimake.project.networks.families import recognise
from cvimake.project.networks.findings import Findings
from cvimake.project.networks.network import Network

BOX, CLASS = "/model.{m}/cv2.{s}/cv2.{s}.2/Conv_output_0", "/model.{m}/cv3.{s}/cv3.{s}.2/Conv_output_0"


def grouped(number: int) -> tuple[str, ...]:
    return tuple(head.format(m=number, s=scale) for head in (BOX, CLASS) for scale in range(3))


def interleaved(number: int, prefix: str = "") -> tuple[str, ...]:
    return tuple(
        head.format(m=number, s=scale).replace("cv", f"{prefix}cv")
        for scale in range(3)
        for head in (BOX, CLASS)
    )


def found(name: str) -> Findings:
    findings = recognise(exported(name))
    assert findings is not None
    return findings


EXPECTED = {
    "yolov8n": ("YOLOv8", "detect", 80, interleaved(22), "YOLO11"),
    "yolov8n-one-class": ("YOLOv8", "detect", 1, interleaved(22), ""),
    "yolov8n-segment": ("YOLOv8", "segment", 2, ("output0", "output1"), "YOLO11-seg"),
    "yolov8n-pose": ("YOLOv8", "pose", 1, ("output0",), "YOLO11-pose"),
    "yolov8n-classify": ("Ultralytics classifier", "classify", 1000, ("output0",), "classifier"),
    "yolo11n": ("YOLO11", "detect", 80, interleaved(23), "YOLO11"),
    "yolo11n-64-classes": ("YOLO11", "detect", 64, interleaved(23), "YOLO11"),
    "yolo11n-opset20": ("YOLO11", "detect", 4, interleaved(23), "YOLO11"),
    "yolo11n-dynamic": ("YOLO11", "detect", 3, interleaved(23), "YOLO11"),
    "yolo11n-simplified": ("YOLO11", "detect", 3, interleaved(23), "YOLO11"),
    "yolo11n-segment": ("YOLO11", "segment", 80, ("output0", "output1"), "YOLO11-seg"),
    "yolo11n-pose": ("YOLO11", "pose", 1, ("output0",), "YOLO11-pose"),
    "yolo11n-pose-two-classes": ("YOLO11", "pose", 2, ("output0",), ""),
    "yolo11n-classify": ("Ultralytics classifier", "classify", 5, ("output0",), "classifier"),
    "yolo26n": ("YOLO26", "detect", 80, interleaved(23, "one2one_"), "YOLO26"),
    # With four classes the camera takes heads in turns for grouped ones.
    "yolo26n-four-classes": ("YOLO26", "detect", 4, grouped(23), "YOLO26"),
    "yolo26n-segment": ("YOLO26", "segment", 1, ("output0", "output1"), "YOLO11-seg"),
    "yolo26n-pose": ("YOLO26", "pose", 1, ("output0",), "YOLO11-pose"),
    "yolo26n-classify": ("Ultralytics classifier", "classify", 10, ("output0",), "classifier"),
    "yolov5nu": ("YOLOv8", "detect", 80, interleaved(24), "YOLO11"),
    "yolov5n6u": ("YOLOv8", "detect", 80, interleaved(33), "YOLO11"),
    "yolov5n-defaults": ("YOLOv8", "detect", 80, interleaved(24), "YOLO11"),
    "yolov8n-defaults": ("YOLOv8", "detect", 80, interleaved(22), "YOLO11"),
    "yolo11n-defaults": ("YOLO11", "detect", 80, interleaved(23), "YOLO11"),
    "yolo26n-defaults": ("YOLO26", "detect", 80, interleaved(23), "YOLO26"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_ultralytics_exports_are_recognised(name: str) -> None:
    findings = found(name)
    assert (
        findings.family, findings.task, findings.classes, findings.outputs, findings.camera
    ) == EXPECTED[name]  # fmt: skip
    assert findings.preprocessing.pixel_format == "rgb"
    assert findings.preprocessing.scale == (0.0039216,) * 3
    assert any("its exporter calls it" in reason for reason in findings.why)


@pytest.mark.parametrize(
    ("name", "in_turns"),
    [
        # Ultralytics writes all boxes before all scores; by default its simplifier orders the nodes anew.
        ("yolov8n", False),
        ("yolo11n", False),
        ("yolo26n", False),
        ("yolov5nu", False),
        ("yolov8n-defaults", True),
        ("yolo11n-defaults", True),
        ("yolo26n-defaults", True),
        ("yolov5n-defaults", True),
    ],
)
def test_detectors_work_on_the_camera_whatever_the_order_of_their_graph(name: str, in_turns: bool) -> None:  # noqa: FBT001 - a case of the table
    findings = found(name)
    assert findings.works == "yes"
    nodes = onnx.load_model_from_string(exported_bytes(name)).graph.node
    order = [output for node in nodes for output in node.output]
    assert (sorted(findings.outputs, key=order.index) == list(findings.outputs)) == in_turns


def test_no_name_and_no_metadata_is_needed() -> None:
    """Tensors and nodes are called 0, 1, 2 …: what is recognised is the structure."""
    model = onnx.load_model_from_string(exported_bytes("yolo26n"))
    del model.metadata_props[:]
    new: dict[str, str] = {}
    for node in model.graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [new.setdefault(name, str(len(new))) if name else "" for name in names]
    for values in (model.graph.initializer, model.graph.input, model.graph.output):
        for value in values:
            value.name = new[value.name]
    del model.graph.value_info[:]
    findings = recognise(network.from_model(model))
    assert findings is not None
    assert (findings.family, findings.task, findings.classes) == ("YOLO26", "detect", 80)
    assert findings.outputs == tuple(new[name] for name in EXPECTED["yolo26n"][3])


@pytest.mark.parametrize("task", ["pose", "segment"])
def test_an_end_to_end_result_is_cut_before_what_the_toolchain_has_not(task: str) -> None:
    findings = found(f"yolo26n-{task}-end-to-end")
    assert (findings.family, findings.task, findings.classes) == ("YOLO26", task, 1)
    assert len(findings.outputs) == (9 if task == "pose" else 10)
    assert all("one2one" in name for name in findings.outputs[:9])
    assert findings.camera == ""
    assert "operators that the toolchain does not have" in findings.unsure[0]


def test_heads_without_their_end_to_end_branch_are_doubted() -> None:
    assert "without its end-to-end branch" in found("yolo26n-four-classes").unsure[0]
    assert not found("yolo26n").unsure


def test_a_fourth_grid_is_left_out_and_it_is_said() -> None:
    assert "a fourth grid" in found("yolov5n6u").unsure[0]


def test_a_detector_that_is_not_square_is_told_to_be_refused_by_the_camera() -> None:
    assert "detectors must be square" in found("yolov8n-one-class").unsure[0]


@pytest.mark.parametrize(
    "name", sorted(name for name in EXPECTED if EXPECTED[name][4] in {"YOLO11", "YOLO26"})
)
def test_a_detector_with_six_heads_works_on_the_camera(name: str) -> None:
    assert found(name).works == "yes"


def test_heads_that_are_the_outputs_already_come_in_turns() -> None:
    """In groups, as somebody has cut this one, the camera finds nothing."""
    model = onnx.load_model_from_string(exported_bytes("yolov8n"))
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in grouped(22))
    findings = recognise(network.from_model(model))
    assert findings is not None
    assert (findings.outputs, findings.camera) == (interleaved(22), "YOLO11")


def test_heads_in_turns_stay_so() -> None:
    path = Path(__file__).parents[4] / "models" / "shapes" / "shapes.onnx"
    findings = recognise(reading.read(path))
    assert findings is not None
    assert findings.outputs == ("box_8", "class_8", "box_16", "class_16", "box_32", "class_32")
    assert findings.camera == "YOLO11"


def test_oriented_boxes_are_none_of_these() -> None:
    assert recognise(exported("yolo11n-oriented")) is None


# The networks that are not Ultralytics'


def shared(name: str) -> Findings:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is no part of the project; put it into {SHARED} to test with it")
    findings = recognise(reading.read(path))
    assert findings is not None
    return findings


def test_the_layers_behind_the_heads_of_a_yolov5_stay_float() -> None:
    findings = recognise(network.from_model(yolov5()))
    assert findings is not None
    assert (findings.family, findings.classes, findings.outputs) == ("YOLOv5", 2, ("output",))
    assert (findings.camera, findings.works, findings.relative_boxes) == ("YOLOv5", "yes", True)
    assert len(findings.float_layers) == 3 * 11 + 1
    # Of another end the conversion makes a layer of its own, whose name is not known here.
    model = yolov5()
    model.graph.output[0].name = "end"
    model.graph.node.append(onnx.helper.make_node("Relu", ["output"], ["end"]))
    findings = recognise(network.from_model(model))
    assert findings is not None
    assert (findings.relative_boxes, findings.float_layers) == (True, ())


def test_yolov5_with_its_anchors_is_recognised() -> None:
    findings = found("yolov5n-original")
    assert (findings.family, findings.classes, findings.outputs) == ("YOLOv5", 80, ("output0",))
    assert (findings.camera, findings.works, findings.relative_boxes) == ("YOLOv5", "yes", True)
    assert "output0_Concat" in findings.float_layers


def test_the_guides_yolov5_is_recognised() -> None:
    findings = shared("yolov5s.onnx")
    assert (findings.family, findings.classes, findings.outputs) == ("YOLOv5", 80, ("output",))
    assert (findings.camera, findings.works, findings.relative_boxes) == ("YOLOv5", "yes", True)


def test_yolox_is_recognised() -> None:
    findings = shared("yolox_nano.onnx")
    assert (findings.family, findings.classes, findings.outputs) == ("YOLOX", 3, ("output",))
    assert findings.preprocessing.pixel_format == "bgr"
    assert findings.preprocessing.scale == (1.0,) * 3


def test_a_detector_of_anchors_is_cut_before_its_decoding() -> None:
    findings = shared("ultraface_rfb320.onnx")
    assert (findings.family, findings.classes, findings.outputs) == ("SSD", 1, ("460", "459"))


# Those that PyTorch exported

PLAIN = {"other-residual-classifier": 12, "other-flat-classifier": 7, "other-squeezed-classifier": 9}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_classifiers_that_pytorch_exports_are_recognised(name: str) -> None:
    findings = found(name)
    assert (findings.family, findings.classes, findings.camera) == ("classifier", PLAIN[name], "classifier")


@pytest.mark.parametrize("path", sorted(EXPORTED.glob("unknown-*.gz")), ids=lambda path: path.name)
def test_other_networks_that_pytorch_exports_are_not_recognised(path: Path) -> None:
    assert recognise(exported(path.name.removesuffix(".onnx.gz"))) is None


def test_nine_unknown_networks_are_tested() -> None:
    assert len(list(EXPORTED.glob("unknown-*.gz"))) == 9


# Small networks

CONVOLUTION: Operator = ("Conv", ["x", "w"], ["c"], {"kernel_shape": [1, 1]})
WEIGHTS = {"w": [8, 3, 1, 1], "f": [8, 5]}
POOL: Operator = ("GlobalAveragePool", ["c"], ["p"], {})
FLATTEN: Operator = ("Flatten", ["p"], ["v"], {})
SCORES: Operator = ("MatMul", ["v", "f"], ["s"], {})
CLASSIFIER = [CONVOLUTION, POOL, FLATTEN, SCORES]


def plain(operators: list[Operator], outputs: list[str], **options: object) -> Network:
    return small(operators, outputs, weights=WEIGHTS, **options)


@pytest.mark.parametrize(
    "more",
    [[], [("Softmax", ["s"], ["t"], {})], [("LogSoftmax", ["s"], ["t"], {}), ("Identity", ["t"], ["u"], {})]],
)
def test_a_plain_classifier_is_recognised_and_its_preprocessing_doubted(more: list[Operator]) -> None:
    operators = [*CLASSIFIER, *more]
    findings = recognise(plain(operators, [operators[-1][2][0]]))
    assert findings is not None
    assert (findings.family, findings.classes, findings.camera) == ("classifier", 5, "classifier")
    assert findings.preprocessing.mean == (123.675, 116.28, 103.53)
    assert "ImageNet" in findings.unsure[0]


def test_a_classifier_without_a_last_matrix_is_recognised() -> None:
    findings = recognise(plain([CONVOLUTION, POOL, FLATTEN], ["v"]))
    assert findings is not None
    assert findings.classes == 8


def test_a_gray_input_is_doubted() -> None:
    findings = recognise(
        small(CLASSIFIER, ["s"], weights={"w": [8, 1, 1, 1], "f": [8, 5]}, shape=[1, 1, 32, 32])
    )
    assert findings is not None
    assert findings.preprocessing.pixel_format == "gray"
    assert any("gray from 0 to 1" in doubt for doubt in findings.unsure)
    assert findings.works == "no"


NORMALISED: Operator = ("LayerNormalization", ["v", "v"], ["n"], {})
UNKNOWN = {
    "a filter": plain([CONVOLUTION, ("Relu", ["c"], ["y"], {})], ["y"]),
    "two results": plain([*CLASSIFIER, ("Relu", ["c"], ["y"], {})], ["s", "y"]),
    "no convolution": plain([("GlobalAveragePool", ["x"], ["p"], {}), FLATTEN], ["v"]),
    "not an image": small([("MatMul", ["x", "f"], ["s"], {})], ["s"], weights={"f": [8, 5]}, shape=[1, 8]),
    "one number": small([CONVOLUTION, POOL, FLATTEN], ["v"], weights={"w": [1, 3, 1, 1]}),
    "a transformer": plain(
        [CONVOLUTION, POOL, FLATTEN, NORMALISED, ("MatMul", ["n", "f"], ["s"], {})], ["s"]
    ),
    "an attention": plain(
        [
            CONVOLUTION,
            ("Flatten", ["c"], ["q"], {"axis": 2}),
            ("Transpose", ["q"], ["k"], {}),
            ("MatMul", ["q", "k"], ["a"], {}),
            ("Softmax", ["a"], ["b"], {}),
            ("MatMul", ["b", "q"], ["s"], {}),
        ],
        ["s"],
    ),
    "many channels": small(
        [CONVOLUTION, POOL, FLATTEN], ["v"], weights={"w": [8, 7, 1, 1]}, shape=[1, 7, 32, 32]
    ),
    "two grids": plain(
        [CONVOLUTION, ("MaxPool", ["c"], ["m"], {"kernel_shape": [2, 2], "strides": [2, 2]})], ["c", "m"]
    ),
    "nothing where inputs should be": plain(
        [("Conv", [], ["c"], {}), ("Gemm", [], ["g"], {}), ("Softmax", ["g"], ["s"], {})],
        ["s"],
    ),
    "a circle": plain([("Relu", ["b"], ["a"], {}), ("Relu", ["a"], ["b"], {})], ["b"]),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_anything_else_is_not_recognised(name: str) -> None:
    assert recognise(UNKNOWN[name]) is None


@pytest.mark.parametrize(
    ("name", "works"),
    [
        ("other-flat-classifier", "yes"),
        ("other-residual-classifier", "badly"),
        ("yolo11n-classify", "yes"),
    ],
)
def test_a_classifier_that_does_not_end_in_a_softmax_is_doubted(name: str, works: str) -> None:
    findings = recognise(exported(name))
    assert findings is not None
    assert findings.works == works
    assert any("raw outputs as probabilities" in doubt for doubt in findings.unsure) == (works == "badly")
