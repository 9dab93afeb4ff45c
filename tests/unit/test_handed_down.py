"""The rule that the environment and the current folder are read in one place, and handed down from there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cvimake"
# Here a process begins, with the variables that it was given: a user's command, a project's `dodo.py`, a
# program in a container, and the supervisor of a command that has no container.
ENTRIES = ("cli/", "dodo.py", "toolchain/container/", "execution/engine/supervisor.py")
# These read the environment or the current folder, whatever object they are called on.
ATTRIBUTES = frozenset(
    {
        "environ",
        "environb",
        "getenv",
        "getenvb",
        "cwd",
        "getcwd",
        "getcwdb",
        "home",
        "expanduser",
    }
)
# These read the environment if this argument is missing.
HANDED = {"which": "path", "from_env": "environment"}
# These hand it to another program if `env` is missing.
STARTING = frozenset({"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"})
# The child that reads a stranger's network is a part of this process, with limits: it has the same variables.
INHERITS = frozenset({"project/networks/reading.py"})


def readings(source: str) -> Iterator[str]:
    """Yield each place of a module that reads the environment or the current folder, as `LINE: NAME`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in ATTRIBUTES:
                yield f"{node.lineno}: {name}"
            case ast.ImportFrom(module=module, names=names) if module in {"os", "posix", "os.path", "shutil"}:
                found = [name.name for name in names if name.name in {*ATTRIBUTES, *HANDED, "*"}]
                yield from (f"{node.lineno}: {name}" for name in found)
            case ast.Call(func=ast.Attribute(attr=name), keywords=keywords) if name in HANDED:
                if HANDED[name] not in {keyword.arg for keyword in keywords}:
                    yield f"{node.lineno}: {name}"


def inheritances(source: str) -> Iterator[str]:
    """Yield each place of a module that starts a program and does not say with which variables."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module="subprocess", names=names):
                yield from (f"{node.lineno}: {name.name}" for name in names if name.name in STARTING)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="subprocess"), attr=name), keywords=keywords):
                if name in STARTING and "env" not in {keyword.arg for keyword in keywords}:
                    yield f"{node.lineno}: {name}"


def below_the_entries() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each module that is handed what it needs."""
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 100
    for path in modules:
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(ENTRIES):
            yield name, path.read_text(encoding="utf-8")


def test_only_the_entries_read_the_environment_or_the_current_folder() -> None:
    found = [f"cvimake/{name}:{place}" for name, text in below_the_entries() for place in readings(text)]
    assert found == [], "take it as an argument; cli/surroundings.py reads it"


def test_every_program_is_started_with_variables_that_were_handed_down() -> None:
    found = [
        f"cvimake/{name}:{place}"
        for name, text in below_the_entries()
        if name not in INHERITS
        for place in inheritances(text)
    ]
    assert found == [], "give it env="


def test_in_cli_one_file_reads_them() -> None:
    """Two others also do: the installer, and what finds a kept answer. Neither may import much."""
    found = {
        path.name
        for path in (PACKAGE / "cli").rglob("*.py")
        if any(readings(path.read_text(encoding="utf-8")))
    }
    assert found == {"environment.py", "request.py", "surroundings.py"}


@pytest.mark.parametrize(
    "line",
    [
        'import os; os.environ["HOME"]',
        "import os as system; system.environ",
        "from os import environ as variables",
        "from os import *",
        "import os; os.getenv('HOME')",
        "import os; os.getcwd()",
        "from pathlib import Path; Path.cwd()",
        "import pathlib; pathlib.Path.home()",
        "from pathlib import Path; Path('~').expanduser()",
        "import os; os.path.expanduser('~')",
        "def f(g=os.environ.get): pass",
        "import shutil; shutil.which('git')",
        "from shutil import which",
        "import docker; docker.from_env()",
    ],
)
def test_each_way_of_reading_is_found(line: str) -> None:
    assert len(list(readings(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "def f(environ): return environ['HOME']",
        "text = 'os.environ'",
        "from cvimake.core.home import home; home({})",
        "import shutil; shutil.which('git', path='/bin')",
        "import docker; docker.from_env(environment={'A': ''})",
    ],
)
def test_what_is_handed_down_is_no_reading(line: str) -> None:
    assert list(readings(line)) == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("import subprocess; subprocess.run(['git'])", 1),
        ("import subprocess; subprocess.Popen(['git'], cwd='/')", 1),
        ("from subprocess import run", 1),
        ("import subprocess; subprocess.run(['git'], env={})", 0),
        ("sandbox.run(action)", 0),
    ],
)
def test_a_program_that_inherits_the_variables_is_found(line: str, count: int) -> None:
    assert len(list(inheritances(line))) == count
