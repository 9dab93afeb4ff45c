"""Names of models, variants and datasets: how they may look, and which are taken."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# Characters. A result's file name holds the names of a model and of a variant, and may have 255 bytes.
LONGEST_NAME = 100
# Names of commands and tasks of doit and cvimake, and of files beside the models' folders in build/.
RESERVED_NAMES = frozenset({
    "bench", "clean", "doctor", "dumpdb", "engine", "export", "fetch", "forget", "frameworks", "graph",
    "help", "ignore", "image", "info", "init", "list", "log", "new", "onnx", "plan", "preview", "release",
    "report", "reset-dep", "run", "schema", "shell", "store", "strace", "tabcompletion", "test", "toolchain",
    "view", "why", "worker", "logs", "toolchain.json", "frameworks.json", "export.json", "bench.json",
    "bench.md", "bench.svg", "faults.json",
    *(f"{name}.sqlite{part}" for name in ("doit", "history") for part in ("", "-journal", "-wal", "-shm")),
})  # fmt: skip
# The stages that a model has, and `float`, whose accuracy is one; no variant can be called like one of them.
STAGES = frozenset({"export", "onnx", "mlir", "calibration", "float", "preview"})
# Endings of the stages that a variant has beside its cvimodel.
VARIANT_STAGES = ("_qtable", "_info", "_accuracy", "_asked")


def unusable_name(name: str, kind: str, taken: frozenset[str]) -> str:
    """Say why a model, variant or dataset cannot have a name; return an empty text if it can."""
    if name in taken:
        return f"a {kind} cannot be called {name!r}: it is the name of a command, a stage or a file in build/"
    if not NAME.fullmatch(name):
        return (
            f"a {kind} cannot be called {name!r}: a name takes letters, digits, '_', '.' and '-', "
            "and begins with a letter or digit"
        )
    if len(name) > LONGEST_NAME:
        return f"a {kind} cannot be called {name!r}: a name has {LONGEST_NAME} characters at most"
    return ""
