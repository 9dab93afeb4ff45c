"""The pipeline computes values: it neither reads nor writes a file, and shows nothing on the terminal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PIPELINE = ROOT / "cvimake" / "pipeline"
# Modules of the standard library that can do nothing but compute, and pathlib, of which only names are used.
STANDARD = {"collections", "dataclasses", "enum", "functools", "json", "math", "pathlib", "re", "typing"}
SYSTEM = {"io", "mmap", "os", "shutil", "socket", "subprocess", "sys", "tempfile"}
# Values and the name of a file, from modules that also read the disk.
VALUES = {
    "cvimake.core.resources": {"container_program"},
    "cvimake.project.dataset": {"Samples"},
    "cvimake.project.declarations": {"DeclaredModel", "DeclaredVariant", "as_files"},
}
# Calls and properties that read or write files, or the terminal.
EFFECTS = {
    "exists", "expanduser", "glob", "is_dir", "is_file", "iterdir", "lstat", "missing", "mkdir", "open",
    "print", "read_bytes", "read_text", "rename", "resolve", "rglob", "rmdir", "stat", "symlink_to", "touch",
    "unlink", "write_bytes", "write_text",
}  # fmt: skip


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each imported module, and the name that is taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), alias.name) for alias in node.names)


def file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def effects(tree: ast.AST) -> list[str]:
    """Return what a module does beside computing: imports, and calls of effects."""
    found = []
    for module, name in imports(tree):
        if not module.startswith("cvimake."):
            if module.partition(".")[0] not in STANDARD | {"__future__", "pydantic"}:
                found.append(f"import of {module}")
        elif name not in VALUES.get(module, ()) and (file := file_of(f"{module}.{name}") or file_of(module)):
            found += [f"{effect} in {file.relative_to(ROOT)}" for effect in own_effects(file)]
    return found


def own_effects(file: Path) -> list[str]:
    """Return the effects that a module calls, and the modules with effects that it imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [
        f"import of {module}"
        for module, name in imports(tree)
        if {module, f"{module}.{name}"} & {"cvimake.core.announce", "cvimake.core.terminal"}
        or module.partition(".")[0]
        in {"io", "mmap", "os", "shutil", "socket", "subprocess", "sys", "tempfile"}
    ]
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Call(func=ast.Name(id=name)) if name in EFFECTS:
                found.append(f"{name} at line {node.lineno}")
    return found


@pytest.mark.parametrize("file", sorted(PIPELINE.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_of_the_pipeline_has_no_effects(file: Path) -> None:
    assert own_effects(file) + effects(ast.parse(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("from cvimake.core import announce", "import of"),
        ("from cvimake.core.announce import note", "import of"),
        ("from cvimake.builder import outcomes", "read_text at line"),
        ("from cvimake.project.dataset import read_list", "glob at line"),
        ("import subprocess", "import of subprocess"),
        ("from os import path", "import of os"),
        ("from pathlib import Path\nPath('x').read_text()", "read_text at line 2"),
        ("print('x')", "print at line 1"),
    ],
)
def test_effects_are_found(tmp_path: Path, text: str, effect: str) -> None:
    file = tmp_path / "stage.py"
    file.write_text(text, encoding="utf-8")
    assert effect in " ".join(own_effects(file) + effects(ast.parse(text)))
