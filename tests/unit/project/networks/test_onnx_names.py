from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import onnx_names

TINY = Path(__file__).resolve().parents[3] / "models" / "tiny" / "tiny.onnx"


def saved(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def test_names_and_shapes_are_those_that_onnx_reads() -> None:
    graph = onnx.load(TINY).graph
    names = onnx_names.read(TINY)
    assert names.inputs == {"images": (1, 3, 128, 128)}
    assert names.tensors == {output for node in graph.node for output in node.output}
    assert names.external == ()


def test_weights_among_the_inputs_are_no_inputs(tmp_path: Path) -> None:
    model = onnx.load(TINY)
    weight = model.graph.initializer[0]
    model.graph.input.append(helper.make_tensor_value_info(weight.name, TensorProto.FLOAT, list(weight.dims)))
    assert list(onnx_names.read(saved(tmp_path / "net.onnx", model)).inputs) == ["images"]


def test_an_open_axis_is_0(tmp_path: Path) -> None:
    model = onnx.load(TINY)
    axes = model.graph.input[0].type.tensor_type.shape.dim
    axes[0].dim_param = "batch"
    axes[2].ClearField("dim_value")
    assert onnx_names.read(saved(tmp_path / "net.onnx", model)).inputs == {"images": (0, 3, 0, 128)}


def test_weights_in_other_files_are_named(tmp_path: Path) -> None:
    model = onnx.load(TINY)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "tiny.data"), ("offset", "0")):
        tensor.external_data.append(onnx.StringStringEntryProto(key=key, value=value))
    assert onnx_names.read(saved(tmp_path / "net.onnx", model)).external == ("tiny.data",)


def test_constants_in_other_files_are_named_however_deep(tmp_path: Path) -> None:
    model = onnx.load(TINY)

    def constant(name: str) -> onnx.NodeProto:
        value = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
        value.data_location = TensorProto.EXTERNAL
        value.external_data.append(onnx.StringStringEntryProto(key="location", value=f"{name}.data"))
        return helper.make_node("Constant", [], [name], value=value)

    inner = helper.make_graph([constant("inner")], "inner", [], [])
    model.graph.node.append(constant("outer"))
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))
    found = onnx_names.read(saved(tmp_path / "net.onnx", model))
    assert found.external == ("outer.data", "inner.data")


def test_graphs_in_graphs_without_end_are_refused(tmp_path: Path) -> None:
    graph = b""
    for _ in range(40):
        # An attribute with the graph (6), in a node (5), in a graph (1).
        for field in (b"\x32", b"\x2a", b"\x0a"):
            graph = field + bytes((len(graph) & 0x7F | 0x80, len(graph) >> 7)) + graph
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x3a" + bytes((len(graph) & 0x7F | 0x80, len(graph) >> 7)) + graph)
    with pytest.raises(CvimakeError, match="is not an ONNX file"):
        onnx_names.read(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    with pytest.raises(CvimakeError, match="is not an ONNX file"):
        onnx_names.read(tmp_path / "net.onnx")


def test_no_share_of_a_file_crashes_the_reader(tmp_path: Path) -> None:
    data = TINY.read_bytes()
    path = tmp_path / "net.onnx"
    refused = 0
    for length in range(1, len(data), 97):
        path.write_bytes(data[:length])
        try:
            onnx_names.read(path)
        except CvimakeError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    "data", [b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xff" * 40, b"\x3a\x02\x0a\x7f"]
)
def test_lengths_beyond_the_end_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(CvimakeError, match="is not an ONNX file, or is cut off"):
        onnx_names.read(path)
