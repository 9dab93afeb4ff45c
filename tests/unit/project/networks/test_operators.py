from __future__ import annotations

import onnx
import pytest
from small_networks import Operator, exported, small

from cvimake.project.networks.families import recognise
from cvimake.project.networks.operators import CONVERTED, LIMITS, NEWER, NEWEST_OPSET, problems

CONVOLUTION: Operator = ("Conv", ["x", "w"], ["c"], {"kernel_shape": [1, 1]})
WEIGHTS = {"w": [8, 3, 1, 1], "k": [1], "many": [5]}


def told(*operators: Operator, outputs: list[str] | None = None) -> tuple[str, ...]:
    names = outputs or [operators[-1][2][0]]
    return problems(small([CONVOLUTION, *operators], names, weights=WEIGHTS), names)


def test_operators_of_every_family_are_accepted() -> None:
    for name in ("yolov8n", "yolo11n", "yolo26n", "yolo11n-segment", "yolo11n-classify", "yolo26n-pose"):
        network = exported(name)
        found = recognise(network)
        assert found is not None
        assert problems(network, found.outputs) == ()


def test_an_end_to_end_result_has_problems_that_are_named_with_their_nodes() -> None:
    network = exported("yolo26n-pose-end-to-end")
    found = problems(network, network.outputs)
    assert any(
        text.startswith("Mod (/model.23/Mod") and "not an operator that tpu_mlir 1.7 reads" in text
        for text in found
    )
    assert any(text.startswith("TopK (/model.23/TopK") and "has no form" in text for text in found)
    assert any(text.startswith("GatherElements (") for text in found)
    assert all("[output] names" in text for text in found)


def test_an_operator_that_is_not_converted_is_told() -> None:
    (text,) = told(("Mod", ["c", "k"], ["y"], {"fmod": 1}))
    assert text.startswith("Mod (n1) is not an operator that tpu_mlir 1.7 reads: end the network before it")


def test_an_operator_of_a_newer_opset_is_told_as_such() -> None:
    gelu: Operator = ("Gelu", ["c"], ["y"], {})
    (text,) = problems(small([CONVOLUTION, gelu], ["y"], weights=WEIGHTS, opset=20), ["y"])
    assert text == "Gelu (n1) is newer than opset 17: the conversion tries to use older operators"


def test_the_newer_operators_are_those_of_onnx() -> None:
    newer = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if not schema.domain}
    newer -= {
        schema.name
        for schema in onnx.defs.get_all_schemas_with_history()
        if not schema.domain and schema.since_version <= NEWEST_OPSET
    }
    assert newer - CONVERTED == NEWER


def test_an_operator_of_another_domain_is_told() -> None:
    (text,) = told(("Fused", ["c"], ["y"], {"domain": "com.example"}))
    assert text.startswith("Fused (n1) is not an operator of com.example that")


def test_the_same_fault_of_many_nodes_is_told_once() -> None:
    chain: list[Operator] = [("Erf", ["c" if not at else f"e{at - 1}"], [f"e{at}"], {}) for at in range(5)]
    (text,) = told(*chain)
    assert text.startswith("Erf (n1, n2, n3 and 2 more) has no form on cv181x")


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (("Where", ["m", "c", "k"], ["y"], {}), "with a mask"),
        (("Greater", ["c", "k"], ["y"], {}), "sigmoid"),
        (("Max", ["c", "k"], ["y"], {}), "use Clip"),
        (("Cos", ["c"], ["y"], {}), "no form on cv181x"),
        (("TopK", ["c", "k"], ["y", "i"], {}), "end to end"),
        (("Gather", ["c", "many"], ["y"], {"axis": 1}), "only along the first of two axes"),
        (("Resize", ["c", "", "k"], ["y"], {"mode": "cubic"}), "linear or nearest"),
        (("MaxPool", ["c"], ["y"], {"kernel_shape": [2, 2, 2]}), "three axes"),
    ],
)
def test_unsupported_operators_are_reported_with_a_workaround(operator: Operator, words: str) -> None:
    (text,) = told(operator)
    assert words in text


def test_the_same_operator_in_a_form_that_works_is_no_problem() -> None:
    assert told(("Max", ["c", "c"], ["y"], {})) == ()
    assert told(("Gather", ["c", "k"], ["y"], {"axis": 1})) == ()
    assert told(("Resize", ["c", "", "k"], ["y"], {"mode": "linear"})) == ()
    assert told(("ArgMax", ["c"], ["y"], {})) == ()
    gelu: list[Operator] = [
        ("Erf", ["c"], ["e"], {}), ("Add", ["e", "k"], ["a"], {}), ("Mul", ["c", "a"], ["y"], {})
    ]  # fmt: skip
    assert told(*gelu) == ()


def test_operators_that_no_chosen_output_needs_are_accepted() -> None:
    mod: Operator = ("Mod", ["c", "k"], ["y"], {"fmod": 1})
    assert told(mod, ("Relu", ["c"], ["z"], {}), outputs=["z"]) == ()


def test_operators_on_shapes_alone_are_accepted() -> None:
    folded: list[Operator] = [
        ("Shape", ["c"], ["s"], {}), ("Mod", ["s", "k"], ["m"], {}), ("Reshape", ["c", "m"], ["y"], {})
    ]  # fmt: skip
    assert told(*folded) == ()


def test_every_limit_is_of_an_operator_that_is_converted() -> None:
    assert {op for limit in LIMITS for op in limit.ops} <= CONVERTED
