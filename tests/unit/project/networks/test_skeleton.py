from __future__ import annotations

import contextlib
import os
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import model

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import skeleton as skeletons
from cvimake.project.networks.skeleton import skeleton

GIBIBYTE = 1024**3


def varint(number: int) -> bytes:
    data = b""
    while number > 0x7F:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def written(folder: Path, data: bytes) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(data)
    return path


def convolution(channels: int = 64) -> onnx.ModelProto:
    return model(
        [("Conv", ["x", "w"], ["y"], {"kernel_shape": [3, 3]}), ("Reshape", ["y", "s"], ["z"], {})],
        ["z"],
        weights={"w": [channels, 3, 3, 3], "s": [2]},
    )


def test_only_the_data_of_large_tensors_is_left_out(tmp_path: Path) -> None:
    whole = convolution()
    bare = onnx.load_model_from_string(skeleton(written(tmp_path, whole.SerializeToString())))
    large, small = bare.graph.initializer
    assert (large.dims, large.raw_data, len(small.raw_data)) == ([64, 3, 3, 3], b"", 8)
    whole.graph.initializer[0].ClearField("raw_data")
    assert bare == whole


def test_a_skeletons_skeleton_is_itself(tmp_path: Path) -> None:
    once = skeleton(written(tmp_path, convolution().SerializeToString()))
    assert skeleton(written(tmp_path, once)) == once


def test_constants_in_nodes_and_in_graphs_of_nodes_are_left_out_too(tmp_path: Path) -> None:
    large = convolution().graph.initializer[0]
    inner = onnx.helper.make_graph([onnx.helper.make_node("Constant", [], ["c"], value=large)], "i", [], [])
    loop = onnx.helper.make_node("Loop", ["", ""], ["y"], body=inner)
    whole = convolution()
    whole.graph.node.extend([onnx.helper.make_node("Constant", [], ["k"], value=large), loop])
    bare = onnx.load_model_from_string(skeleton(written(tmp_path, whole.SerializeToString())))
    assert bare.ByteSize() < 1500 < large.ByteSize()
    assert bare.graph.node[-1].attribute[0].g.node[0].attribute[0].t.dims == [64, 3, 3, 3]


def test_weights_larger_than_memory_are_not_read(tmp_path: Path) -> None:
    # A tensor of 40 GiB: a hole in the file.
    tensor_size, hole = 40 * GIBIBYTE, varint(40 * GIBIBYTE)
    tensor = b"\x42\x01w\x4a" + hole
    graph = b"\x2a" + varint(len(tensor) + tensor_size) + tensor
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        file.write(b"\x08\x08\x3a" + varint(len(graph) + tensor_size) + graph)
        file.seek(tensor_size, os.SEEK_CUR)
        file.write(b"\x42\x02\x10\x11")
    bare = onnx.load_model_from_string(skeleton(path))
    assert bare.graph.initializer[0].name == "w"
    assert bare.opset_import[0].version == 17


def test_a_structure_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeletons, "LARGEST", 100)
    with pytest.raises(CvimakeError, match="larger than that of any network"):
        skeleton(written(tmp_path, convolution().SerializeToString()))


def test_graphs_within_graphs_without_end_are_refused(tmp_path: Path) -> None:
    inner = b"\x0a\x01n" + b"\x00" * 0 + b"\x52" + varint(5000) + b"x" * 5000
    for _ in range(40):
        attribute = b"\x32" + varint(len(inner)) + inner
        node = b"\x2a" + varint(len(attribute)) + attribute
        inner = b"\x0a" + varint(len(node)) + node
    with pytest.raises(CvimakeError, match="not an ONNX file"):
        skeleton(written(tmp_path, b"\x3a" + varint(len(inner)) + inner))


@pytest.mark.parametrize(
    "data", [b"\xff" * 64, b"\x00" * 64, b"PK\x03\x04rubbish", b"<html>not found</html>"]
)
def test_bytes_that_are_not_protobuf_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CvimakeError, match="is not an ONNX file"):
        skeleton(written(tmp_path, data))


def test_an_empty_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(CvimakeError, match="is empty"):
        skeleton(written(tmp_path, b""))


def test_a_file_that_is_cut_off_within_its_graph_is_refused(tmp_path: Path) -> None:
    data = convolution().SerializeToString()
    for length in range(20, 7000, 500):
        with pytest.raises(CvimakeError, match="cut off"):
            skeleton(written(tmp_path, data[:length]))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_skeleton_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    with contextlib.suppress(CvimakeError):
        assert isinstance(skeleton(written(tmp_path_factory.getbasetemp(), data)), bytes)
