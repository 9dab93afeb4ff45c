"""Lengths that a graph computes of other lengths, as PyTorch exports them without a simplifier."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from cvimake.project.networks.network import Network, from_model


def split(times: int, divisor: int = 2, place: int = 1, added: int = 1) -> onnx.ModelProto:
    """Return a network that keeps the first half of its channels, as often as asked."""
    nodes, tensor = [], "x"
    constants = {"zero": 0, "axis": 1, "place": place, "added": added, "divisor": divisor, "one": 1}
    for number in range(times):
        name = f"y{number}"
        nodes += [
            helper.make_node("Shape", [tensor], [f"{name}.shape"]),
            helper.make_node("Gather", [f"{name}.shape", "place"], [f"{name}.length"], axis=0),
            helper.make_node("Add", [f"{name}.length", "added"], [f"{name}.more"]),
            helper.make_node("Div", [f"{name}.more", "divisor"], [f"{name}.half"]),
            helper.make_node("Mul", [f"{name}.half", "one"], [f"{name}.end"]),
            helper.make_node("Slice", [tensor, "zero", f"{name}.end", "axis"], [name]),
        ]
        tensor = name
    graph = helper.make_graph(
        [
            *(
                helper.make_node("Constant", [], [name], value=helper.make_tensor("", 7, [1], [value]))
                for name, value in constants.items()
            ),
            *nodes,
        ],
        "halves",
        [helper.make_tensor_value_info("x", 1, [1, 32, 8, 8])],
        [helper.make_tensor_value_info(tensor, 1, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def read(model: onnx.ModelProto) -> Network:
    return from_model(model)


def test_the_shapes_behind_halves_are_known() -> None:
    network = read(split(3))
    assert [network.shape(f"y{number}") for number in range(3)] == [(1, 16, 8, 8), (1, 8, 8, 8), (1, 4, 8, 8)]
    # What is computed before the network runs is a constant of it.
    assert "y0.end" in network.constants
    assert [node.op for node in network.nodes].count("Slice") == 3


@pytest.mark.parametrize(
    ("divisor", "place", "added"),
    [(0, 1, 1), (-2, 1, 1), (2, 9, 1), (2, 1, -99), (2, 1, 2**63 - 1), (1000, 1, 1)],
)
def test_lengths_that_cannot_be_computed_are_left(divisor: int, place: int, added: int) -> None:
    network = read(split(2, divisor, place, added))
    assert network.shape("x") == (1, 32, 8, 8)
    assert [node.op for node in network.nodes].count("Slice") == 2


def test_a_way_of_many_halves_ends() -> None:
    model = split(200)
    model.graph.node[0].attribute[0].t.CopyFrom(helper.make_tensor("", 7, [1], [0]))
    assert [node.op for node in read(model).nodes].count("Slice") == 200
