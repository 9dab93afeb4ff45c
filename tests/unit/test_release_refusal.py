from __future__ import annotations

from cvimake.git import Tree
from cvimake.release.refusal import Conditions, reasons


def test_a_stage_whose_image_is_not_recorded_stops_a_release() -> None:
    tree = Tree(commit="c0ffee", described="v1", changes=())
    conditions = Conditions(
        tree=tree, waiting={}, local=False, unfinished=(), unrecorded=["net:mlir"], allowed=frozenset()
    )
    (reason,) = reasons(conditions, [])
    assert reason.startswith("net:mlir runs in the frameworks image")
    assert "ONNX" in reason
