"""Writes a project's graph for other build tools: the same files and edges, with commands that do nothing.

Each file is written as an expert for the tool would do it, with the patterns and loops that the tool has. All
lie beside each other in the project's own folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Tasks of plain doit, with its own checker. They do nothing, and only run before the measurement.
_PLAIN_DODO = """\
import json

DOIT_CONFIG = {"backend": "sqlite3", "dep_file": "build/plain.sqlite"}


def done():
    pass


def task_all():
    with open("build/graph.json", encoding="utf-8") as file:
        tasks = json.load(file)
    for task in tasks:
        if "targets" in task:
            task["actions"] = [done]
        yield task
"""
# The command of every stage.
_NOTHING = "true"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One stage.

    Attributes:
        model: the model that it belongs to; empty for a stage that all models share.
        stage: its name within the model.
        inputs: paths that it reads.
        outputs: paths that it writes.
    """

    model: str
    stage: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def with_model(self, name: str) -> Node:
        """Return the same stage of another model: with that model's name in every path."""
        inputs, outputs = (
            tuple(
                re.sub(rf"\b{re.escape(self.model)}(?=[/_.]|$)", lambda _found: name, path) for path in paths
            )
            for paths in (self.inputs, self.outputs)
        )
        return dataclasses.replace(self, model=name, inputs=inputs, outputs=outputs)


@dataclass(frozen=True)
class Graph:
    """All stages of a project, each after those that it reads from.

    Attributes:
        shared: the stages that all models read from.
        models: the stages of each model, by its name.
    """

    shared: tuple[Node, ...]
    models: Mapping[str, tuple[Node, ...]]

    @classmethod
    def of(cls, tasks: Iterable[Mapping[str, Any]]) -> Graph:
        """Return the graph of a project's tasks, given in the form of `project.tasks`.

        Raises:
            ValueError: a stage waits for another one without reading its files; other tools cannot do that.
        """
        models: dict[str, list[Node]] = {"": []}
        for task in tasks:
            if "targets" not in task:
                continue
            if task.get("task_dep"):
                raise ValueError(f"{task['basename']}:{task['name']} waits for {task['task_dep']}")
            model, stage = (task["basename"], task["name"]) if "name" in task else ("", task["basename"])
            inputs, outputs = tuple(task.get("file_dep", ())), tuple(task["targets"])
            node = Node(model=model, stage=stage, inputs=inputs, outputs=outputs)
            models.setdefault(model, []).append(node)
        shared = tuple(models.pop(""))
        return cls(shared, {model: tuple(nodes) for model, nodes in models.items()})

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return all stages."""
        return (*self.shared, *itertools.chain.from_iterable(self.models.values()))

    def pattern(self, placeholder: str) -> tuple[Node, ...]:
        """Return the stages of any model, with a placeholder for its name.

        Raises:
            ValueError: the models are not alike.
        """
        first, *_ = self.models.values()
        for model, nodes in self.models.items():
            if tuple(node.with_model(model) for node in first) != nodes:
                raise ValueError(f"{model} is not like the first one")
        return tuple(node.with_model(placeholder) for node in first)


def make(root: Path, graph: Graph) -> None:
    """Write a `Makefile`, without make's own rules, which make would try on every file."""
    lines = ["MAKEFLAGS += --no-builtin-rules", ".SUFFIXES:", f".PHONY: all {' '.join(graph.models)}"]
    lines.append(f"all: {_make(graph.shared)} {' '.join(graph.models)}")
    lines += [f"{model}: {_make(nodes)}" for model, nodes in graph.models.items()]
    for node in graph.nodes:
        lines += [f"{_make([node])} &: {_make_paths(node.inputs)}", f"\t{_NOTHING}"]
    _write(root / "Makefile", lines)


def _make(nodes: Iterable[Node]) -> str:
    return _make_paths(path for node in nodes for path in node.outputs)


def _make_paths(paths: Iterable[str]) -> str:
    return " ".join(re.sub(r"([ #:%])", r"\\\1", path).replace("$", "$$") for path in paths)


