"""Writes the identity of the export image: `export_identity.py OUTPUT.json LIST`.

It follows the rules of `toolchain_identity.py`, which lies beside it, and runs in the exporter's own Python.
The toolchain is no part of it.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import installed_files
import toolchain_identity

# The modules that an export imports, at its start or later.
MODULES = ("ultralytics", "ultralytics.nn.tasks", "ultralytics.engine.exporter", "torch.onnx", "onnx", "cv2")


def main(output: str, listing: str) -> None:
    """Write the identity as JSON, and the list of files."""
    lines = installed_files.lists()
    with Path(listing).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for of_part in lines.values() for line in of_part)
    files = toolchain_identity.loaded_by_modules(MODULES)
    has_list = toolchain_identity.PACKAGE_LISTS.is_dir()
    identity = {
        "python": platform.python_version(),
        "packages": toolchain_identity.python_packages(toolchain_identity.RECORDS),
        "system": toolchain_identity.owners(files) if has_list else toolchain_identity.contents(files),
        "files": installed_files.digests(lines),
    }
    Path(output).write_text(json.dumps(identity, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
