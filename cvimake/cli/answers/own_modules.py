"""The project's own modules, such as its `dodo.py`: do they ask for anything that an observer cannot see?

Examples are the time of day, chance, and the load of the machine. Python does not report such a question, so
a module may import only modules that are known not to ask one.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from pathlib import Path

# Modules that only compute, or whose questions are observed, and packages that are a part of cvimake.
_VISIBLE = frozenset(
    {
        "__future__", "abc", "collections", "configparser", "contextlib", "copy", "csv", "cvimake",
        "dataclasses", "doit", "enum", "fnmatch", "functools", "glob", "hashlib", "io", "itertools", "json",
        "math", "operator", "os", "pathlib", "re", "shutil", "stat", "string", "sys", "textwrap", "tomllib",
        "types", "typing",
    }
)  # fmt: skip
# Names in these modules, or of Python itself, that may ask for more.
_INVISIBLE = frozenset(
    {
        "__builtins__", "__import__", "breakpoint", "cpu_count", "eval", "exec", "get_terminal_size",
        "getloadavg", "getpgrp", "getpid", "getppid", "getrandom", "hash", "id", "input", "import_module",
        "modules", "process_cpu_count", "sched_getaffinity", "stdin", "sysconf", "timeout", "times", "uname",
        "urandom",
    }
)  # fmt: skip


def question(path: Path, own: Container[str]) -> str:
    """Return where a module may ask for what an observer cannot see; empty if it does not.

    Args:
        path: the module's file.
        own: the names of the project's other modules, which are looked at themselves.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return f"{path} is no Python source"
    for line, name in _names(tree):
        top = name.partition(".")[0]
        if name in _INVISIBLE or (name.endswith(".") and top not in _VISIBLE and top not in own):
            return f"{path}:{line}: {name.rstrip('.')}"
    return ""


def only_chooses_stages(path: Path) -> bool:
    """Tell whether a `dodo.py` has no tasks but cvimake's: it imports cvimake, and calls `graph`.

    Args:
        path: the `dodo.py`, which Python has imported.
    """
    return all(map(_chooses, ast.parse(path.read_bytes()).body))


def _chooses(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()):
            # A docstring.
            return True
        case ast.ImportFrom(module=str(module), level=0):
            return module.partition(".")[0] == "cvimake"
        case ast.Assign(value=ast.Call(func=ast.Name(id="graph"), args=arguments, keywords=[])):
            return all(isinstance(argument, ast.Name) for argument in arguments)
        case ast.Assign(value=ast.Tuple(elts=stages)):
            return all(isinstance(stage, ast.Attribute) for stage in stages)
    return False


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every name that a module uses with its line; that of an imported module with a dot at its end."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, f"{alias.name}.") for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                if level == 0:
                    yield node.lineno, f"{module}."
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield node.lineno, name
