"""The program in a process of its own, and changes to files that are hard to notice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# It tells at its end whether it has read the graph.
PROGRAM = """\
import os, sys
from cvimake.cli.__main__ import main
code = main()
heavy = {"doit", "pydantic", "rich", "sqlite3"} & set(sys.modules)
sys.stdout.flush()
os.write(2, b"worked" if "doit" in heavy else b"repeated")
assert "doit" in heavy or not heavy, heavy
sys.exit(code)
"""


@dataclass(frozen=True)
class Told:
    """The output of a run of the program.

    Attributes:
        worked: whether it has read the graph.
    """

    code: int
    out: str
    errors: str
    worked: bool


def tell(
    root: Path,
    *arguments: str,
    stdout: int = subprocess.PIPE,
    variables: Mapping[str, str] | None = None,
    program: str = PROGRAM,
) -> Told:
    """Runs the program in a project."""
    # Whatever was changed is at rest when the next process begins.
    time.sleep(0.05)
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("CVIMAKE_", "COV"))
    }
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program, *arguments],
        cwd=root,
        env={**environment, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    errors, _, how = ended.stderr.rpartition("worked" if ended.stderr.endswith("worked") else "repeated")
    assert ended.stderr.endswith(("worked", "repeated")), ended.stderr
    assert not how
    return Told(ended.returncode, ended.stdout or "", errors, ended.stderr.endswith("worked"))


def answered(root: Path, *arguments: str) -> Told:
    """Gives a command until it is answered without work; a build first records the new times of the files."""
    told = tell(root, *arguments)
    # Another test may write down at the same time what Python has compiled.
    for _ in range(5):
        if not told.worked:
            break
        told = tell(root, *arguments)
    assert not told.worked
    return told


def write(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Changes a file's bytes behind the back of everybody who looks at its time of modification."""
    before = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def other(held: bytes) -> bytes:
    return held[:-1] + bytes([held[-1] ^ 1])


def append(path: Path, held: bytes) -> None:
    write(path, lambda before: before + held)


def exchange(path: Path, old: bytes, new: bytes) -> None:
    assert old in path.read_bytes()
    write(path, lambda before: before.replace(old, new))
