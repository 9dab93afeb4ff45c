from __future__ import annotations

import os
from pathlib import Path

from doit.task import Task
from graphs import STAGES, Workshop

from bench import project
from cvimake.builder.untouched import Untouched, databases, judged
from cvimake.project import Declarations, read_declarations


def graph(workshop: Workshop) -> tuple[dict[str, Task], Declarations]:
    """Returns the tasks of a project of two models, and its declarations."""
    project.write(workshop.root / "two", 2)
    with project.working_in(workshop.root / "two"), project.graph_of(Path.cwd()) as (tasks, _):
        assert isinstance(tasks, dict)
        return tasks, read_declarations(Path())


def test_files_of_one_model_alone_are_told_with_its_name(workshop: Workshop) -> None:
    tasks, declarations = graph(workshop)
    found = judged(tasks, declarations, [*STAGES, "toolchain"])
    assert found
    assert found.files["build/m0001/m0001.mlir"] == "m0001"
    assert found.files["models/m0000/model.toml"] == "m0000"
    assert found.files["build/toolchain.json"] == ""
    assert found.files["models/m0000/../../datasets/samples/00.png"] == "m0000"
    assert found.declarations == {"models/m0000/model.toml", "models/m0001/model.toml"}
    assert found.rows == {"m0000": 2, "m0001": 2}


def test_only_what_was_judged_and_is_up_to_date_is_counted(workshop: Workshop) -> None:
    tasks, declarations = graph(workshop)
    both = [*STAGES, "m0001:onnx", "toolchain"]
    found = judged(tasks, declarations, both)
    assert found
    assert found.stages == {"m0000": 8, "m0001": 1, "toolchain": 1}
    found = judged(tasks, declarations, both, ["m0001:mlir"])
    assert found
    assert found.stages == {"m0000": 8, "toolchain": 1}
    assert judged(tasks, declarations, both, ["toolchain"]) is None


def test_models_that_are_left_out_are_counted_once() -> None:
    left_out = Untouched(stages={"a": 8, "toolchain": 1, "toolchain_frameworks": 1})
    assert left_out.others({"toolchain", "b", "b:onnx"}) == 9


def test_databases_have_their_absolute_paths_and_journals(tmp_path: Path) -> None:
    with project.working_in(tmp_path):
        found = databases("build/doit.sqlite")
    assert {"build/doit.sqlite", "build/history.sqlite-wal", "build/doit.sqlite-journal"} < found
    assert f"{os.path.realpath(tmp_path)}/build/doit.sqlite" in found