def ninja(root: Path, graph: Graph) -> None:
    """Write a `build.ninja`."""
    lines = ["rule stage", f"  command = {_NOTHING}"]
    lines += [f"build {_ninja([node])}: stage {_ninja_paths(node.inputs)}" for node in graph.nodes]
    lines += [f"build {model}: phony {_ninja(nodes)}" for model, nodes in graph.models.items()]
    _write(root / "build.ninja", lines)


def _ninja(nodes: Iterable[Node]) -> str:
    return _ninja_paths(path for node in nodes for path in node.outputs)


def _ninja_paths(paths: Iterable[str]) -> str:
    return " ".join(re.sub(r"([$ :])", r"$\1", path) for path in paths)


def snakemake(root: Path, graph: Graph) -> None:
    """Write a `Snakefile`: a rule for each stage, with the model as its wildcard.

    Its commands make empty results: Snakemake only knows the stages that it has run itself, and removes their
    results first.
    """
    nodes = [*graph.shared, *graph.pattern("{model}")]
    read = {path for node in nodes for path in node.inputs}
    last = [path for node in nodes for path in node.outputs if path not in read]
    lines = [f"MODELS = {list(graph.models)!r}", ""]
    lines += ["wildcard_constraints:", '    model="[^/]+"', ""]
    lines += ["rule all:", f"    input: expand({last!r}, model=MODELS)", ""]
    for node in nodes:
        lines.append(f"rule {node.stage}:")
        lines += [f"    input: {', '.join(map(repr, node.inputs))}"] if node.inputs else []
        lines += [f"    output: {', '.join(map(repr, node.outputs))}", "    shell: 'touch {output}'", ""]
    _write(root / "Snakefile", lines)


def dvc(root: Path, graph: Graph) -> None:
    """Write a `dvc.yaml` with a loop over the models for each stage, and the `dvc.lock` of a finished run.

    Results are not copied into DVC's cache: cvimake does not copy them either. JSON is YAML, too.
    """
    stages: dict[str, Any] = {node.stage: _dvc_stage(node) for node in graph.shared}
    for node in graph.pattern("${item}"):
        stages[node.stage] = {"foreach": list(graph.models), "do": _dvc_stage(node)}
    states: dict[str, dict[str, Any]] = {}

    def locked(paths: Sequence[str]) -> list[dict[str, Any]]:
        for path in set(paths) - states.keys():
            data = (root / path).read_bytes()
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            states[path] = {"path": path, "hash": "md5", "md5": md5, "size": len(data)}
        return [states[path] for path in paths]

    lock = {}
    for node in graph.nodes:
        name = f"{node.stage}@{node.model}" if node.model else node.stage
        lock[name] = {"cmd": _NOTHING, "deps": locked(node.inputs), "outs": locked(node.outputs)}
    _write(root / "dvc.yaml", [json.dumps({"stages": stages}, indent=1)])
    _write(root / "dvc.lock", [json.dumps({"schema": "2.0", "stages": lock}, indent=1)])
    # As `dvc init --no-scm` makes it, but without looking for updates, and with all its data in this folder.
    (root / ".dvc").mkdir()
    core = {
        "no_scm": True,
        "analytics": False,
        "check_update": False,
        "site_cache_dir": root / ".dvc" / "site",
    }
    _write(root / ".dvc" / "config", ["[core]", *(f"    {key} = {value}" for key, value in core.items())])
    # DVC must not look at the files of the other tools.
    _write(root / ".dvcignore", [".plain", ".snakemake", ".venv"])


def _dvc_stage(node: Node) -> dict[str, Any]:
    outputs = [{path: {"cache": False}} for path in node.outputs]
    return {"cmd": _NOTHING, "deps": list(node.inputs), "outs": outputs}


def plain_doit(root: Path, tasks: Iterable[Mapping[str, Any]]) -> None:
    """Write `plain_dodo.py`: the tasks that cvimake gives to doit, without cvimake's own checks."""
    kept = ("basename", "name", "doc", "file_dep", "targets", "task_dep")
    graph = [{key: task[key] for key in kept if key in task} for task in tasks]
    for task in graph:
        if "targets" in task and "file_dep" not in task:
            # The toolchain's task depends on nothing, and doit would always run it.
            task["uptodate"] = [True]
    _write(root / "build" / "graph.json", [json.dumps(graph)])
    _write(root / "plain_dodo.py", [_PLAIN_DODO])


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
