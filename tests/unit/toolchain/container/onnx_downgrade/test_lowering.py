"""Every operator whose form changed: converted, run beside the original, compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from onnx_networks import network, operators

from cvimake.toolchain.container.onnx_downgrade import lowering, proof, reading
from cvimake.toolchain.container.onnx_downgrade.network import opset_of
from cvimake.toolchain.container.onnx_downgrade.refusal import RefusedError


def lowered(source: onnx.ModelProto, target: int) -> tuple[onnx.ModelProto, dict[str, int]]:
    """Converts, and shows that it computes the same."""
    reading.check(source)
    result, counts = lowering.lower(source, target)
    result.ir_version = 8
    assert opset_of(result) == target
    reading.check(result)
    proof.prove(source, result, proof.input_shapes(source))
    return result, counts


# From, to, the graph, and the operators that are then there.
CONVERTED = {
    "split in parts": (
        20, 17, "(float[1,7,2] x) => (float[1,3,2] a, float[1,3,2] b, float[1,1,2] c)"
        "{ a, b, c = Split<axis = 1, num_outputs = 3>(x) }", ["Split"]),
    "split from the back": (
        18, 17, "(float[2,6] x) => (float[2,3] a, float[2,3] b) { a, b = Split<axis = -1, num_outputs = 2>(x) }",
        ["Split"]),
    "split by sizes": (
        18, 11, "(float[5] x) => (float[2] a, float[3] b) <int64[2] s = {2, 3}> { a, b = Split(x, s) }", ["Split"]),
    **{
        f"{name} over axes": (
            18, 17, f"(float[2,3,4] x) => (float[a,b,c] y) <int64[2] s = {{-1, 0}}> {{ y = {name}(x, s) }}", [name])
        for name in ("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
                     "ReduceProd", "ReduceSumSquare")
    },
    "a reduction of all": (
        18, 17, "(float[2,3] x) => (float[a,b] y) { y = ReduceMean(x) }", ["ReduceMean"]),
    "a reduction without dimensions kept": (
        18, 11, "(float[2,3] x) => (float[a] y) <int64[1] s = {1}> { y = ReduceMax<keepdims = 0>(x, s) }",
        ["ReduceMax"]),
    "a reduction of none": (
        18, 17, "(float[2,3] x) => (float[2,3] y) { y = ReduceMax<noop_with_empty_axes = 1>(x) }", ["Identity"]),
    "squares of each": (
        18, 17, "(float[2,3] x) => (float[2,3] y) { y = ReduceSumSquare<noop_with_empty_axes = 1>(x) }", ["Mul"]),
    "sums to opset 12": (
        18, 12, "(float[2,3] x) => (float[a,b] y) <int64[1] s = {-1}> { y = ReduceSum(x, s) }", ["ReduceSum"]),
    "the greatest of truth values": (
        20, 17, "(bool[2,3] x) => (bool[a,b] y) <int64[1] s = {1}> { y = ReduceMax(x, s) }",
        ["Cast", "ReduceMax", "Cast"]),
    "padding of some axes": (
        19, 17, "(float[1,2,3] x) => (float[a,b,c] y) <int64[4] p = {1, 0, 2, 3}, float v = {0.5}, int64[2] s = {-1, 1}>"
        "{ y = Pad(x, p, v, s) }", ["Pad"]),
    "padding by wrapping": (
        19, 17, '(float[2,5] x) => (float[a,b] y) <int64[4] p = {1, 2, 0, 3}> { y = Pad<mode = "wrap">(x, p) }',
        ["Slice", "Concat", "Slice", "Slice", "Concat", "Identity"]),
    "padding by reflection": (
        23, 11, '(float[2,5] x) => (float[a,b] y) <int64[4] p = {0, 2, 0, 3}> { y = Pad<mode = "reflect">(x, p) }',
        ["Pad"]),
    "sizes of some axes": (
        19, 17, "(float[1,2,4,4] x) => (float[a,b,c,d] y) <float[0] r = {}, float[0] s = {}, int64[2] z = {8, 6}>"
        '{ y = Resize<axes = [2, 3], mode = "linear">(x, , , z) }', ["Resize"]),
    "scales of some axes": (
        18, 17, "(float[1,2,4,4] x) => (float[a,b,c,d] y) <float[2] s = {2.0, 1.5}>"
        '{ y = Resize<axes = [-2, -1], mode = "nearest">(x, , s) }', ["Resize"]),
    "a region of some axes": (
        18, 17, "(float[1,1,6,6] x) => (float[a,b,c,d] y) <float[4] r = {0.1, 0.2, 0.8, 0.9}, int64[2] z = {3, 4}>"
        '{ y = Resize<axes = [2, 3], mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize">'
        "(x, r, , z) }", ["Resize"]),
    "symmetric half pixels that come out even": (
        19, 17, "(float[1,1,4,4] x) => (float[a,b,c,d] y) <float[4] s = {1.0, 1.0, 2.0, 2.0}>"
        '{ y = Resize<mode = "linear", coordinate_transformation_mode = "half_pixel_symmetric">(x, , s) }',
        ["Resize"]),
    "what Resize had to have": (
        19, 11, "(float[1,1,4,4] x) => (float[a,b,c,d] y) <float[4] s = {1.0, 1.0, 2.0, 2.0}>"
        '{ y = Resize<mode = "linear">(x, , s) }', ["Resize"]),
    "gelu": (20, 17, "(float[2,3] x) => (float[2,3] y) { y = Gelu(x) }", ["Div", "Erf", "Add", "Mul", "Mul"]),
    "gelu by tanh": (
        20, 11, '(float[2,3] x) => (float[2,3] y) { y = Gelu<approximate = "tanh">(x) }',
        ["Mul", "Mul", "Mul", "Add", "Mul", "Tanh", "Add", "Mul", "Mul"]),
    "mish": (22, 17, "(float[2,3] x) => (float[2,3] y) { y = Mish(x) }", ["Softplus", "Tanh", "Mul"]),
    "hard swish stays": (22, 14, "(float[2,3] x) => (float[2,3] y) { y = HardSwish(x) }", ["HardSwish"]),
    "hard swish": (22, 13, "(float[2,3] x) => (float[2,3] y) { y = HardSwish(x) }", ["HardSigmoid", "Mul"]),
    "layer normalisation stays": (
        23, 17, "(float[2,3,4] x) => (float[2,3,4] y) <float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}>"
        "{ y = LayerNormalization(x, s, b) }", ["LayerNormalization"]),
    "layer normalisation": (
        17, 16, "(float[2,3,4] x) => (float[2,3,4] y) <float[3,4] s = {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}>"
        "{ y = LayerNormalization<axis = 1, epsilon = 0.01>(x, s) }",
        ["ReduceMean", "Sub", "Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul"]),
    "group normalisation, one scale for each channel": (
        21, 17, "(float[2,4,3,3] x) => (float[2,4,3,3] y) <float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}>"
        "{ y = GroupNormalization<num_groups = 2, epsilon = 0.01>(x, s, b) }",
        ["Reshape", "InstanceNormalization", "Reshape", "Mul", "Add"]),
    "group normalisation, its scale computed": (
        21, 17, "(float[1,4,6] x, float[4] s, float[4] b) => (float[1,4,6] y)"
        "{ y = GroupNormalization<num_groups = 2>(x, s, b) }",
        ["Reshape", "InstanceNormalization", "Reshape", "Reshape", "Reshape", "Mul", "Add"]),
    "rms normalisation": (
        23, 17, "(float[2,4] x) => (float[2,4] y) <float[4] s = {1, 2, 3, 4}> { y = RMSNormalization(x, s) }", None),
    "a crop to the centre": (
        18, 17, "(float[6,7] x) => (float[a,b] y) <int64[2] z = {4, 9}> { y = CenterCropPad(x, z) }", None),
    "a cast that may saturate": (
        19, 17, "(float[2,3] x) => (int32[2,3] y) { y = Cast<to = 6, saturate = 1>(x) }", ["Cast"]),
    "a cast to another's type": (
        19, 17, "(float[2,3] x, int32[1] z) => (int32[2,3] y) { y = CastLike<saturate = 1>(x, z) }", ["CastLike"]),
    "a cast to another's type, before there was one": (
        19, 14, "(float[2,3] x, int32[1] z) => (int32[2,3] y) { y = CastLike(x, z) }", ["Cast"]),
    "equality": (19, 17, "(float[2,3] x, float[2,3] z) => (bool[2,3] y) { y = Equal(x, z) }", ["Equal"]),
    "reshape": (
        21, 13, "(float[2,3] x) => (float[a,b] y) <int64[2] s = {3, -1}> { y = Reshape<allowzero = 1>(x, s) }",
        ["Reshape"]),
    "scattered elements": (
        18, 11, "(float[3,3] x) => (float[3,3] y) <int64[1,3] i = {1, 0, 2}, float[1,3] u = {1, 2, 3}>"
        '{ y = ScatterElements<axis = 0, reduction = "none">(x, i, u) }', ["ScatterElements"]),
    "scattered slices": (
        18, 11, '(float[3,2] x) => (float[3,2] y) <int64[1,1] i = {1}, float[1,2] u = {1, 2}>'
        '{ y = ScatterND<reduction = "none">(x, i, u) }', ["ScatterND"]),
    "added slices": (
        18, 16, '(float[3,2] x) => (float[3,2] y) <int64[2,1] i = {1, 1}, float[2,2] u = {1, 2, 3, 4}>'
        '{ y = ScatterND<reduction = "add">(x, i, u) }', ["ScatterND"]),
    "a constant of a shape": (
        23, 17, "(float[2,2] x) => (float[2,2] y) <int64[2] s = {2, 2}>"
        "{ c = ConstantOfShape<value = float[1] {3.0}>(s) y = Add(x, c) }", ["ConstantOfShape", "Add"]),
    "identity": (23, 11, "(float[2] x) => (float[2] y) { y = Identity(x) }", ["Identity"]),
    "a part of a shape": (
        23, 14, "(float[2,3,4] x) => (int64[1] y) { y = Shape<start = 1, end = -1>(x) }", ["Shape", "Slice"]),
    "an undilated pool": (
        22, 17, "(float[1,1,4,4] x) => (float[a,b,c,d] y)"
        "{ y = AveragePool<kernel_shape = [2, 2], dilations = [1, 1]>(x) }", ["AveragePool"]),
    "sampling on a grid": (
        20, 17, "(float[1,1,4,4] x, float[1,2,2,2] g) => (float[a,b,c,d] y) { y = GridSample(x, g) }",
        ["GridSample"]),
    "a triangle": (
        14, 13, "(float[3,4] x) => (float[3,4] y) <int64 k = {1}> { y = Trilu<upper = 0>(x, k) }", ["Where"]),
    "softmax of the last axis": (
        13, 12, "(float[2,3,4] x) => (float[2,3,4] y) { y = Softmax(x) }", ["Softmax"]),
    "softmax of another axis": (
        13, 12, "(float[2,3,4] x) => (float[2,3,4] y) { y = Softmax<axis = 1>(x) }",
        ["Transpose", "Softmax", "Transpose"]),
    "squeezed": (
        21, 12, "(float[1,3,1] x) => (float[3,1] y) <int64[1] s = {0}> { y = Squeeze(x, s) }", ["Squeeze"]),
    "unsqueezed": (
        21, 12, "(float[3] x) => (float[1,3] y) <int64[1] s = {0}> { y = Unsqueeze(x, s) }", ["Unsqueeze"]),
    "batch normalisation": (
        15, 13, "(float[1,2,3] x) => (float[1,2,3] y) <float[2] s = {1, 2}>"
        "{ y = BatchNormalization<training_mode = 0>(x, s, s, s, s) }", ["BatchNormalization"]),
    "at least": (
        16, 11, "(float[2,3] x, float[2,3] z) => (bool[2,3] y) { y = GreaterOrEqual(x, z) }",
        ["Greater", "Equal", "Or"]),
    "numbers": (
        13, 11, "(float[2] x) => (float[2] y) { c = Constant<value_float = 2.0>() y = Mul(x, c) }",
        ["Constant", "Mul"]),
    "dropout": (
        22, 11, "(float[2] x) => (float[2] y) <float r = {0.5}> { y = Dropout(x, r) }", ["Dropout"]),
    "inside a branch": (
        20, 17, "(float[2,4] x) => (float[2,2] y) <bool c = {1}> { y = If(c) <"
        "then_branch = t () => (float[2,2] a) { a, b = Split<axis = 1, num_outputs = 2>(x) },"
        "else_branch = e () => (float[2,2] d) { a2, b2 = Split<axis = 1, num_outputs = 2>(x) d = Gelu(b2) }"
        "> }", ["If"]),
    "quantised": (
        21, 17, "(float[2,2] x) => (float[2,2] y) <float s = {0.1}>"
        "{ q = QuantizeLinear<output_dtype = 3>(x, s) y = DequantizeLinear(q, s) }",
        ["QuantizeLinear", "DequantizeLinear"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_an_older_form_computes_the_same(name: str) -> None:
    opset, target, graph, expected = CONVERTED[name]
    result, _ = lowered(network(f"g {graph}", opset), target)
    if expected is not None:
        assert operators(result) == expected
    ends = [value.name for value in result.graph.output]
    assert ends == [value.name for value in network(f"g {graph}", opset).graph.output]


# Opset, target, graph, and what is said.
REFUSED = {
    "antialias": (
        18, "(float[1,1,4,4] x) => (float[a,b,c,d] y) <float[4] s = {1.0, 1.0, 0.5, 0.5}>"
        '{ [n] y = Resize<mode = "linear", antialias = 1>(x, , s) }', "'n' (Resize): antialias has no older form"),
    "aspect ratio": (
        18, "(float[1,1,4,4] x) => (float[a,b,c,d] y) <int64[2] z = {8, 6}>"
        '{ [n] y = Resize<axes = [2, 3], keep_aspect_ratio_policy = "not_larger">(x, , , z) }',
        "'n' (Resize): keep_aspect_ratio_policy 'not_larger' has no older form"),
    "half pixels that do not come out even": (
        19, "(float[1,1,4,4] x) => (float[a,b,c,d] y) <float[4] s = {1.0, 1.0, 1.3, 1.3}> { [n] y = Resize<"
        'mode = "linear", coordinate_transformation_mode = "half_pixel_symmetric">(x, , s) }', "'n' (Resize)"),
    "computed axes": (
        18, "(float[2,3] x, int64[1] s) => (float[a,b] y) { [n] y = ReduceMax(x, s) }",
        "'n' (ReduceMax): its axes are computed"),
    "the greatest of scattered": (
        18, '(float[3,2] x) => (float[3,2] y) <int64[1,1] i = {1}, float[1,2] u = {1, 2}>'
        '{ [n] y = ScatterND<reduction = "max">(x, i, u) }', "ScatterND"),
    "bits": (
        18, "(int32[2] x) => (int32[2] y) { [n] y = BitwiseNot(x) }", "'n' (BitwiseNot): there is no such operator"),
    "dilated pool": (
        19, "(float[1,1,8,8] x) => (float[a,b,c,d] y)"
        "{ [n] y = AveragePool<kernel_shape = [2, 2], dilations = [2, 2]>(x) }",
        "'n' (AveragePool): dilations = [2, 2] has no form before opset 19"),
    "a node without a name": (
        18, "(int32[2] x) => (int32[2] y) { y = BitwiseNot(x) }", "node of 'y' (BitwiseNot)"),
    "five dimensions of a grid": (
        20, "(float[1,1,4,4,4] x, float[1,2,2,2,3] g) => (float[a,b,c,d,e] y) { [n] y = GridSample(x, g) }",
        "'n' (GridSample): it has 5 dimensions"),
    "text": (
        19, "(string[2] x, string[2] z) => (bool[2] y) { [n] y = Equal(x, z) }",
        "'n' (Equal): opset 18 does not take tensor(string)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_node_without_an_older_form_is_refused_by_name_and_operator(name: str) -> None:
    opset, graph, told = REFUSED[name]
    source = network(f"g {graph}", opset)
    reading.check(source)
    with pytest.raises(RefusedError) as caught:
        lowering.lower(source, 17)
    assert told in str(caught.value)


def test_rewritten_nodes_are_counted() -> None:
    text = "g (float[2,3] x) => (float[2,3] y) { a = Gelu(x) b = Gelu(a) y = Relu(b) }"
    assert lowered(network(text, 20), 17)[1] == {"Gelu": 2}


def test_the_source_is_left_as_it_is() -> None:
    source = network("g (float[2,3] x) => (float[2,3] y) { y = Gelu(x) }", 20)
    before = source.SerializeToString(deterministic=True)
    lowering.lower(source, 17)
    assert source.SerializeToString(deterministic=True) == before


def test_every_rewrite_is_of_an_operator_that_changed_then() -> None:
    for opset, name in lowering.REWRITES:
        assert onnx.defs.get_schema(name, opset, "").since_version == opset


# Any shape


def reference(model: onnx.ModelProto, value: np.ndarray[Any, Any]) -> list[Any]:
    return list(ReferenceEvaluator(model).run(None, {"x": value}))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_split_comes_out_as_the_reference_says(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))
    rank = data.draw(st.integers(1, 3))
    axis = data.draw(st.integers(-rank, rank - 1))
    shape = [data.draw(st.integers(1, 9)) for _ in range(rank)]
    if -(-shape[axis] // count) * (count - 1) > shape[axis]:
        return
    outputs = ", ".join(f"float[{','.join(f'd{n}_{i}' for i in range(rank))}] y{n}" for n in range(count))
    names = ", ".join(f"y{n}" for n in range(count))
    text = f"g (float[{','.join(map(str, shape))}] x) => ({outputs})"
    source = network(f"{text} {{ {names} = Split<axis = {axis}, num_outputs = {count}>(x) }}", 18)
    result, _ = lowering.lower(source, 17)
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    for expected, found in zip(reference(source, value), reference(result, value), strict=True):
        np.testing.assert_array_equal(expected, found)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_padding_of_some_axes_comes_out_as_the_reference_says(data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 4))
    axes = data.draw(st.lists(st.integers(0, rank - 1), min_size=1, unique=True))
    pads = [data.draw(st.integers(0, 3)) for _ in range(2 * len(axes))]
    signed = [axis - rank if data.draw(st.booleans()) else axis for axis in axes]
    shape = [data.draw(st.integers(1, 4)) for _ in range(rank)]
    size = ",".join(f"d{number}" for number in range(rank))
    fixed = f"int64[{len(pads)}] p = {{{','.join(map(str, pads))}}}, int64[{len(axes)}] s = "
    fixed += f"{{{','.join(map(str, signed))}}}"
    text = f"g (float[{','.join(map(str, shape))}] x) => (float[{size}] y) <{fixed}> {{ y = Pad(x, p, , s) }}"
    source = network(text, 18)
    result, _ = lowering.lower(source, 17)
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1
    np.testing.assert_array_equal(reference(source, value)[0], reference(result, value)[0])
