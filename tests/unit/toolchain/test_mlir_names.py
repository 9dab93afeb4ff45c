from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.toolchain import mlir_names

PATH = Path("net.mlir")
# As tpu_mlir 1.7 wrote it, shortened; the last layer as MLIR prints one of several outputs.
TEXT = r"""#loc = loc(unknown)
module @net attributes {module.chip = "ALL", module.state = "TOP_F32"} {
  func.func @main(%arg0: tensor<1x3x8x8xf32> loc(unknown)) -> (tensor<1x4x8x8xf32>) {
    %0 = "top.None"() : () -> none loc(#loc)
    %1 = "top.Input"(%arg0) {pad_value = 0 : i64} : (tensor<1x3x8x8xf32>) -> tensor<1x3x8x8xf32> loc(#loc1)
    %2 = "top.Weight"() : () -> tensor<4x3x3x3xf32> loc(#loc2)
    %3 = "top.Conv"(%1, %2, %0) {do_relu = true} : (tensor<1x3x8x8xf32>) -> tensor<1x4x8x8xf32> loc(#loc3)
    %4:2 = "top.Topk"(%3) {K = 1 : i64} : (tensor<1x4x8x8xf32>) -> (tensor<1xf32>, tensor<1xf32>) loc(#loc4)
    %5 = "top.Add"(%3, %3) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> loc("in place")
    return %5 : tensor<1x4x8x8xf32> loc(#loc)
  } loc(#loc)
} loc(#loc)
#loc1 = loc("images")
#loc2 = loc("w")
#loc3 = loc("a\22b\\c_Conv")
#loc5 = loc("values")
#loc6 = loc("places")
#loc4 = loc(fused[#loc5, #loc6])
"""


def test_layers_are_told_by_all_that_they_put_out_and_weights_are_none() -> None:
    assert mlir_names.layers(PATH, TEXT) == (
        ("images",), (r'a"b\c_Conv',), ("values", "places"), ("in place",),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "module {}\n", TEXT.replace("top.", "tpu."), "#loc1 = loc(#loc1)\n"])
def test_a_file_that_is_something_else_is_no_network_without_layers(text: str) -> None:
    with pytest.raises(CvimakeError, match="names no layers"):
        mlir_names.layers(PATH, text)


def test_places_that_lead_to_each_other_have_an_end() -> None:
    text = TEXT.replace('#loc1 = loc("images")', "#loc1 = loc(fused[#loc1])")
    assert mlir_names.layers(PATH, text)[0] == (r'a"b\c_Conv',)
