from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import exporters, other_tools, project, tools
from bench.exporters import Graph, Node
from bench.measure import Comparison, Unit
from bench.tools import Tool


@pytest.fixture
def generated(tmp_path: Path) -> Iterator[Path]:
    project.write(tmp_path, models=2)
    project.mark_done(tmp_path)
    yield tmp_path
    gc.unfreeze()


def node(model: str, stage: str, inputs: str, outputs: str) -> Node:
    return Node(model=model, stage=stage, inputs=tuple(inputs.split()), outputs=tuple(outputs.split()))


def two_stages(name: str) -> tuple[Node, ...]:
    """A model; the first stage's two outputs are both read by the second."""
    network, weights = f"build/{name}/{name}.mlir", f"build/{name}/w.npz"
    return (
        node(name, "mlir", f"build/tools.json models/{name}/n.onnx", f"{network} {weights}"),
        node(name, "int8", f"{network} {weights}", f"build/{name}/{name}_int8.cvimodel"),
    )


GRAPH = Graph(
    shared=(node("", "toolchain", "", "build/tools.json"),),
    models={name: two_stages(name) for name in ("m0", "m1")},
)


def test_the_graph_has_the_edges_that_doit_is_given(generated: Path) -> None:
    tasks = [task for task in project.tasks(generated) if "targets" in task]
    graph = Graph.of(tasks)
    assert list(graph.models) == ["m0000", "m0001"]
    assert [(list(node.inputs), list(node.outputs)) for node in graph.nodes] == [
        (task.get("file_dep", []), task["targets"]) for task in tasks
    ]
    # All models are alike.
    assert [node.stage for node in graph.pattern("{model}")] == [node.stage for node in graph.models["m0000"]]


def test_graphs_that_other_tools_cannot_express_are_refused() -> None:
    task = {"basename": "m0", "name": "b", "targets": ["b"], "task_dep": ["m0:a"]}
    with pytest.raises(ValueError, match="m0:b waits for"):
        Graph.of([task])


def test_models_that_differ_have_no_pattern() -> None:
    other = Graph(GRAPH.shared, {"m0": GRAPH.models["m0"], "m1": GRAPH.models["m1"][:1]})
    with pytest.raises(ValueError, match="m1 is not like"):
        other.pattern("{model}")


def test_a_makefile(tmp_path: Path) -> None:
    exporters.make(tmp_path, GRAPH)
    lines = (tmp_path / "Makefile").read_text(encoding="utf-8").splitlines()
    assert "all: build/tools.json m0 m1" in lines
    assert "m1: build/m1/m1.mlir build/m1/w.npz build/m1/m1_int8.cvimodel" in lines
    # One command for both.
    rule = lines.index("build/m0/m0.mlir build/m0/w.npz &: build/tools.json models/m0/n.onnx")
    assert lines[rule + 1] == "\ttrue"
    assert "build/tools.json &: " in lines


def test_a_ninja_file(tmp_path: Path) -> None:
    exporters.ninja(tmp_path, GRAPH)
    lines = (tmp_path / "build.ninja").read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["rule stage", "  command = true", "build build/tools.json: stage "]
    assert "build build/m1/m1_int8.cvimodel: stage build/m1/m1.mlir build/m1/w.npz" in lines
    assert "build m0: phony build/m0/m0.mlir build/m0/w.npz build/m0/m0_int8.cvimodel" in lines


def test_odd_characters_in_paths_stay_part_of_them(tmp_path: Path) -> None:
    odd = Graph(
        (node("", "one", "a", "b"),),
        {"m0": (Node(model="m0", stage="s", inputs=("a $b:c#",), outputs=("d e",)),)},
    )
    exporters.make(tmp_path, odd)
    exporters.ninja(tmp_path, odd)
    assert r"d\ e &: a\ $$b\:c\#" in (tmp_path / "Makefile").read_text(encoding="utf-8")
    assert "build d$ e: stage a$ $$b$:c#" in (tmp_path / "build.ninja").read_text(encoding="utf-8")


def test_a_snakefile_has_one_rule_for_all_models(tmp_path: Path) -> None:
    exporters.snakemake(tmp_path, GRAPH)
    text = (tmp_path / "Snakefile").read_text(encoding="utf-8")
    assert "MODELS = ['m0', 'm1']" in text
    # What nothing reads is what is asked for.
    assert "input: expand(['build/{model}/{model}_int8.cvimodel'], model=MODELS)" in text
    assert (
        "rule mlir:\n"
        "    input: 'build/tools.json', 'models/{model}/n.onnx'\n"
        "    output: 'build/{model}/{model}.mlir', 'build/{model}/w.npz'\n"
        "    shell: 'touch {output}'\n"
    ) in text
    assert text.count("rule ") == 4


