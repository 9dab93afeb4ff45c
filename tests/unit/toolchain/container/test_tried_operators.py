from __future__ import annotations

import hashlib
from pathlib import Path

from cvimake.toolchain.container.tried_operators import obstacle, untried

MLIR = """module @net attributes {module.state = "TOP_F32"} {
  func.func @main(%arg0: tensor<1x3x8x8xf32>) -> tensor<1x4x8x8xf32> {
    %0 = "top.None"() : () -> none
    %1 = "top.Input"(%arg0) : (tensor<1x3x8x8xf32>) -> tensor<1x3x8x8xf32> loc("top.Nms(")
    %2 = "top.Weight"() : () -> tensor<4x3x3x3xf32>
    %3 = "top.Conv"(%1, %2, %0) {kernel_shape = [3, 3]} : (f32, f32, none) -> f32
    %4 = "top.Pad"(%3) {mode = "constant"} : (f32) -> f32
    OTHER
  }
}
"""


def written(folder: Path, other: str = "") -> Path:
    path = folder / "net.mlir"
    path.write_text(MLIR.replace("OTHER", other), encoding="utf-8")
    return path


def test_a_network_of_tried_operators_has_no_untried_ones(tmp_path: Path) -> None:
    assert untried(written(tmp_path)) == []


def test_untried_operators_are_named_once_in_alphabetical_order(tmp_path: Path) -> None:
    other = '%5 = "top.Nms"(%4) : () -> f32\n%6 = "top.NonZero"(%5) : () -> f32\n"top.Nms"(%6)'
    assert untried(written(tmp_path, other)) == ["top.Nms", "top.NonZero"]


def test_a_missing_file_is_left_to_the_tool(tmp_path: Path) -> None:
    assert untried(tmp_path / "net.mlir") == []


def test_a_changed_or_missing_source_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / "misc.py").write_text("pass\n", encoding="utf-8")
    sources = {"misc.py": hashlib.sha256(b"pass\n").hexdigest()}
    network = written(tmp_path, '%5 = "top.NonZero"(%4) : () -> f32')
    assert obstacle(tmp_path, sources, network) == "top.NonZero was not tried"
    assert obstacle(tmp_path, sources, written(tmp_path)) == ""
    assert obstacle(tmp_path / "elsewhere", sources, network) == "misc.py is not tpu_mlir 1.7's"
    (tmp_path / "misc.py").write_text("# another\n", encoding="utf-8")
    assert obstacle(tmp_path, sources, network) == "misc.py is not tpu_mlir 1.7's"
