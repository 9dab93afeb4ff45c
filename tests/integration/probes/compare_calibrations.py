"""Runs inside the sandbox: calibrates networks, and searches some, with the toolchain's own tools and ours.

Arguments: the JSON file to write, and a JSON text with the names of the networks ("networks": NAME.onnx is an
input, and `0.png` and on are the samples), of those that are searched too ("searched"), the shape of their
input ("shape") and the numbers of processes to try ("processes").

For each network it writes the digests of the tables by who made them, or what the toolchain said when it
could not take the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(os.environ["TPUC_ROOT"]) / "python" / "tools"
HERE = Path.cwd()


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


def compare(folder: Path, name: str, wanted: dict[str, list[str]]) -> dict[str, object]:
    """All tables of one network."""
    shape = json.dumps([wanted["shape"]])
    log = run(
        folder, TOOLS / "model_transform.py", f"--model_def={HERE / name}.onnx", f"--input_shapes={shape}",
        "--model_name=net", "--mlir=net.mlir",
    )  # fmt: skip
    if log.returncode:
        raise RefusedError(tail(log))
    ways = {"original": 1, **{str(count): int(count) for count in wanted["processes"]}}
    tools = {"calibration": ("run_calibration.py", "calibrate.py")}
    if name in wanted["searched"]:
        tools["search"] = ("run_qtable.py", "search.py")
    found: dict[str, object] = {}
    for tool, (theirs, ours) in tools.items():
        digests, logs = {}, {}
        for way, processes in ways.items():
            program = TOOLS / theirs if way == "original" else HERE / ours
            table = f"{tool}_{way}"
            log = run(folder, program, "net.mlir", *arguments(tool, table), processes=processes)
            if log.returncode and way == "original":
                if tool == "calibration":
                    raise RefusedError(f"{theirs}: {tail(log)}")
                found[tool] = {"refused": tail(log)}
                return found
            path = folder / table
            written = path.read_bytes() if path.is_file() else b"none"
            digests[way] = hashlib.sha256(written).hexdigest() if not log.returncode else tail(log)
            said = log.stdout.decode("utf-8", errors="replace").splitlines()
            logs[way] = [line for line in said if line.startswith(("calibrate: ", "search: "))]
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


def run(folder: Path, program: Path, *options: str, processes: int = 1) -> subprocess.CompletedProcess[bytes]:
    """Runs a program with as many processes as it may use."""
    return subprocess.run(
        [sys.executable, str(program), *options], cwd=folder,
        env={**os.environ, "CVIMAKE_PROCESSES": str(processes)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


def tail(log: subprocess.CompletedProcess[bytes]) -> str:
    """What a program said last."""
    return log.stdout.decode("utf-8", errors="replace")[-600:]


if __name__ == "__main__":
    main()
