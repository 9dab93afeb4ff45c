"""Networks that end in other tensors than their own, in the order that was asked for."""

from __future__ import annotations

import random

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper
from onnx_networks import network, operators

from cvimake.toolchain.container.onnx_downgrade.converting import Wanted, convert
from cvimake.toolchain.container.onnx_downgrade.refusal import RefusedError

CHAIN = (
    "g (float[2,3] x, float[2,3] z) => (float[2,3] y) { a = Relu(x) b = Gelu(a) c = Mul(b, z) y = Exp(c) }"
)


def outputs(model: ModelProto) -> list[str]:
    return [value.name for value in model.graph.output]


def run(model: ModelProto, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The tensors that onnxruntime computes; all of them are made outputs of a copy first."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    needed = {value.name for value in session.get_inputs()}
    return list(session.run(names, {name: value for name, value in given.items() if name in needed}))


def random_network(chance: random.Random) -> ModelProto:
    """A network whose nodes stand in a random order of those that are possible, with one output."""
    tensors, nodes = ["x"], []
    for number in range(chance.randint(3, 12)):
        operator = chance.choice(["Relu", "Sigmoid", "Tanh", "Add", "Mul", "Split"])
        inputs = [chance.choice(tensors) for _ in range(2 if operator in {"Add", "Mul"} else 1)]
        names = [f"t{number}"]
        if operator == "Split":
            names.append(f"t{number}b")
            halves = [f"h{number}", f"h{number}b"]
            nodes.append(helper.make_node("Split", inputs, halves, axis=1, name=f"n{number}s"))
            nodes += [
                helper.make_node("Concat", [half, half], [name], axis=1, name=f"n{name}")
                for half, name in zip(halves, names, strict=True)
            ]
        else:
            nodes.append(helper.make_node(operator, inputs, names, name=f"n{number}"))
        tensors += names
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4]) for name in ("x", tensors[-1])]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("seed", range(60))
def test_outputs_come_in_the_order_asked_for_and_compute_the_same(seed: int) -> None:
    chance = random.Random(seed)
    source = random_network(chance)
    tensors = [name for node in source.graph.node for name in node.output if name.startswith("t")]
    wanted = chance.sample(tensors, chance.randint(2, min(4, len(tensors))))
    result, _ = convert(source, Wanted(outputs=wanted))
    assert outputs(result) == wanted
    onnx.checker.check_model(result, full_check=True)
    # The source with every tensor as an output is the reference.
    del source.graph.output[:]
    source.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4]) for name in tensors
    )
    given = {"x": np.random.default_rng(seed).standard_normal((2, 4)).astype(np.float32)}
    for one, other in zip(run(source, wanted, given), run(result, wanted, given), strict=True):
        np.testing.assert_array_equal(one, other)
    # Nothing is left that no output needs.
    needed = set(wanted)
    for node in reversed(result.graph.node):
        assert not needed.isdisjoint(node.output)
        needed.update(node.input)
    assert {value.name for value in result.graph.input} <= needed


def test_own_outputs_stay_as_they_are() -> None:
    text = "g (float[2] x) => (float[2] b, float[2] a) { a = Relu(x) b = Exp(x) }"
    for wanted in ((), ("b", "a")):
        result, summary = convert(network(text, 17), Wanted(outputs=wanted))
        assert outputs(result) == ["b", "a"]
        assert "outputs chosen" not in summary["tidied"]


def test_own_outputs_come_in_another_order() -> None:
    text = "g (float[2] x) => (float[2] b, float[2] a) { a = Relu(x) b = Exp(x) }"
    result, summary = convert(network(text, 17), Wanted(outputs=("a", "b")))
    assert outputs(result) == ["a", "b"]
    assert summary["tidied"] == {"outputs chosen": 2}


def test_an_output_may_lie_behind_another() -> None:
    result, _ = convert(network(CHAIN, 20), Wanted(outputs=("c", "a")))
    assert outputs(result) == ["c", "a"]
    assert operators(result)[-1] == "Mul"


def test_unneeded_nodes_are_removed_before_the_conversion() -> None:
    text = (
        "g (float[2,3] x, float[2,3] z) => (float[2,3] y) { a = Gelu(x) b = own.unknown(a, z) y = Relu(b) }"
    )
    model = network(text, 20, 10, '"own" : 1')
    with pytest.raises(RefusedError):
        convert(model, Wanted())
    result, summary = convert(model, Wanted(outputs=("a",)))
    assert [value.name for value in result.graph.input] == ["x"]
    assert "unknown" not in operators(result)
    # The proof compares the tensor that is wanted, not the output that is gone.
    assert summary["differences"]


def test_as_many_shapes_are_declared_as_inputs_are_needed() -> None:
    result, _ = convert(network(CHAIN, 20), Wanted(outputs=("a",), shapes=[[2, 3]], fixed=True))
    assert [value.name for value in result.graph.input] == ["x"]


def test_a_whole_number_output_keeps_its_type() -> None:
    text = "g (float[2,3] x) => (float[2,3] y) { i = ArgMax<axis = 1>(x) y = Relu(x) }"
    result, _ = convert(network(text, 17), Wanted(outputs=("i", "y")))
    kinds = [value.type.tensor_type.elem_type for value in result.graph.output]
    assert kinds == [TensorProto.INT64, TensorProto.FLOAT]


@pytest.mark.parametrize("opset", [11, 17, 20])
def test_an_output_whose_shape_is_not_inferred_gets_it_from_a_run(opset: int) -> None:
    """As SSD-like detectors have them: rows are counted by the network itself, and then joined."""
    text = """g (float[1,4,4,4] x) => (float[a,b,c] y) <
        int64[1] zero = {0}, int64[1] nothing = {3}, int64[1] rest = {-1}, int64[1] four = {4}
    > { z = NonZero(x) s = Shape(z) t = Gather(s, zero) u = Mul(t, zero) v = Add(u, zero) w = Add(v, rest)
        n = Sub(w, rest) k = Add(n, zero) f = Add(k, four) h = Concat<axis = 0>(rest, f) r = Reshape(x, h)
        y = Exp(r) }"""
    result, _ = convert(network(text, opset), Wanted(outputs=("r",), fixed=True))
    (value,) = result.graph.output
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [16, 4]
    assert value.type.tensor_type.elem_type == TensorProto.FLOAT


def test_an_output_of_its_own_functions_node_is_kept() -> None:
    model = network(
        "g (float[2,3] x) => (float[2,3] y) { a = own.twice(x) y = Relu(a) }", 18, 10, '"own" : 1'
    )
    body = [helper.make_node("Add", ["p", "p"], ["q"])]
    model.functions.append(
        helper.make_function("own", "twice", ["p"], ["q"], body, [helper.make_opsetid("", 18)])
    )
    result, _ = convert(model, Wanted(outputs=("a",)))
    assert (operators(result), outputs(result)) == (["Add"], ["a"])


@pytest.mark.parametrize(
    ("names", "told"),
    [(("a", "q"), r"it has no tensor 'q' that it could end in"), (("a", "a"), r"has 'a' twice")],
)
def test_outputs_that_cannot_be_are_refused(names: tuple[str, ...], told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        convert(network(CHAIN, 20), Wanted(outputs=names))
