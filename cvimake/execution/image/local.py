"""Installs the toolchain for engines without containers: the locked packages, in the user's cache.

The result is the environment that docker/Dockerfile makes. Only pycocotools is another version, namely a
wheel, since that of the image has to be compiled.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from cvimake.core import announce, digest, lock, log_tail, system
from cvimake.core.cache import user_cache
from cvimake.core.errors import ImageError
from cvimake.core.removal import remove_tree
from cvimake.core.resources import docker_folder
from cvimake.execution.engine.choice import LOCAL
from cvimake.execution.engine.local import LocalEngine
from cvimake.execution.image.base import find_python
from cvimake.execution.image.fingerprint import LISTING, identify
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain import commands

ORIGIN = "this machine, without containers"
_IDENTITY = "identity.json"
_RECORDS = "records"
_WHEELS = "local-requirements.txt"
# The wheel brings a glibc of its own. With it no program starts on a newer system.
_BUNDLED_GLIBC = ("libc.so.6", "libm.so.6", "libpthread.so.0")
_DOT = """#!/bin/sh
# run_qtable calls dot with the toolchain's libraries on its path, and dot then fails to load its own.
unset LD_LIBRARY_PATH
exec {dot} "$@"
"""
_NO_DOT = """#!/bin/sh
# Graphviz is not installed here. The tools draw pictures with it that nothing reads, and stop without it.
echo 'cvimake: Graphviz is not installed: a picture is left out' >&2
"""


def ensure(recipe: Recipe, folder: Path, environment: Mapping[str, str]) -> ToolchainImage:
    """Return the toolchain of a recipe; install it if it is missing. The logs go below the folder.

    Args:
        recipe: its recipe.
        folder: the project's folder.
        environment: the variables that cvimake was started with.

    Raises:
        ImageError: it cannot be installed; says why and what to do.
    """
    prefix = user_cache(environment) / folder_name(recipe)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with lock.exclusive(prefix.with_suffix(".lock"), "is installing the toolchain"):
        # This file is written last, so that an interrupted installation is done again.
        finished = prefix / _IDENTITY
        if not finished.exists():
            _install(prefix, recipe, folder, environment)
            sandbox = Sandbox(root=folder, engine=LocalEngine(prefix, environment), image=str(prefix))
            identified = identify(sandbox, str(prefix / _RECORDS), what="toolchain")
            (prefix / _RECORDS / LISTING).write_text(identified.listing, encoding="utf-8")
            finished.write_text(json.dumps(identified.identity), encoding="utf-8")
    if not _runs(prefix / "bin" / "python3", environment):
        # Otherwise the search path would lead to the system's Python, which has none of the packages.
        raise ImageError(
            f"the Python in {prefix} does not run any more",
            f"Remove that folder and start again: rm -r {prefix}",
        )
    identity = json.loads(finished.read_text(encoding="utf-8"))
    # libfaketime may be installed later, and changes the fingerprint then.
    clock = LocalEngine(prefix, environment).clock
    identity |= {"engine": LOCAL, "clock": digest.of_file(clock) if clock else ""}
    records = str(prefix / _RECORDS)
    return ToolchainImage(id=str(prefix), base=ORIGIN, identity=identity, records=records)


def folder_name(recipe: Recipe) -> str:
    """Return the name of the folder that the toolchain of a recipe is installed into."""
    return f"tpu_mlir-{recipe.digest()[:12]}-{digest.of_file(docker_folder() / _WHEELS)[:6]}"


def _runs(python: Path, environment: Mapping[str, str]) -> bool:
    try:
        ended = subprocess.run([python, "-c", ""], env=environment, capture_output=True, check=False)
    except OSError:
        return False
    return ended.returncode == 0


def _install(prefix: Path, recipe: Recipe, folder: Path, environment: Mapping[str, str]) -> None:
    python = find_python(environment, movable=False)
    if python is None:
        raise ImageError(
            "the toolchain needs a Python 3.10, and none was found on the PATH, under pyenv or through uv",
            "Install one (pyenv install 3.10, or uv python install 3.10), or a Docker engine.",
        )
    log = folder / "build" / "logs" / "local_toolchain.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if prefix.exists():
        remove_tree(prefix)
    what = f"installing the toolchain with {python} (about 2 minutes, 2 GB)"
    with tempfile.TemporaryDirectory(prefix="cvimake-") as name, announce.step(what), log.open("wb") as out:
        scratch, records = Path(name), prefix / _RECORDS
        _run([str(python), "-m", "venv", str(scratch / "pip")], out, environment)
        pip = [str(scratch / "pip" / "bin" / "python"), "-m", "pip"]
        # The pip that the image is built with.
        pinned = str(docker_folder() / "build-requirements.txt")
        _run([*pip, "install", "--progress-bar", "off", "--require-hashes", "-r", pinned], out, environment)
        _run([str(python), "-m", "venv", "--without-pip", str(prefix)], out, environment)
        records.mkdir()
        requirements = (docker_folder() / "requirements.txt").read_text(encoding="utf-8")
        if recipe.wheel:
            requirements = re.sub(r"^tpu-mlir==(?:.*\\\n)*.*\n", "", requirements, flags=re.MULTILINE)
            report = str(records / "wheel.json")
            _run(
                [*_installing(pip, prefix), "--no-index", "--report", report, str(recipe.wheel)],
                out,
                environment,
            )
        locked = scratch / "requirements.txt"
        locked.write_text(requirements, encoding="utf-8")
        _run([*_installing(pip, prefix), *_locked(locked, records)], out, environment)
        (records / "local").mkdir()
        own = _locked(docker_folder() / _WHEELS, records / "local")
        _run([*_installing(pip, prefix), *own], out, environment)
        (records / "local" / "locked.json").rename(records / "local.json")
        # The converter of ONNX networks needs newer packages than the toolchain can use.
        newer = prefix / "onnx"
        _run([str(python), "-m", "venv", "--without-pip", str(newer)], out, environment)
        (records / "onnx").mkdir()
        newer_packages = docker_folder() / "onnx-requirements.txt"
        _run([*_installing(pip, newer), *_locked(newer_packages, records / "onnx")], out, environment)
        (records / "source-requirements.txt").touch()
        _mend(prefix, environment)
        _compile_simulator(prefix, out, environment)
        _compile(prefix, python, out, environment)


def _installing(pip: Sequence[str], prefix: Path) -> list[str]:
    """Return the beginning of a command that installs packages into an environment."""
    python = str(prefix / "bin" / "python")
    return [*pip, "--python", python, "install", "--no-deps", "--no-compile", "--progress-bar", "off"]


def _locked(requirements: Path, records: Path) -> list[str]:
    """Return pip's arguments for the packages that a file locks, and for the record of what was installed."""
    report = str(records / "locked.json")
    return ["--only-binary", ":all:", "--require-hashes", "--report", report, "-r", str(requirements)]


