"""Runs tpu_mlir's `run_calibration` in several processes: `calibrate.py ARGUMENT ...`.

The arguments are those of the tool. The table is the tool's, byte for byte, for any number of processes.
Where that is not certain, the tool itself runs: for another toolchain, for an option or an operator that this
program does not cover, and for a network in which samples depend on each other.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import importlib
import os
import runpy
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from process_group import PROCESSES, ProcessGroup
from tried_operators import obstacle

# The beginning of the line in which the tool writes the time of day.
TIME = b"# genetated time: "
# The sha256 of the tool's sources in tpu_mlir 1.7, which this program relies on.
SOURCES = {
    "tools/run_calibration.py": "f1d932b569576dc6f2be4a4f8f0bc4b7b6b51ed6de564d10aa0fe974e3ae4e1a",
    "calibration/kld_calibrator.py": "abc47d4cbd6394f04f082ba1c71cbccd07c5a0135db86c93ce5869dd3ce9474c",
    "calibration/data_selector.py": "25616dfdd41bac1301373246f462f6f9bf89ecfe4012b1b014e97f75ade59204",
    "utils/mlir_parser.py": "2ea57ad4612994875d21a064ec2b393d032bb27a91f1afc440ad1e6bba6b6dca",
}
# The numbers of two options of glibc's malloc: the bytes at the end of the heap from which it gives them back
# to the kernel, and the bytes of an allocation from which it does not use the heap. The latter can be 32 MiB
# at most.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The options of `--debug_cmd` that this program covers.
COVERED = frozenset({
    "use_percentile9999", "use_max", "tune_steps", "find_lower_th", "not_use_fp32_tensor_as_ref",
    "fp8", "int4", "debug_log", "dump_list",
})  # fmt: skip


def main(arguments: Sequence[str], root: Path) -> None:
    """Calibrate a network.

    Args:
        arguments: the tool's arguments.
        root: the folder of the toolchain's Python sources.
    """
    tool = root / "tools" / "run_calibration.py"
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-o", "--calibration_table", default="")
    parser.add_argument("--debug_cmd", default="")
    parser.add_argument("mlir_file", nargs="?", default="")
    given, _ = parser.parse_known_args(arguments)

    def run_tool(reason: str) -> NoReturn:
        print(f"calibrate: {reason}: run_calibration itself runs, in one process", flush=True)  # noqa: T201 - the log
        os.execv(sys.executable, [sys.executable, str(tool), *arguments])  # noqa: S606 - this very Python

    if reason := uncovered(given.debug_cmd) or obstacle(root, SOURCES, Path(given.mlir_file)):
        run_tool(reason)
    keep_memory()
    # Imported only now, since the toolchain's sources had to be checked first.
    original: Any = importlib.import_module("calibration.kld_calibrator")
    parallel: Any = importlib.import_module("parallel_calibrator")

    group = ProcessGroup(max(1, int(os.environ.get(PROCESSES, "1"))))
    parallel.ParallelCalibrator.group = parallel.ParallelTuner.group = group
    parallel.ParallelCalibrator.run_tool = staticmethod(run_tool)
    original.ActivationCalibrator, original.SimpleTuner = parallel.ParallelCalibrator, parallel.ParallelTuner
    with tempfile.TemporaryDirectory() as own:
        table = Path(given.calibration_table)
        sys.argv = [str(tool), *arguments]
        if group.rank:
            original.tqdm = functools.partial(original.tqdm, disable=True)
            table = Path(own) / table.name
            sys.argv.append(f"--calibration_table={table}")
        runpy.run_path(str(tool), run_name="__main__")
        # With int4 and tuning, the tool ends after it has written another table.
        tables = group.all_gather(thresholds(table) if table.is_file() else None)
    if len(set(tables)) > 1:
        table.unlink(missing_ok=True)
        sys.exit("calibrate: the processes came to different tables")
    group.wait()


def keep_memory() -> None:
    """Keep released memory for the next tensor: a page that the kernel hands out again takes time."""
    memory = ctypes.CDLL(None)
    memory.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    memory.mallopt(_MMAP_THRESHOLD, 32 * 1024**2)


def thresholds(table: Path) -> bytes:
    """Return a table without its time of day: without a fixed clock, each process writes another time."""
    lines = table.read_bytes().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(TIME))


def uncovered(debug_cmd: str) -> str:
    """Return that some options of `--debug_cmd` are not covered, as a reason; empty if all are."""
    options = {part.split("=")[0].lower() for part in debug_cmd.split(";") if part}
    others = sorted(options - COVERED)
    return f"debug_cmd {', '.join(others)} is not covered" if others else ""


if __name__ == "__main__":
    main(sys.argv[1:], Path(os.environ["TPUC_ROOT"]) / "python")
