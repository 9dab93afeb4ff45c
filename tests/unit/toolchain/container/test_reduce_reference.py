from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from cvimake.toolchain.container.reduce_reference import kept, main, reduce

LAYERS = [
    (["input"], []),
    (["first"], ["input"]),
    (["left", "right"], ["first"]),
    (["last"], ["left", "first"]),
]
TOOL = """
import sys
import numpy as np
np.savez("net_top_outputs.npz", input=np.zeros(1), first=np.ones(1), last=np.ones(2))
sys.exit(int(sys.argv[1]))
"""


def write(path: Path) -> None:
    """Three arrays, as the tool writes them: with no time, and not compressed."""
    np.savez(path, b=np.array([1, 2], np.float32), a=np.array([[3]], np.int8), c=np.array([4], np.float32))


def test_outputs_and_what_they_are_computed_from_are_kept() -> None:
    assert kept(LAYERS, ["last"]) == {"last", "left", "first"}


def test_a_layer_with_several_tensors_keeps_those_that_are_outputs() -> None:
    assert kept(LAYERS, ["right"]) == {"right", "first"}


def test_an_input_that_is_an_output_is_kept() -> None:
    assert kept(LAYERS, ["input"]) == {"input"}


def test_arrays_keep_their_order_and_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    write(path)
    reduce(path, frozenset("bac"))
    whole = path.read_bytes()
    reduce(path, frozenset("ba"))
    with np.load(path) as arrays:
        assert arrays.files == ["b", "a"]
        assert arrays["a"].dtype == np.int8
        assert arrays["b"].tolist() == [1, 2]
    write(path)
    assert path.read_bytes() == whole


@pytest.fixture
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a tool, and the toolchain's parser."""

    class MlirParser:
        def __init__(self, path: str) -> None:
            assert path == "net.mlir"
            self.ops = [types.SimpleNamespace(outputs=tensors, opds=operands) for tensors, operands in LAYERS]

        def get_output_op_names_n_shapes(self) -> dict[str, list[int]]:
            return {"last": [2]}

    module = types.ModuleType("utils.mlir_parser")
    module.MlirParser = MlirParser  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "utils.mlir_parser", module)
    monkeypatch.setitem(sys.modules, "utils", types.ModuleType("utils"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tool.py").write_text(TOOL, encoding="utf-8")
    return tmp_path


def files(folder: Path) -> list[str]:
    with np.load(folder / "net_top_outputs.npz") as arrays:
        return list(arrays.files)


def test_the_reference_of_the_tool_is_reduced(toolchain: Path) -> None:
    assert main("net", ["tool.py", "0"]) == 0
    assert files(toolchain) == ["first", "last"]


def test_a_failure_of_the_tool_is_passed_on_with_its_files(toolchain: Path) -> None:
    assert main("net", ["tool.py", "3"]) == 3
    assert files(toolchain) == ["input", "first", "last"]
