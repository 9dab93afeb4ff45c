"""Outputs by their declared names, through the names that the toolchain gives them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError, StageFailedError
from cvimake.pipeline import named_outputs
from cvimake.pipeline.named_outputs import NamedOutput
from cvimake.toolchain import mlir_names
from cvimake.toolchain.cvimodel import Tensor

# Lines as tpu_mlir 1.7 writes them, of a network whose transposition and sigmoid it exchanged.
MLIR = """module @net attributes {module.platform = "ONNX"} {
  func.func @main(%arg0: tensor<1x3x8x8xf32> loc(unknown)) -> (tensor<1x4x8x8xf32>) {
    %1 = "top.Input"(%arg0) : (tensor<1x3x8x8xf32>) -> tensor<1x3x8x8xf32> loc(#loc1)
    %3 = "top.Conv"(%1, %2, %0) : (tensor<1x3x8x8xf32>) -> tensor<1x4x8x8xf32> loc(#loc3)
    %7 = "top.Sigmoid"(%3) : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32> loc(#loc7)
    %4:2 = "top.Topk"(%3) : (tensor<1x4x8x8xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>) loc(#loc4)
    return RETURN loc(#loc)
  } loc(#loc)
} loc(#loc)
#loc1 = loc("images")
#loc3 = loc("box_Conv")
#loc7 = loc("320_Transpose_top.Sigmoid")
#loc5 = loc("best_TopK")
#loc6 = loc("place_TopK")
#loc4 = loc(fused[#loc5, #loc6])
"""
ALL = "%7, %3, %4#1, %4#0 : tensor<1x8x8x4xf32>, tensor<1x4x8x8xf32>, tensor<1x2xf32>, tensor<1x2xf32>"
MADE = ("320_Transpose_top.Sigmoid", "box_Conv", "place_TopK", "best_TopK")


def mlir(returned: str = ALL) -> tuple[mlir_names.Output, ...]:
    return mlir_names.outputs(Path("net.mlir"), MLIR.replace("RETURN", returned))


def tensor(name: str, *shape: int) -> Tensor:
    return Tensor(name=name, shape=(*shape, 1, 1, 1)[:4], type="fp32", scale=1.0)  # type: ignore[arg-type]


# From the source to the MLIR


def test_outputs_are_known_by_their_places() -> None:
    found = named_outputs.of_mlir("net", mlir(), ("cls_8", "box", "place", "best"))
    assert [(output.declared, output.mlir, output.size) for output in found] == [
        ("cls_8", MADE[0], 256), ("box", MADE[1], 256), ("place", MADE[2], 2), ("best", MADE[3], 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        ("box", "cls_8", "place", "best"),
        ("cls_8", "box", "best", "place"),
        ("cls_8", "box", "place"),
        ("cls_8", "box", "place", "best", "more"),
    ],
)
def test_outputs_that_are_others_or_in_another_order_are_told(names: tuple[str, ...]) -> None:
    told = re.escape(f"net:mlir: its outputs come as {', '.join(MADE)}; declared are {', '.join(names)}")
    with pytest.raises(StageFailedError, match=told) as caught:
        named_outputs.of_mlir("net:mlir", mlir(), names)
    assert "convert the network to ONNX" in caught.value.remedy


def test_one_tensor_may_be_two_outputs() -> None:
    """The toolchain joins what computes the same: then both have one name."""
    path = mlir("%3, %3, %7 : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>, tensor<1x8x8x4xf32>")
    found = named_outputs.of_mlir("net", path, ("same", "box", "cls_8"))
    assert [output.mlir for output in found] == ["box_Conv", "box_Conv", MADE[0]]


def test_a_name_that_begins_another_is_not_taken_for_it() -> None:
    path = mlir("%4#0, %3 : tensor<1x2xf32>, tensor<1x4x8x8xf32>")
    assert named_outputs.of_mlir("net", path, ("best", "box"))
    with pytest.raises(StageFailedError):
        named_outputs.of_mlir("net", path, ("box", "best"))


def test_names_that_tflite_keeps_say_the_order() -> None:
    """TensorFlow calls outputs `Identity`, `Identity_1`: the one begins the other."""
    text = MLIR.replace("RETURN", "%3, %7 : tensor<1x4x8x8xf32>, tensor<1x8x8x4xf32>")
    text = text.replace("box_Conv", "Identity_1").replace(MADE[0], "Identity")
    found = mlir_names.outputs(Path("net.mlir"), text)
    assert named_outputs.of_mlir("net", found, ("Identity_1", "Identity"), exact=True)
    with pytest.raises(StageFailedError, match="come as Identity_1, Identity; declared are Identity"):
        named_outputs.of_mlir("net", found, ("Identity", "Identity_1"), exact=True)


def test_without_any_names_they_are_those_of_the_mlir() -> None:
    found = named_outputs.of_mlir("net", mlir(), ())
    assert tuple(output.declared for output in found) == MADE


def test_an_mlir_of_another_form_is_told() -> None:
    for returned in ("nothing", "%3, %7 : memref<1xf32>"):
        with pytest.raises(CvimakeError, match=r"not as tpu_mlir 1\.7 writes it"):
            named_outputs.of_mlir("net", mlir(returned), ())


# From the MLIR to the cvimodel

NAMED = (
    NamedOutput(declared="cls_8", mlir=MADE[0], size=256),
    NamedOutput(declared="box", mlir=MADE[1], size=256),
)
RIGHT = (tensor(f"{MADE[0]}_f32", 1, 8, 8, 4), tensor("box_Conv", 1, 4, 8, 8))


def test_the_outputs_of_a_cvimodel_are_those_of_its_mlir() -> None:
    named_outputs.of_cvimodel("net:int8", RIGHT, NAMED)
    # Of a name that is not known, the place says what it is.
    named_outputs.of_cvimodel("net:int8", (tensor("other", 1, 8, 8, 4), RIGHT[1]), NAMED)


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        (RIGHT[::-1], f"its outputs come as box_Conv, {MADE[0]}_f32; declared are {MADE[0]}, box_Conv"),
        (RIGHT[:1], "its outputs come as"),
        ((RIGHT[0], tensor("box_Conv", 1, 4, 4, 4)), "other sizes than those of its MLIR"),
    ],
)
def test_a_cvimodel_with_other_outputs_than_its_mlir_is_told(outputs: tuple[Tensor, ...], told: str) -> None:
    with pytest.raises(StageFailedError, match=re.escape(told)):
        named_outputs.of_cvimodel("net:int8", outputs, NAMED)


def test_outputs_become_json_and_back() -> None:
    assert named_outputs.from_json(named_outputs.as_json(NAMED)) == NAMED
    with pytest.raises(ValueError, match="declared"):
        named_outputs.from_json(b"[{}]")
