from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvimake.steps import process_group

STEPS = Path(process_group.__file__).parent
TOOL = "import sys\nprint('the tool:', *sys.argv[1:])\n"


def run(root: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import calibrate, sys\n{program}", *arguments],
        cwd=STEPS,
        env={"TPUC_ROOT": str(root), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "run_calibration.py").write_text(TOOL, encoding="utf-8")
    return tmp_path


def test_another_toolchain_runs_its_own_tool(root: Path) -> None:
    done = run(
        root, f"calibrate.main(sys.argv[1:], calibrate.Path({str(root)!r}))", "net.mlir", "--input_num=3"
    )
    assert done.returncode == 0, done.stderr
    said, tool = done.stdout.splitlines()
    assert said.startswith(
        "calibrate: tools/run_calibration.py is not tpu_mlir 1.7's: run_calibration itself"
    )
    assert tool == "the tool: net.mlir --input_num=3"


def test_an_option_that_is_not_covered_runs_the_tool(root: Path) -> None:
    known = {"tools/run_calibration.py": hashlib.sha256(TOOL.encode()).hexdigest()}
    look = f"""
calibrate.SOURCES = {known!r}
for options in sys.argv[1:]:
    print(calibrate.obstacle(calibrate.Path({str(root)!r}), options, calibrate.Path()))
"""
    done = run(
        root, look, "", "use_max;tune_steps=3", "print_debug_info;use_max", "input_calibration_table=x"
    )
    assert done.stdout.splitlines() == [
        "",
        "",
        "debug_cmd print_debug_info is not covered",
        "debug_cmd input_calibration_table is not covered",
    ]


def test_an_operator_that_was_not_tried_runs_the_tool(root: Path) -> None:
    known = {"tools/run_calibration.py": hashlib.sha256(TOOL.encode()).hexdigest()}
    (root / "net.mlir").write_text('%1 = "top.NonZero"(%0) : (f32) -> f32\n', encoding="utf-8")
    start = f"""
calibrate.SOURCES = {known!r}
calibrate.main(sys.argv[1:], calibrate.Path({str(root)!r}))
"""
    done = run(root, start, str(root / "net.mlir"))
    assert done.returncode == 0, done.stderr
    said, tool = done.stdout.splitlines()
    assert said == "calibrate: top.NonZero was not tried: run_calibration itself runs, in one process"
    assert tool == f"the tool: {root / 'net.mlir'}"
