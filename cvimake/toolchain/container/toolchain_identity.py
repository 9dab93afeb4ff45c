"""Writes the identity of this image, which its fingerprint is made of.

    toolchain_identity.py OUTPUT.json LIST [RECORDS]

The identity has these parts:

- python: the version of Python.
- packages: for every Python package, its version and the sha256 of the archive that it was installed from. A
  package that was compiled here counts by its sources.
- system: the version of every system package whose files are loaded together with the tools' modules and
  programs. Other packages are left out: they change with every security update, and take no part in a result.
  Without dpkg, it is the sha256 of each of those files.
- onnx_packages: the same as packages, for the environment that converts ONNX networks. The system packages
  whose files it loads are in system.
- files: for each part of the toolchain whose files a tool's process loads, the sha256 of the list of all its
  files: the interpreter, its standard library, and the installed packages; see `installed_files.py`.

LIST is the file for this list. RECORDS is the folder with pip's reports of its installations.
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

# The modules that the tools import, at their start or later.
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
# The modules that the conversion of ONNX networks imports, and its environment, a folder in the toolchain's.
ONNX_MODULES = ("onnx", "onnx.version_converter", "onnx.inliner", "onnxruntime")
ONNX = "onnx"
# The folder in which docker/Dockerfile leaves pip's reports.
RECORDS = Path("/opt/cvimake")
PACKAGE_LISTS = Path("/var/lib/dpkg/info")
# System packages of Python, which count by their files.
PYTHON = ("python3", "libpython3")
# In the place of OUTPUT, it makes the program print the files that the conversion's modules load.
LOADED = "--loaded"
# Columns of /proc/self/maps, the last of which is the file.
MAP_COLUMNS = 6


def python_packages(records: Path) -> dict[str, dict[str, str]]:
    """Return the version and the sha256 of every Python package, by name."""
    packages = {}
    for path in records.glob("*.json"):
        for item in json.loads(path.read_text(encoding="utf-8"))["install"]:
            name = item["metadata"]["name"].lower().replace("_", "-")
            sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
            packages[name] = {"version": item["metadata"]["version"], "sha256": sha256}
    return packages | compiled_packages(records)


def compiled_packages(records: Path) -> dict[str, dict[str, str]]:
    """Return the same for packages that were compiled here.

    There is no report of them, but pip only used the pinned sources.
    """
    pinned = records / "source-requirements.txt"
    sources = pinned.read_text(encoding="utf-8") if pinned.exists() else ""
    found = re.findall(r"^(\S+)==(\S+) \\\n +--hash=sha256:(\w+)$", sources, re.MULTILINE)
    return {name: {"version": version, "sha256": sha256} for name, version, sha256 in found}


def loaded_by_modules(modules: Iterable[str] = MODULES) -> set[str]:
    """Import the tools' modules; return the files that this process has loaded then."""
    for name in modules:
        importlib.import_module(name)
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    columns = [line.split(None, MAP_COLUMNS - 1) for line in lines]
    return {row[-1] for row in columns if len(row) == MAP_COLUMNS and row[-1].startswith("/")}


def loaded_in(python: Path) -> set[str]:
    """Return the files that the conversion of ONNX networks loads, in its own environment."""
    command = ("env", "-u", "LD_LIBRARY_PATH", "-u", "PYTHONPATH", str(python), __file__, LOADED)
    return set(_output(*command).splitlines())


def loaded_by_program(name: str) -> set[str]:
    """Return the libraries that a program is linked with."""
    path = _output("which", name).strip()
    return {word for word in _output("ldd", path).split() if word.startswith("/")}


def owners(files: Iterable[str]) -> dict[str, str]:
    """Return the versions of the system packages that files belong to, by name."""
    wanted = {Path(file).resolve() for file in files}
    names = set()
    for package in PACKAGE_LISTS.glob("*.list"):
        owned = (Path(line) for line in package.read_text(encoding="utf-8").splitlines() if ".so" in line)
        # A link and the library that it leads to can belong to different packages.
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
    """Return the sha256 of each library of the system, by file name."""
    own = (sys.prefix, sys.base_prefix)
    libraries = {Path(file).resolve() for file in files if ".so" in file and not file.startswith(own)}
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(libraries)}


def main(output: str, listing: str = "", records: str = str(RECORDS)) -> None:
    """Write the identity as JSON, and the list of files."""
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
