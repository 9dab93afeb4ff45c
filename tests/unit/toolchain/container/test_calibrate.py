from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvimake.toolchain.container import process_group

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
    look = """
for options in sys.argv[1:]:
    print(calibrate.uncovered(options))
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


def test_tables_are_compared_without_the_time_of_day(root: Path, tmp_path: Path) -> None:
    """Without containers the clock goes on, and each process writes another microsecond."""
    for name, time, value in (("one", "10:00:00.1", 2), ("two", "10:00:00.2", 2), ("three", "10:00:00.1", 3)):
        text = f"# genetated time: 2024-01-01 {time}\n# histogram number: 2048\nconv {value}.5\n"
        (tmp_path / name).write_text(text, encoding="utf-8")
    code = "print([calibrate.thresholds(calibrate.Path(name)).decode() for name in sys.argv[1:]])"
    done = run(root, code, *(str(tmp_path / name) for name in ("one", "two", "three")))
    one, two, three = ast.literal_eval(done.stdout)
    assert one == two == "# histogram number: 2048\nconv 2.5\n"
    assert one != three
