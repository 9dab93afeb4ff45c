"""Decoded boxes that are brought from pixels to fractions of the input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto
from onnx_networks import network, operators

from cvimake.toolchain.container.onnx_downgrade.converting import Wanted, convert
from cvimake.toolchain.container.onnx_downgrade.network import tensor_names
from cvimake.toolchain.container.onnx_downgrade.refusal import RefusedError

# Two grids, decoded as YOLOv5 does it, in an input 64 wide and 32 high; scores are joined behind the boxes.
GRID = """
    s{n} = Slice(x, zero, end{n}, axis)
    r{n} = Reshape(s{n}, rows)
    t{n} = Sigmoid(r{n})
    xy{n}, wh{n}, c{n} = Split<axis = 2>(t{n}, parts)
    d{n} = Add(xy{n}, xy{n})
    b{n} = Mul(d{n}, stride)
    q{n} = Mul(wh{n}, wh{n})
    a{n} = Mul(anchor, q{n})
    j{n} = Concat<axis = 2>(b{n}, a{n}, c{n})
"""
HEAD = """g (float[1,3,32,64] x) => (float[1,N,8] y) <
    int64[1] zero = {{0}}, int64[1] end0 = {{16}}, int64[1] end1 = {{8}}, int64[1] axis = {{2}},
    int64[3] rows = {{1, -1, 8}}, int64[3] parts = {{2, 2, 4}}, float stride = {{32.0}},
    float[1,1,2] anchor = {{20.0, 30.0}}
> {{ {body} }}"""
YOLOV5 = HEAD.format(
    body=GRID.format(n=0) + GRID.format(n=1) + "y = Concat<axis = 1>(j0, j1)",
)
PLAIN = HEAD.format(
    body="r = Reshape(x, rows) s = Sigmoid(r) m = Mul(s, stride) y = Relu(m)",
)
SHARES = np.array([1 / 64, 1 / 32, 1 / 64, 1 / 32, 1, 1, 1, 1], np.float32)
YOLOV5S = Path(__file__).parents[6] / "shared/data/models/yolov5s.onnx"


def run(model: ModelProto, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: image})
    return np.asarray(result)


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random(shape, dtype=np.float32)


@pytest.mark.parametrize("text", [YOLOV5, PLAIN])
@pytest.mark.parametrize("opset", [13, 17, 20])
def test_boxes_are_fractions_and_scores_stay(text: str, opset: int) -> None:
    source = network(text, opset)
    result, summary = convert(source, Wanted(relative_boxes=True))
    given = image(1, 3, 32, 64)
    np.testing.assert_allclose(run(result, given), run(source, given) * SHARES, rtol=1e-6, atol=1e-6)
    assert summary["boxes"] == "brought from pixels to fractions of the input"
    assert summary["differences"].keys() == {
        "uniform 0..1", "normal", "integers 0..255", "uniform -1..1",
    }  # fmt: skip
    assert [value.name for value in result.graph.output] == ["y"]
    onnx.checker.check_model(result, full_check=True)


def test_the_numbers_that_boxes_are_multiplied_by_anyway_take_the_factors() -> None:
    """Before the boxes are joined with the scores: INT8 has one scale for all that is joined."""
    source = network(YOLOV5, 17)
    result, _ = convert(source, Wanted(relative_boxes=True))
    assert sorted(operators(result)) == sorted(operators(source))
    # Tables that name layers still fit.
    assert tensor_names(result) - {
        "stride/factors",
        "stride/factors_1",
        "anchor/factors",
        "anchor/factors_1",
    } == (tensor_names(source) - {"stride", "anchor"})


def test_a_network_of_another_form_is_multiplied_at_its_end() -> None:
    result, _ = convert(network(PLAIN, 17), Wanted(relative_boxes=True))
    assert operators(result)[-2:] == ["Relu", "Mul"]


def test_a_tensor_that_is_used_elsewhere_too_keeps_its_values() -> None:
    """The boxes' widths also go into the scores here."""
    text = HEAD.format(
        body="r = Reshape(x, rows) t = Sigmoid(r) p, c = Split<axis = 2>(t, halves) b = Mul(p, stride) "
        "u = Add(c, b) y = Concat<axis = 2>(b, u)"
    ).replace("int64[1] zero", "int64[2] halves = {4, 4}, int64[1] zero")
    source = network(text, 17)
    result, _ = convert(source, Wanted(relative_boxes=True))
    given = image(1, 3, 32, 64)
    np.testing.assert_allclose(run(result, given), run(source, given) * SHARES, rtol=1e-6, atol=1e-6)


def test_rows_that_are_joined_several_times_are_multiplied_once() -> None:
    source = network(YOLOV5.replace("(j0, j1)", "(j0, j1, j0, j0)"), 17)
    result, _ = convert(source, Wanted(relative_boxes=True))
    given = image(1, 3, 32, 64)
    np.testing.assert_allclose(run(result, given), run(source, given) * SHARES, rtol=1e-6, atol=1e-6)
    assert sorted(operators(result)) == sorted(operators(source))


def test_channels_last_inputs_have_their_size_too() -> None:
    text = YOLOV5.replace("1,3,32,64", "1,32,64,3").replace("axis = {2}", "axis = {1}")
    source = network(text, 17)
    result, _ = convert(source, Wanted(relative_boxes=True))
    given = image(1, 32, 64, 3)
    np.testing.assert_allclose(run(result, given), run(source, given) * SHARES, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "g (float[1,3,32,64] x) => (float[1,3,32,64] y) { y = Relu(x) }",
            r"for an output \[batch, boxes, 4 \+ scores\], as a YOLOv5 has one; 'y' is \[1, 3, 32, 64\]",
        ),
        (
            "g (float[1,9,8] x) => (float[1,9,8] y) { y = Relu(x) }",
            "for a network with one input that is an image",
        ),
        (
            "g (float[1,3,32,64] x) => (float[1,3,32,64] y, float[1,3,32,64] z) { y = Relu(x) z = Exp(x) }",
            "for a network with one output, and this has 2: y, z",
        ),
    ],
)
def test_a_network_without_boxes_in_pixels_is_refused(text: str, told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        convert(network(text, 17), Wanted(relative_boxes=True))


def test_boxes_that_are_fractions_already_stay_so() -> None:
    source = network(PLAIN.replace("y = Relu(m)", "y = Sigmoid(m)"), 17)
    result, summary = convert(source, Wanted(relative_boxes=True))
    assert operators(result) == operators(source)
    assert summary["boxes"] == "are fractions of the input in the source"
    assert summary["differences"] == {}


@pytest.mark.skipif(not YOLOV5S.is_file(), reason=f"the network {YOLOV5S} is not there")
def test_a_real_yolov5_puts_out_fractions_and_no_operation_is_added() -> None:
    source = onnx.load(YOLOV5S)
    result, _ = convert(source, Wanted(relative_boxes=True))
    given = image(1, 3, 640, 640)
    expected = run(source, given)
    expected[..., :4] /= 640
    np.testing.assert_allclose(run(result, given), expected, rtol=1e-5, atol=1e-6)
    # The firmware looks at this one to see whether boxes are fractions.
    assert run(result, given)[0, 0, 0] < 1
    assert operators(result).count("Mul") == operators(source).count("Mul")
