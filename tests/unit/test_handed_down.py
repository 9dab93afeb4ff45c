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


def test_only_the_entries_read_the_environment_or_the_current_folder() -> None:
    modules = list(PACKAGE.rglob("*.py"))
    assert len(modules) > 100
    found = [
        f"cvimake/{name}:{reading}"
        for path in sorted(modules)
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(ENTRIES)
        for reading in readings(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "take it as an argument; cli/surroundings.py reads it"


def test_in_cli_one_file_reads_them() -> None:
    """The installer also does: it runs before anything is installed, and imports nothing."""
    found = {
        path.name
        for path in (PACKAGE / "cli").rglob("*.py")
        if any(readings(path.read_text(encoding="utf-8")))
    }
    assert found == {"environment.py", "surroundings.py"}


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
