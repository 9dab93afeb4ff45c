"""Runs inside the sandbox: searches with run_qtable and with ours, and writes what came of each.

Arguments: the JSON file to write, and a JSON text with the arguments of model_transform ("transform"; the
model is called net), of run_calibration ("calibration"), of each search by its name ("searches"), and
the numbers of processes to try ("processes").
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(os.environ["TPUC_ROOT"]) / "python" / "tools"
ORIGINAL, OURS = str(TOOLS / "run_qtable.py"), "../search.py"


def main() -> None:
    """Compares; every search runs in a folder of its own."""
    wanted = json.loads(sys.argv[2])
    run(TOOLS / "model_transform.py", "--model_name=net", "--mlir=net.mlir", *wanted["transform"])
    run(TOOLS / "run_calibration.py", "net.mlir", "--calibration_table=table", *wanted["calibration"])
    found = {}
    for name, arguments in wanted["searches"].items():
        ways = {"original": (ORIGINAL, 1), **{f"{count}": (OURS, count) for count in wanted["processes"]}}
        found[name] = {
            way: search(f"{name}.{way}", program, count, arguments) for way, (program, count) in ways.items()
        }
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


def search(folder: str, program: str, processes: int, arguments: list[str]) -> dict[str, object]:
    """What a search came to: its exit code, its summary, and both of its tables."""
    place = Path(folder)
    place.mkdir()
    for file in ("net.mlir", "net_top_f32_all_weight.npz", "table"):
        (place / file).symlink_to(Path("..", file))
    command = (
        *(sys.executable, "../run_tool.py", "summary.json", program, "net.mlir", *arguments),
        *("--calibration_table=table", "--processor=cv181x", "--quantize_table=qtable", "--loss_table=loss"),
    )
    variables = {**os.environ, "CVIMAKE_PROCESSES": str(processes)}
    if program == ORIGINAL:
        # Without the library that does the interpreter's arithmetic.
        variables["LD_PRELOAD"] = variables["LD_PRELOAD"].partition(":")[0]
    ended = subprocess.run(
        command, cwd=place, env=variables,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    summary, tables = place / "summary.json", [place / "qtable", place / "loss"]
    return {
        "code": ended.returncode,
        "summary": json.loads(summary.read_bytes()) if summary.exists() else None,
        "tables": [hashlib.sha256(table.read_bytes()).hexdigest() for table in tables if table.exists()],
        "log": ended.stdout.decode("utf-8", errors="replace")[-3000:],
    }


def run(tool: Path, *arguments: str) -> None:
    """Runs a tool that has to succeed."""
    ended = subprocess.run(
        [sys.executable, str(tool), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if ended.returncode:
        sys.exit(ended.stdout.decode("utf-8", errors="replace")[-3000:])


if __name__ == "__main__":
    main()
