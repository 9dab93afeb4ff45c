"""What `init` knows of the toolchain, held against the toolchain; and a declaration of its, built."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import HANGS_AFTER, ROOT, Lab, environment

from cvimake.execution.image.making import ToolchainImage
from cvimake.project.networks.operators import CONVERTED, LIMITS
from cvimake.project.networks.tflite import READ

READ_TABLES = """
import json, os, re
root = os.environ["TPUC_ROOT"]
with open(root + "/python/transform/OnnxConverter.py", encoding="utf-8") as file:
    source = file.read()
with open(root + "/python/transform/TFLiteConverter.py", encoding="utf-8") as file:
    tflite = file.read()
with open(root + "/bin/tpuc-opt", "rb") as file:
    lowered = set(re.findall(rb"tpu_mlir::cv18xx::(\\w+?)Lowering\\b", file.read()))
with open("out.json", "w", encoding="utf-8") as file:
    names = sorted(name.decode() for name in lowered)
    json.dump({"source": source, "tflite": tflite, "lowered": names}, file)
"""
# Operators of LIMITS that have no form on cv181x however they are used, by the toolchain's names.
WITHOUT_FORM = {
    "Ceil": "Ceil", "CumSum": "CumSum", "Floor": "Floor", "GatherElements": "GatherElements",
    "Greater": "Compare", "NonMaxSuppression": "Nms", "NonZero": "NonZero", "Range": "Range",
    "RoiAlign": "RoiAlign", "Round": "Round", "Sign": "Sign", "Sin": "Sin", "Cos": "Cos", "Erf": "Erf",
    "ScatterElements": "ScatterElements", "TopK": "TopK", "Trilu": "Trilu", "Where": "Where",
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, new_lab: Callable[[Path], Lab]) -> dict[str, object]:
    lab = new_lab(tmp_path_factory.mktemp("tables"))
    lab.sandbox.run(lab.action(READ_TABLES))
    found: dict[str, object] = json.loads((lab.root / "out" / "out.json").read_text(encoding="utf-8"))
    return found


def keys_of(source: object, table: str) -> set[object]:
    """The keys of the one dict that a source assigns to an attribute of this name."""
    (found,) = (
        node.value
        for node in ast.walk(ast.parse(str(source)))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Dict)
        and isinstance(node.targets[0], ast.Attribute)
        and node.targets[0].attr == table
    )
    return {key.value for key in found.keys if isinstance(key, ast.Constant)}


def test_the_operators_that_the_tool_converts_are_those_of_its_own_tables(tables: dict[str, object]) -> None:
    assert keys_of(tables["source"], "onnxop_factory") == CONVERTED
    assert keys_of(tables["tflite"], "BuiltinOptionsToAttributes") == READ


def test_operators_listed_as_unsupported_have_no_lowering_in_the_compiler(tables: dict[str, object]) -> None:
    lowered = tables["lowered"]
    assert isinstance(lowered, list)
    assert {"Conv", "Sigmoid"} <= set(lowered)
    assert set(WITHOUT_FORM) <= {op for limit in LIMITS for op in limit.ops}
    assert set(WITHOUT_FORM.values()).isdisjoint(lowered)


def test_an_unedited_draft_builds_and_the_camera_recognises_it(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    assert toolchain_image.id
    shutil.copy(ROOT / "dodo.py", tmp_path)
    # With several datasets, one would have to be chosen.
    shutil.copytree(ROOT / "datasets" / "shapes", tmp_path / "datasets" / "shapes")
    for arguments in (
        ["init", str(ROOT / "models/shapes/shapes.onnx"), "--name", "mine"],
        ["mine:int8_info"],
    ):
        result = subprocess.run(
            [sys.executable, "-m", "cvimake.cli", *arguments],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=HANGS_AFTER,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        if arguments[0] == "init":
            # The float network ran in a container.
            assert "in which the float network finds most" in result.stdout
    info = json.loads((tmp_path / "build/mine/mine_cv181x_int8_info.json").read_text(encoding="utf-8"))
    assert (info["recognised_as"], info["recognition"]["works"]) == ("YOLO11", "yes")
