from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from small_networks import SHARED, Operator, exported_bytes, model

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import reading
from cvimake.project.networks.resizing import different

CONVOLUTION: Operator = ("Conv", ["x", "w"], ["c"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})
WEIGHTS = {"w": [8, 3, 3, 3]}


def written(folder: Path, data: bytes) -> Path:
    (folder / "net.onnx").write_bytes(data)
    return folder / "net.onnx"


def small(folder: Path, *operators: Operator, output: str, **weights: list[int]) -> Path:
    made = model([CONVOLUTION, *operators], [output], weights={**WEIGHTS, **weights})
    return written(folder, made.SerializeToString())


def test_a_convolutional_network_takes_another_size(tmp_path: Path) -> None:
    read = reading.read(small(tmp_path, ("Relu", ["c"], ["y"], {}), output="y"), [[1, 3, 48, 64]])
    assert dict(read.inputs) == {"x": (1, 3, 48, 64)}
    assert dict(read.outputs) == {"y": (1, 8, 48, 64)}


def test_a_reshape_to_a_fixed_size_is_named(tmp_path: Path) -> None:
    made = model([CONVOLUTION, ("Reshape", ["c", "s"], ["y"], {})], ["y"], weights=WEIGHTS)
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 8192]), "s"))
    path = written(tmp_path, made.SerializeToString())
    assert reading.read(path, [[1, 3, 32, 32]]).nodes
    with pytest.raises(
        CvimakeError, match=r"cannot take inputs of \[\[1, 3, 16, 16\]\]: n1 \(Reshape\) makes"
    ):
        reading.read(path, [[1, 3, 16, 16]])


def test_a_fully_connected_layer_is_named(tmp_path: Path) -> None:
    operators: list[Operator] = [("Flatten", ["c"], ["f"], {}), ("Gemm", ["f", "g"], ["y"], {})]
    path = small(tmp_path, *operators, output="y", g=[8192, 4])
    with pytest.raises(CvimakeError, match=r"node name: n2\).*Dimension mismatch.*8192 and 2048"):
        reading.read(path, [[1, 3, 16, 16]])


def test_only_what_the_outputs_need_has_to_fit(tmp_path: Path) -> None:
    operators: list[Operator] = [("Flatten", ["c"], ["f"], {}), ("Gemm", ["f", "g"], ["y"], {})]
    path = small(tmp_path, *operators, output="y", g=[8192, 4])
    assert reading.read(path, [[1, 3, 16, 16]], ["c"]).shape("c") == (1, 8, 16, 16)


@pytest.mark.parametrize(
    ("shapes", "told"), [([[1, 3, 16, 16]] * 2, "has 1 inputs"), ([[3, 16, 16]], "x has 4 axes")]
)
def test_shapes_of_another_form_are_told(tmp_path: Path, shapes: list[list[int]], told: str) -> None:
    with pytest.raises(CvimakeError, match=told):
        reading.read(small(tmp_path, output="c"), shapes)


def test_a_yolo_with_its_decoding_is_refused_and_its_bare_heads_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, exported_bytes("yolov8n"))
    with pytest.raises(CvimakeError, match=r"/model\.22/"):
        reading.read(path, [[1, 3, 320, 320]])
    heads = [
        f"/model.22/cv{kind}.{scale}/cv{kind}.{scale}.2/Conv_output_0"
        for kind in (2, 3)
        for scale in range(3)
    ]
    read = reading.read(path, [[1, 3, 320, 320]], heads)
    assert read.shape(heads[0]) == (1, 64, 40, 40)


def test_a_yolov5_with_fixed_reshapes_is_refused() -> None:
    if not (SHARED / "yolov5s.onnx").is_file():
        pytest.skip(f"no yolov5s.onnx in {SHARED}")
    with pytest.raises(CvimakeError, match=r"/model\.24/Reshape \(Reshape\) makes \[1, 3, 85, 80, 80\]"):
        reading.read(SHARED / "yolov5s.onnx", [[1, 3, 320, 320]])


@pytest.mark.parametrize(
    ("shapes", "inputs", "expected"),
    [
        ([[1, 3, 8, 8]], {"x": (1, 3, 8, 8)}, False),
        ([[1, 3, 8, 8]], {"x": (0, 3, 0, 0)}, False),
        ([[1, 3, 8, 9]], {"x": (1, 3, 8, 8)}, True),
        ([[2, 3, 8, 8]], {"x": (1, 3, 8, 8)}, True),
        ([[1, 3, 8, 9]], {"x": (1, 3, 8, 8), "z": (1,)}, False),
        ([], {"x": (1, 3, 8, 8)}, False),
    ],
)
def test_a_size_that_differs_from_the_file_is_noticed(
    shapes: list[list[int]],
    inputs: dict[str, tuple[int, ...]],
    expected: bool,  # noqa: FBT001 - what is expected
) -> None:
    assert different(shapes, inputs) is expected