def test_dvc_has_a_loop_over_the_models_and_what_a_run_would_have_locked(tmp_path: Path) -> None:
    for path in {path for each in GRAPH.nodes for path in (*each.inputs, *each.outputs)}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path, encoding="utf-8")
    exporters.dvc(tmp_path, GRAPH)
    stages = json.loads((tmp_path / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert stages["int8"] == {
        "foreach": ["m0", "m1"],
        "do": {
            "cmd": "true",
            "deps": ["build/${item}/${item}.mlir", "build/${item}/w.npz"],
            "outs": [{"build/${item}/${item}_int8.cvimodel": {"cache": False}}],
        },
    }
    locked = json.loads((tmp_path / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert list(locked) == ["toolchain", "mlir@m0", "int8@m0", "mlir@m1", "int8@m1"]
    path = "build/m1/m1_int8.cvimodel"
    md5 = hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()
    assert locked["int8@m1"]["outs"] == [{"path": path, "hash": "md5", "md5": md5, "size": len(path)}]
    assert locked["toolchain"]["deps"] == []


def test_the_plain_graph_is_the_same(generated: Path) -> None:
    exporters.plain_doit(generated, project.tasks(generated))
    plain = json.loads((generated / "build" / "graph.json").read_text(encoding="utf-8"))
    for ours, other in zip(project.tasks(generated), plain, strict=True):
        for key in ("basename", "name", "file_dep", "targets", "task_dep"):
            assert other.get(key) == ours.get(key)


def script(folder: Path, text: str, **changes: object) -> Tool:
    """A tool that is a shell script."""
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    values: dict[str, Any] = {
        "name": "Tool",
        "program": "{root}/tool",
        "write": lambda root, tasks: (root / "graph").write_text(str(len(tasks)), encoding="utf-8"),
        "plan": ("plan",),
        "nothing": "^nothing",
        "something": "^running",
    }
    values.update(changes)
    return Tool(**values)


_SAYS_ITS_VERSION = '[ "$*" = --version ] && echo Tool 1.2.3 && exit;'


def test_a_tool_is_told_the_graph_settled_and_asked_whether_everything_is_up_to_date(tmp_path: Path) -> None:
    text = f"{_SAYS_ITS_VERSION} echo called $* >>calls; echo nothing to do"
    tool = script(tmp_path, text, settle=("settle",))
    begun = tool.begin(tmp_path, [{}, {}], 10)
    program = str(tmp_path / "tool")
    assert (begun.label, begun.build, begun.plan) == ("Tool 1.2.3", [program], [program, "plan"])
    assert (tmp_path / "graph").read_text(encoding="utf-8") == "2"
    assert tool.checked(begun, tmp_path, 10) == begun
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls == ["called settle", "called", "called plan"]


@pytest.mark.parametrize("text", ["echo running a; echo nothing", "echo something else", "true"])
def test_a_tool_that_does_something_is_not_measured(tmp_path: Path, text: str) -> None:
    tool = script(tmp_path, f"{_SAYS_ITS_VERSION} {text}")
    with pytest.raises(RuntimeError, match="not everything is up to date"):
        tool.checked(tool.begin(tmp_path, [], 10), tmp_path, 10)


def test_a_tool_that_is_not_there_is_named_with_what_installs_it(tmp_path: Path) -> None:
    tool = script(tmp_path, "", program="no-such-program", installed_by="not installed: install it")
    begun = tool.begin(tmp_path, [], 10)
    assert (begun.label, begun.build, begun.missing) == ("Tool", [], "not installed: install it")
    assert tool.checked(begun, tmp_path, 10) == begun


def test_a_tool_that_takes_too_long_to_get_ready_is_named_with_that(tmp_path: Path) -> None:
    slow = script(tmp_path, f"{_SAYS_ITS_VERSION} sleep 60")
    assert slow.checked(slow.begin(tmp_path, [], 0.2), tmp_path, 0.2).missing == (
        "not seen to be up to date: it takes more than 0 s"
    )
    slow = dataclasses.replace(slow, settle=())
    assert slow.begin(tmp_path, [], 0.2).missing == "not brought up to date: it takes more than 0 s"


def test_a_tool_that_only_knows_what_it_has_run_runs_before_there_are_results(tmp_path: Path) -> None:
    project.write(tmp_path, models=1)
    text = f"{_SAYS_ITS_VERSION} echo nothing; test -e build/m0000/m0000.mlir; echo $? >seen-$1"
    tool = script(tmp_path, text, settle=("first",), runs_first=True)
    later = dataclasses.replace(tool, name="Later", settle=("later",), runs_first=False)
    found = tools.ready((later, tool), tmp_path, 10)
    gc.unfreeze()
    assert [each.name for each in found] == ["Later", "Tool"]
    seen = [(tmp_path / f"seen-{which}").read_text(encoding="utf-8").strip() for which in ("first", "later")]
    assert seen == ["1", "0"]


def test_cvimake_and_plain_doit_are_measured_and_missing_tools_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = script(tmp_path, "", program="no-such-program", installed_by="not installed: install it")
    monkeypatch.setattr(tools, "OTHERS", (missing, tools.DOIT))
    monkeypatch.setattr(other_tools, "REPEATS", {1: 1, 2: 1})
    found = list(other_tools.run(tmp_path))
    gc.unfreeze()
    told = {(each.name, each.unit, each.against.partition(" ")[0]): each for each in found}
    assert len(told) == len(found) == 2 * 12 + 2
    for models in ("1 model", "2 models"):
        for doing in ("./doit", "./doit plan"):
            assert told[f"{doing}, nothing to do, {models}", Unit.SECONDS, "doit"].ratio
            absent = told[f"{doing}, nothing to do, {models}", Unit.SECONDS, "Tool"]
            assert (absent.ratio, absent.theirs.missing) == (None, "not installed: install it")
        assert told[f"./doit without kept answers, nothing to do, {models}", Unit.SECONDS, "doit"].ratio
        for doing in ("plan", "why m0000", "list --all"):
            assert told[f"./doit {doing}, nothing to do, {models}", Unit.SECONDS, "./doit,"].ratio
        assert told[f"./doit plan, one option changed, {models}", Unit.SECONDS, "doit"].ratio
        assert told[f"./doit plan, everything to do, {models}", Unit.SECONDS, "./doit"].ratio
    assert told["./doit, nothing to do, 2 models", Unit.MEBIBYTES, "doit"].ratio
    no_op = told["./doit, nothing to do, 1 model", Unit.SECONDS, "doit"]
    assert (no_op.comparison, no_op.bound) == (Comparison.ITSELF, 0.1)
