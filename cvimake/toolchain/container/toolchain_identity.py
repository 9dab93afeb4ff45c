"""Writes what computes in this image: `toolchain_identity.py OUTPUT.json LIST [RECORDS]`.

- python: its version.
- packages: for every Python package its version and the sha256 of the archive that it was installed from.
  One that was compiled here counts by its sources.
- system: the version of every system package whose files are loaded once the tools' modules and programs
  are. Packages that nothing loads are left out: they move with every security update and compute nothing.
  Where there is no dpkg, the sha256 of each of those files.
- onnx_packages: the same as packages, of the environment that converts ONNX networks; the system packages
  whose files it loads are among those of system.
- files: for each part that a tool's process loads files from, the sha256 of the list of all its files: the
  interpreter, its standard library, the packages as they are installed; see `installed_files.py`.

LIST is where they are written. RECORDS is the folder with pip's reports of what it installed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import installed_files

# What the tools import when they start, and what some of them import later.
MODULES = (
    "tools.model_transform",
    "tools.model_deploy",
    "tools.model_runner",
    "tools.run_calibration",
    "tools.run_qtable",
    "onnx",
    "onnxruntime",
    "onnxsim",
    "pymlir",
    "pyruntime_cvi",
)
PROGRAMS = ("tpuc-opt", "model_tool")
# What the conversion of ONNX networks imports, and its environment, below the toolchain's.
ONNX_MODULES = ("onnx", "onnx.version_converter", "onnx.inliner", "onnxruntime")
ONNX = "onnx"
# What docker/Dockerfile leaves behind of the installation.
RECORDS = Path("/opt/cvimake")
PACKAGE_LISTS = Path("/var/lib/dpkg/info")
# Counted by their files.
PYTHON = ("python3", "libpython3")
# In the place of OUTPUT: prints what the conversion's modules load.
LOADED = "--loaded"
# Columns of /proc/self/maps, the last of which is the file.
MAP_COLUMNS = 6


def python_packages(records: Path) -> dict[str, dict[str, str]]:
    """Version and sha256 of every Python package, by name."""
    packages = {}
    for path in records.glob("*.json"):
        for item in json.loads(path.read_text(encoding="utf-8"))["install"]:
            name = item["metadata"]["name"].lower().replace("_", "-")
            sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
            packages[name] = {"version": item["metadata"]["version"], "sha256": sha256}
    return packages | compiled_packages(records)


def compiled_packages(records: Path) -> dict[str, dict[str, str]]:
    """The same of packages that were compiled here.

    There is no report of them; pip took nothing but the sources that are pinned.
    """
    pinned = records / "source-requirements.txt"
    sources = pinned.read_text(encoding="utf-8") if pinned.exists() else ""
    found = re.findall(r"^(\S+)==(\S+) \\\n +--hash=sha256:(\w+)$", sources, re.MULTILINE)
    return {name: {"version": version, "sha256": sha256} for name, version, sha256 in found}


def loaded_by_modules(modules: Iterable[str] = MODULES) -> set[str]:
    """The files that this process has loaded once the tools' modules are imported."""
    for name in modules:
        importlib.import_module(name)
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    columns = [line.split(None, MAP_COLUMNS - 1) for line in lines]
    return {row[-1] for row in columns if len(row) == MAP_COLUMNS and row[-1].startswith("/")}


def loaded_in(python: Path) -> set[str]:
    """The files that the conversion of ONNX networks loads, in the environment of its own."""
    command = ("env", "-u", "LD_LIBRARY_PATH", "-u", "PYTHONPATH", str(python), __file__, LOADED)
    return set(_output(*command).splitlines())


def loaded_by_program(name: str) -> set[str]:
    """The libraries that a program is linked with."""
    path = _output("which", name).strip()
    return {word for word in _output("ldd", path).split() if word.startswith("/")}


def owners(files: Iterable[str]) -> dict[str, str]:
    """Versions of the system packages that files belong to, by name."""
    wanted = {Path(file).resolve() for file in files}
    names = set()
    for package in PACKAGE_LISTS.glob("*.list"):
        owned = (Path(line) for line in package.read_text(encoding="utf-8").splitlines() if ".so" in line)
        # A link can belong to another package than the library that it leads to.
        if any(path.resolve() in wanted and not path.is_symlink() for path in owned):
            names.add(package.stem)
    names = {name for name in names if not name.startswith(PYTHON)}
    lines = _output(
        "dpkg-query", "--show", "--showformat=${Package} ${Version}\\n", *sorted(names)
    ).splitlines()
    return dict(line.split(" ", 1) for line in lines)


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def contents(files: Iterable[str]) -> dict[str, str]:
    """The sha256 of each library of the system, by file name."""
    own = (sys.prefix, sys.base_prefix)
    libraries = {Path(file).resolve() for file in files if ".so" in file and not file.startswith(own)}
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(libraries)}


def main(output: str, listing: str = "", records: str = str(RECORDS)) -> None:
    """Writes the identity as JSON, and the list of files."""
    if output == LOADED:
        sys.stdout.write("".join(f"{file}\n" for file in sorted(loaded_by_modules(ONNX_MODULES))))
        return
    lines = installed_files.lists(compiled_packages(Path(records)))
    with Path(listing).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for of_part in lines.values() for line in of_part)
    files = loaded_by_modules() | loaded_in(Path(sys.prefix) / ONNX / "bin" / "python3")
    for program in PROGRAMS:
        files |= loaded_by_program(program)
    identity = {
        "python": platform.python_version(),
        "packages": python_packages(Path(records)),
        "onnx_packages": python_packages(Path(records) / ONNX),
        "system": owners(files) if PACKAGE_LISTS.is_dir() else contents(files),
        "files": installed_files.digests(lines),
    }
    Path(output).write_text(json.dumps(identity, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
