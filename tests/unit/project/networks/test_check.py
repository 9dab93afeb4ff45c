from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from small_networks import Operator, model

from cvimake.core.errors import CvimakeError
from cvimake.project.networks.check import check

OPERATORS: list[Operator] = [
    ("Conv", ["x", "w"], ["c"], {"kernel_shape": [1, 1]}),
    ("Mod", ["c", "k"], ["m"], {"fmod": 1}),
    ("Cos", ["c"], ["y"], {}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(model(OPERATORS, ["m", "y"], weights={"w": [8, 3, 1, 1], "k": [1]}), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_an_operator_that_the_tool_does_not_read_is_refused(path: Path) -> None:
    with pytest.raises(CvimakeError, match=r"net\.onnx: Mod \(n1\) is not an operator"):
        check(path, [])


def test_nodes_that_no_declared_output_needs_are_not_checked(path: Path) -> None:
    check(path, ["c"])


def test_doubtful_operators_are_left_to_the_tool(path: Path) -> None:
    check(path, ["y"])


def test_outputs_that_are_not_there_are_told_all_at_once(path: Path) -> None:
    with pytest.raises(CvimakeError) as caught:
        check(path, ["c", "absent", "gone"])
    assert str(caught.value).splitlines() == [
        f"[output] names: {path} has no tensor 'absent'",
        f"[output] names: {path} has no tensor 'gone'",
    ]
