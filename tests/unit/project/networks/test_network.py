from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from small_networks import exported, model, small

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import network, reading

CONVOLUTION = ("Conv", ["x", "w"], ["y"], {"kernel_shape": [1, 1]})
WEIGHTS = {"w": [8, 3, 1, 1]}


def test_a_graph_is_read_with_its_shapes(tmp_path: Path) -> None:
    onnx.save(model([CONVOLUTION, ("Relu", ["y"], ["z"], {})], ["z"], weights=WEIGHTS), tmp_path / "n.onnx")
    read = reading.read(tmp_path / "n.onnx")
    assert (read.ir, read.opset) == (8, 17)
    assert dict(read.inputs) == {"x": (1, 3, 32, 32)}
    assert dict(read.outputs) == {"z": (1, 8, 32, 32)}
    assert read.shape("y") == (1, 8, 32, 32)
    assert read.nodes[0].attributes == {"kernel_shape": [1, 1]}
    assert read.constants == {"w"}
    assert read.parameters == 24


def test_weights_that_are_listed_as_inputs_are_none() -> None:
    made = model([CONVOLUTION], ["y"], weights=WEIGHTS)
    made.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [8, 3, 1, 1]))
    assert list(network.from_model(made).inputs) == ["x"]


def test_exactly_the_nodes_that_the_outputs_need_are_found() -> None:
    read = small(
        [CONVOLUTION, ("Relu", ["y"], ["z"], {}), ("Neg", ["y"], ["other"], {})], ["z"], weights=WEIGHTS
    )
    assert [node.op for node in read.behind(["z"])] == ["Conv", "Relu"]


def test_open_axes_get_a_length_and_it_is_said() -> None:
    read = exported("yolo11n-dynamic")
    assert dict(read.inputs) == {"images": (1, 3, 320, 320)}
    assert read.assumed[0] == "axis 0 of images is open (batch): taken as 1"
    assert len(read.assumed) == 3


def test_an_open_size_stays_open_where_nothing_says_it() -> None:
    read = small([CONVOLUTION], ["y"], weights=WEIGHTS, shape=["batch", 3, "h", "w"])
    assert dict(read.inputs) == {"x": (1, 3, None, None)}


def test_weights_in_other_files_are_not_looked_for(tmp_path: Path) -> None:
    made = model([CONVOLUTION], ["y"], weights=WEIGHTS)
    onnx.external_data_helper.convert_model_to_external_data(made, location="w.bin", size_threshold=0)
    onnx.save(made, tmp_path / "n.onnx")
    (tmp_path / "w.bin").unlink()
    assert reading.read(tmp_path / "n.onnx").shape("w") == tuple(WEIGHTS["w"])


@pytest.mark.parametrize(
    "data", [b"\x0a\x02\x08\x08", b"\x08\x08", b"\x08\x08\x42\x02\x10\x11", b"\x3a\x02\xff\xff"]
)
def test_a_file_without_a_graph_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "n.onnx").write_bytes(data)
    with pytest.raises(CvimakeError, match="is not an ONNX file, or is cut off"):
        reading.read(tmp_path / "n.onnx")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'cat', 1: 'dog'}", ("cat", "dog")),
        ("{1: 'dog', 0: 'two\\nlines'}", ("two lines", "dog")),
        ("['a', 'b']", ("a", "b")),
        # Characters that would steer the terminal on which they are shown.
        ("['\\x1b[31mred', 'g\\u202efed']", ("[31mred", "g fed")),
        ("{0: 'a', 5: 'b'}", ()),
        ("__import__('os').getcwd()", ()),
        ("[" * 5000, ()),
        ("", ()),
        ("7", ()),
    ],
)
def test_class_names_are_taken_as_the_exporter_wrote_them(text: str, names: tuple[str, ...]) -> None:
    assert network.class_names({"names": text}) == names
