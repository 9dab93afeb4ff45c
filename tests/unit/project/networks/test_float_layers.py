"""The layers that stay float by rule, in networks that Ultralytics has exported."""

from __future__ import annotations

import re

import pytest
from small_networks import exported

from cvimake.project.networks import float_layers
from cvimake.project.networks.families import recognise
from cvimake.project.networks.heads import Heads, heads_of, image_of, last_convolutions
from cvimake.project.networks.network import Network, Node


def layers(name: str) -> tuple[str, ...]:
    findings = recognise(exported(name))
    assert findings is not None
    return findings.float_layers


@pytest.mark.parametrize(("name", "branch"), [("yolo11n", r"cv3\.[012]"), ("yolo26n", r"one2one_cv3\.[012]")])
def test_with_attention_the_whole_branch_of_the_scores_stays_float(name: str, branch: str) -> None:
    found = layers(name)
    # For each grid two depthwise and two plain convolutions, each with its activation, and the last one.
    assert len(found) == 3 * (4 * 2 + 1)
    assert all(re.fullmatch(rf"/model\.23/{branch}/.*_(Conv|Mul)", layer) for layer in found)
    # An activation is one layer, named after its product.
    assert not any("Sigmoid" in layer for layer in found)


def test_without_attention_no_layer_of_a_detector_is_named() -> None:
    assert layers("yolov8n") == ()


@pytest.mark.parametrize("name", ["yolo11n-segment", "yolo11n-pose", "yolo26n-segment", "yolo26n-pose"])
def test_a_decoded_output_stays_float_from_the_heads_on(name: str) -> None:
    found = layers(name)
    assert found[-1] == "output0_Concat"
    assert "/model.23/Sigmoid_output_0_Sigmoid" in found
    assert "/model.23/cv3.0/cv3.0.2/Conv_output_0_Conv" in found
    # The boxes' heads are INT8, and what only sizes need is no layer.
    assert not any("/cv2.0/" in layer or layer.endswith(("_Shape", "_Gather")) for layer in found)


def test_without_attention_only_the_decoding_stays_float() -> None:
    found = layers("yolov8n-segment")
    assert found[-1] == "output0_Concat"
    assert not any("/cv3." in layer for layer in found)


def node(op: str, inputs: tuple[str, ...], output: str) -> Node:
    return Node(name=output, op=op, inputs=inputs, outputs=(output,), attributes={})


def test_a_name_that_a_table_cannot_hold_leaves_no_table() -> None:
    network = exported("yolo11n")
    image = image_of(network)
    assert image is not None
    heads = heads_of(network, image, last_convolutions(network, network.outputs))
    assert heads is not None
    tensors = dict(heads.tensors)
    nodes = []
    for each in network.nodes:
        renamed = tuple(f"a {name}" if name in tensors[8][1:] else name for name in each.outputs)
        nodes.append(Node(name=each.name, op=each.op, inputs=each.inputs, outputs=renamed, attributes={}))
    tensors[8] = (tensors[8][0], f"a {tensors[8][1]}")
    spaced = Network(
        ir=8, opset=17, nodes=tuple(nodes), inputs=network.inputs, outputs={}, shapes={}, metadata={},
        constants=network.constants,
    )  # fmt: skip
    assert float_layers.of_scores(network, heads)
    assert float_layers.of_scores(spaced, Heads(tensors, heads.channels)) == ()


def test_copies_of_constants_are_no_layers() -> None:
    shape = (1, 4, 8, 8)
    nodes = [node("Conv", ("images", "weight"), "neck"), node("Identity", ("bias",), "bias.copy")]
    tensors = {}
    for stride in (8, 16, 32):
        nodes += [
            node("Conv", ("neck", "weight"), f"box{stride}"),
            node("Conv", ("neck", "weight", "bias.copy"), f"hidden{stride}"),
            node("Sigmoid", (f"hidden{stride}",), f"sigmoid{stride}"),
            node("Mul", (f"hidden{stride}", f"sigmoid{stride}"), f"active{stride}"),
            node("Conv", (f"active{stride}", "weight"), f"score{stride}"),
        ]
        tensors[stride] = (f"box{stride}", f"score{stride}")
    network = Network(
        ir=8, opset=17, nodes=tuple(nodes), inputs={"images": shape}, outputs={}, shapes={}, metadata={},
        constants=frozenset({"weight", "bias"}),
    )  # fmt: skip
    assert float_layers.of_scores(network, Heads(tensors, (64, 4)))[:3] == (
        "hidden8_Conv", "active8_Mul", "score8_Conv"
    )  # fmt: skip
