"""Runs inside the sandbox: transforms a network under many names, and writes which files each run left.

Arguments: the JSON file to write, and a JSON text with the command of each run by the name of the model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path.cwd()


def main() -> None:
    """Transforms; every run has a folder of its own with the network, the image and the program."""
    found = {}
    for number, (name, command) in enumerate(json.loads(sys.argv[2]).items()):
        place = HERE / f"run{number}"
        place.mkdir()
        for given in ("_source.onnx", "test_input.png", "reduce_reference.py"):
            (place / given).symlink_to(HERE / given)
        ended = subprocess.run(
            command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if ended.returncode:
            sys.exit(f"{name}: {ended.stdout.decode('utf-8', errors='replace')[-2000:]}")
        mlir = (place / f"{name}.mlir").read_text(encoding="utf-8")
        found[name] = {
            "files": sorted(path.name for path in place.iterdir()),
            "weights": mlir.partition('module.weight_file = "')[2].partition('"')[0],
        }
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
