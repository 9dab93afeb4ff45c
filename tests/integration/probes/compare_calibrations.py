"""Runs inside the sandbox: calibrates networks, and searches some, with the toolchain's own tools and ours.

Arguments: the JSON file to write, and a JSON text with the names of the networks ("networks": NAME.onnx is an
input, and `0.png` and on are the samples), of those that are searched too ("searched"), the shape of their
input ("shape"), the numbers of processes to try ("processes"), and for each network the calibrations that
begin with one process ("growing": how often they ask before they get more, and how many they get then).

For each network it writes the digests of the tables by who made them, or what the toolchain said when it
could not take the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(os.environ["TPUC_ROOT"]) / "python" / "tools"
HERE = Path.cwd()


# Runs a program that gets more processes after it has asked so many times. It asks before each layer that it
# collects and each tensor that it tunes, and sometimes in between.
GROWING = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
import process_group
asked = 0
def bounds():
    global asked
    asked += 1
    return process_group.Bounds(1 if asked <= {} else {}, None)
process_group.bounds = bounds
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class RefusedError(Exception):
    """The toolchain itself cannot take the network."""


def main() -> None:
    """Compares; every network has a folder of its own."""
    wanted = json.loads(sys.argv[2])
    (HERE / "samples.txt").write_text("".join(f"{path}\n" for path in sorted(HERE.glob("*.png"))))
    found = {}
    for name in wanted["networks"]:
        folder = HERE / f"of_{name}"
        folder.mkdir()
        try:
            found[name] = compare(folder, name, wanted)
        except RefusedError as error:
            found[name] = {"refused": str(error)}
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


def compare(folder: Path, name: str, wanted: dict[str, Any]) -> dict[str, object]:
    """All tables of one network."""
    shape = json.dumps([wanted["shape"]])
    log = run(
        folder, str(TOOLS / "model_transform.py"), f"--model_def={HERE / name}.onnx",
        f"--input_shapes={shape}", "--model_name=net", "--mlir=net.mlir",
    )  # fmt: skip
    if log.returncode:
        raise RefusedError(tail(log))
    ways: dict[str, Any] = {"original": 1, **{str(count): int(count) for count in wanted["processes"]}}
    growing = {f"{to} after {turns}": (turns, to) for turns, to in wanted.get("growing", {}).get(name, ())}
    tools = {"calibration": ("run_calibration.py", "calibrate.py")}
    if name in wanted["searched"]:
        tools["search"] = ("run_qtable.py", "search.py")
    found: dict[str, object] = {}
    for tool, (theirs, ours) in tools.items():
        digests, logs = {}, {}
        for way, processes in {**ways, **(growing if tool == "calibration" else {})}.items():
            program = TOOLS / theirs if way == "original" else HERE / ours
            table = f"{tool}_{way}"
            start, count = [str(program)], processes
            if isinstance(processes, tuple):
                start, count = ["-c", GROWING.format(*processes), str(program)], 1
            log = run(folder, *start, "net.mlir", *arguments(tool, table), processes=count)
            if log.returncode and way == "original":
                if tool == "calibration":
                    raise RefusedError(f"{theirs}: {tail(log)}")
                found[tool] = {"refused": tail(log)}
                return found
            path = folder / table
            written = path.read_bytes() if path.is_file() else b"none"
            digests[way] = hashlib.sha256(written).hexdigest() if not log.returncode else tail(log)
            said = log.stdout.decode("utf-8", errors="replace")
            # Also behind a bar of progress.
            logs[way] = re.findall(r"(?:calibrate|search): [^\r\n]*", said)
        found[tool] = {"tables": digests, "logs": logs}
    return found


def arguments(tool: str, table: str) -> tuple[str, ...]:
    """The arguments of a tool."""
    samples = f"--data_list={HERE / 'samples.txt'}"
    if tool == "calibration":
        return (samples, "--tune_num=2", f"--calibration_table={table}")
    return (
        samples, "--calibration_table=calibration_original", "--processor=cv181x", "--expected_cos=0.99999",
        "--min_layer_cos=0.9999", f"--quantize_table={table}", f"--loss_table={table}_loss",
    )  # fmt: skip


def run(folder: Path, *arguments: str, processes: int = 1) -> subprocess.CompletedProcess[bytes]:
    """Runs Python with as many processes as it may use."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder,
        env={**os.environ, "CVIMAKE_PROCESSES": str(processes)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


def tail(log: subprocess.CompletedProcess[bytes]) -> str:
    """What a program said last."""
    return log.stdout.decode("utf-8", errors="replace")[-600:]


if __name__ == "__main__":
    main()