def _mend(prefix: Path, environment: Mapping[str, str]) -> None:
    """Add the rights that the wheel's files lack, remove the libraries that do harm, and provide `dot`."""
    root = Path(commands.ROOT.replace(commands.PREFIX, str(prefix)))
    for pattern in ("bin/*", "python/tools/*.py", "python/utils/*.py"):
        for path in root.glob(pattern):
            path.chmod(path.stat().st_mode | 0o111)
    for library in _BUNDLED_GLIBC:
        (root / "lib" / "third_party" / library).unlink(missing_ok=True)
    real = system.program("dot", environment)
    dot = prefix / "bin" / "dot"
    dot.write_text(_DOT.format(dot=real) if real else _NO_DOT, encoding="utf-8")
    dot.chmod(0o755)


def _compile_simulator(prefix: Path, log: BinaryIO, environment: Mapping[str, str]) -> None:
    """Compile the library that is preloaded for the simulator. Results are the same without it."""
    script = docker_folder() / "compile-simulator.sh"
    output = Path(commands.SIMULATOR.replace(commands.PREFIX, str(prefix)))
    without = "the simulator and the search for mixed precision are slower, with the same results"
    if not system.program("gcc", environment):
        announce.note(f"gcc is not installed: {without}")
        return
    try:
        _run(["sh", str(script), str(output)], log, environment)
    except ImageError as error:
        announce.note(f"gcc cannot compile {script.parent}/*.c: {without}\n{error.remedy}")


def _compile(prefix: Path, python: Path, log: BinaryIO, environment: Mapping[str, str]) -> None:
    """Compile every Python file to bytecode. The tools look for bytecode in this folder alone."""
    found = subprocess.run(
        [python, "-I", "-S", "-c", "import os; print(os.path.dirname(os.__file__))"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    command = [
        str(python), "-m", "compileall", "-qq", "-j", "0", "--invalidation-mode", "unchecked-hash",
        found.stdout.strip(), str(prefix),
    ]  # fmt: skip
    variables = {**environment, "PYTHONPYCACHEPREFIX": str(prefix / "bytecode"), "PYTHONHASHSEED": "0"}
    # Some files are for another Python and cannot be compiled. That does no harm.
    subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)


def _run(command: Sequence[str], log: BinaryIO, environment: Mapping[str, str]) -> None:
    """Run a command whose output goes to the log.

    Raises:
        ImageError: it failed; has the last lines of the log.
    """
    code = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
    ).returncode
    if code != 0:
        raise ImageError("installing the toolchain failed", log_tail.end_of(Path(log.name)))
