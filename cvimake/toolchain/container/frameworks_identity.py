"""Writes the identity of the frameworks image: `frameworks_identity.py OUTPUT.json LIST`.

It follows the rules of `toolchain_identity.py`, which lies beside it. The system packages here also include
those whose files are loaded together with the front ends.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import toolchain_identity

# The modules that the front ends import. Each group needs a process of its own: PyTorch and TensorFlow cannot
# be loaded together.
FRONT_ENDS = (("caffe", "torch"), ("torch", "torchvision"), ("tensorflow.lite",))
# In the place of OUTPUT, it makes the program write the files that the modules in its arguments load.
LOADED = "--loaded"


def loaded(modules: tuple[str, ...]) -> str:
    """Import modules; return the files that this process has loaded then, one a line."""
    for name in modules:
        importlib.import_module(name)
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    columns = [line.split(None, toolchain_identity.MAP_COLUMNS - 1) for line in lines]
    files = {row[-1] for row in columns if len(row) == toolchain_identity.MAP_COLUMNS}
    return "".join(f"{file}\n" for file in sorted(files) if file.startswith("/"))


def main(output: str, *arguments: str) -> None:
    """Write the identity as JSON."""
    if output == LOADED:
        # The modules print messages while they are imported, so the list goes to a file.
        Path(arguments[0]).write_text(loaded(arguments[1:]), encoding="utf-8")
        return
    toolchain_identity.main(output, *arguments)
    path, listing = Path(output), Path("loaded.txt")
    files: set[str] = set()
    for modules in FRONT_ENDS:
        subprocess.run([sys.executable, __file__, LOADED, str(listing), *modules], check=True)
        files |= set(listing.read_text(encoding="utf-8").splitlines())
    identity = json.loads(path.read_text(encoding="utf-8"))
    identity["system"] |= toolchain_identity.owners(files)
    path.write_text(json.dumps(identity, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
