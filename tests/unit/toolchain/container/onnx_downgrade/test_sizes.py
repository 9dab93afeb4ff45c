from __future__ import annotations

import onnx
import pytest
from onnx import ModelProto
from onnx_networks import network

from cvimake.toolchain.container.onnx_downgrade.converting import Wanted, convert
from cvimake.toolchain.container.onnx_downgrade.refusal import RefusedError

POOLED = """
g (float[1,3,8,8] x) => (float[1,3,4,4] y) {
    h = Relu(x)
    y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (h)
}
"""
RESHAPED = """
g (float[1,3,8,8] x) => (float[1,192] y) <int64[2] s = {1, 192}> { r = Relu(x) y = Reshape(r, s) }
"""
# A convolution over everything, as classifiers of a fixed size have it: more is left of a larger image.
MIXED = """
g (float[1,3,8,8] x) => (float[1,3] y) <int64[2] s = {-1, 3}> {
    p = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (x)
    y = Reshape(p, s)
}
"""


def shape(model: ModelProto) -> list[int]:
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]


@pytest.mark.parametrize("opset", [17, 20])
def test_a_network_that_allows_it_gets_inputs_of_another_size(opset: int) -> None:
    model, summary = convert(network(POOLED, opset), Wanted(shapes=[[1, 3, 16, 32]], fixed=True))
    assert shape(model) == [1, 3, 16, 32]
    assert summary["tidied"]["inputs of another size"] == 1
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    assert [dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim] == [1, 3, 8, 16]


def test_the_exported_size_changes_nothing() -> None:
    _, summary = convert(network(POOLED, 17), Wanted(shapes=[[1, 3, 8, 8]], fixed=True))
    assert "inputs of another size" not in summary["tidied"]


def test_a_network_that_holds_its_size_is_refused_with_the_operator() -> None:
    with pytest.raises(RefusedError, match=r"does not run with x of 1 x 3 x 16 x 16 .*Reshape"):
        convert(network(RESHAPED, 17), Wanted(shapes=[[1, 3, 16, 16]], fixed=True))


def test_only_what_the_outputs_need_has_to_run() -> None:
    model, _ = convert(network(RESHAPED, 17), Wanted(shapes=[[1, 3, 16, 16]], fixed=True, outputs=["r"]))
    assert shape(model) == [1, 3, 16, 16]


def test_a_network_that_would_take_one_image_for_several_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"its output 'y' is of 4 x 3, which mixes images"):
        convert(network(MIXED, 17), Wanted(shapes=[[1, 3, 16, 16]], fixed=True))


def test_the_batch_can_be_another() -> None:
    model, _ = convert(network(POOLED, 17), Wanted(shapes=[[2, 3, 8, 8]], fixed=True))
    assert shape(model) == [2, 3, 8, 8]


def test_other_channels_are_refused() -> None:
    text = "g (float[1,3,8,8] x, float[4,3,1,1] w) => (float[1,4,8,8] y) { y = Conv(x, w) }"
    with pytest.raises(RefusedError, match="does not run with x of 1 x 1 x 8 x 8"):
        convert(network(text, 17), Wanted(shapes=[[1, 1, 8, 8], [4, 3, 1, 1]], fixed=True))
