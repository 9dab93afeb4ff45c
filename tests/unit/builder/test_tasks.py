from __future__ import annotations

import dataclasses
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import TaskError, TaskFailed
from graphs import digests

from cvimake import dodo
from cvimake.builder import checks, outcomes
from cvimake.builder.build import Build
from cvimake.builder.content_checker import ContentChecker
from cvimake.builder.tasks import Project, Task, doit_config
from cvimake.camera import camera_picture
from cvimake.core.action import Action, FileKind, Folder, Input, Limits, Output, Text
from cvimake.core.capacity import Load
from cvimake.core.errors import CvimakeError, EngineError, ImageError, StageFailedError
from cvimake.execution import runtime
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.sandbox import Ran
from cvimake.pipeline.outcomes import CvimodelInfo
from cvimake.pipeline.stage import Stage
from cvimake.project import DeclaredModel
from cvimake.project.model import Budget
from cvimake.toolchain import commands

LOAD_OF_ALL = Load(memory=1)
ACTION = Action(
    name="net:bf16",
    argv=("tool",),
    environment={},
    inputs=(Input(name="net.mlir", path=Path("build/net/net.mlir")),),
    outputs=(Output(name="net.cvimodel", path=Path("build/net/net.cvimodel"), kind=FileKind.CVIMODEL),),
)
INFO = CvimodelInfo(
    variant="net:bf16",
    cvimodel=Path("build/net/net.cvimodel"),
    listing=Path("build/net/info.txt"),
    time=Path("build/net/time.json"),
    validation=Path("build/net/validation.json"),
    outputs=Path("build/net/outputs.json"),
    declared=camera_picture.NOTHING,
    budget=Budget(),
    result=Path("build/net/info.json"),
)


# The state of an input that a tool has read.
STATE = [1, 2, 3, 4, "ab" * 32]

# A model's tasks

MODEL = """
description = "A network"
source = "net.onnx"
[verify]
input = "cat.png"
[variant.bf16]
quantize = "BF16"
"""


def declare(root: Path, name: str = "net", *, source: bool = True, text: str = MODEL) -> None:
    folder = root / "models" / name
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(text, encoding="utf-8")
    if source:
        (folder / "net.onnx").touch()


@pytest.fixture(autouse=True)
def in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the process where doit would be."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "toolchain.json").write_text('{"python": "3.10.14"}', encoding="utf-8")
    declare(tmp_path)
    return Project(Build(tmp_path, os.environ))


def tasks_of(project: Project, *stages: Stage) -> list[Task]:
    def stages_of(_model: DeclaredModel) -> Iterator[Stage]:
        yield from stages

    (model,) = project.models
    return [task for task in project.tasks(model, [stages_of]) if isinstance(task, dict)]


def task_of(project: Project, stage: Stage) -> Task:
    _model, task = tasks_of(project, stage)
    return task


def of(action: Action = ACTION, **options: Any) -> Stage:  # noqa: ANN401 - any of a stage's attributes
    return Stage(action=action, load=LOAD_OF_ALL, **options)


def test_a_model_is_a_group_of_its_stages(project: Project) -> None:
    model, task = tasks_of(project, of())
    assert (model["basename"], model["name"], model["doc"]) == ("net", None, "A network")
    assert (task["basename"], task["name"]) == ("net", "bf16")


def test_the_clock_of_every_stage_stands_still_at_the_users_time(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    action = dataclasses.replace(ACTION, environment=commands.environment())

    def clock(project: Project) -> str:
        (meta,) = task_of(project, of(action))["meta"].values()
        return str(meta.stage.action.environment["FAKETIME"])

    # The variables that a build is given count, and not those of the process.
    dated = Project(Build(project.build.root, {"SOURCE_DATE_EPOCH": "86399"}))
    assert clock(dated) == "1970-01-01 23:59:59"
    assert clock(Project(Build(project.build.root, {}))) == "2024-01-01 00:00:00"


def test_the_description_that_doit_lists_cannot_steer_the_terminal(
    tmp_path: Path,
) -> None:
    declare(tmp_path, text=MODEL.replace("A network", r"A \u001b]0;title\u0007network\u202e"))
    model, _task = tasks_of(Project(Build(tmp_path, os.environ)), of())
    assert "network" in model["doc"]
    assert not any(character in model["doc"] for character in "\x1b\x07\u202e")


def test_a_task_depends_on_its_inputs_and_on_what_computes(project: Project) -> None:
    assert task_of(project, of())["file_dep"] == ["build/toolchain.json", "build/net/net.mlir"]


def test_a_task_depends_on_every_member_of_a_folder_and_on_what_its_conclusion_reads(
    project: Project,
) -> None:
    folder = Folder(target="/dataset", files={"0.png": Path("datasets/a/0.png")})
    stage = of(dataclasses.replace(ACTION, folders=(folder,)), outcome=INFO)
    assert {"datasets/a/0.png", "build/net/validation.json"} <= set(task_of(project, stage)["file_dep"])


def test_a_tasks_targets_are_the_actions_outputs_and_what_is_concluded(project: Project) -> None:
    stage = of(outcome=INFO)
    assert task_of(project, stage)["targets"] == ["build/net/net.cvimodel", "build/net/info.json"]


def definition_in(task: Task) -> object:
    return task["uptodate"][0].config


def test_a_task_is_stale_when_its_definition_changes_and_not_when_its_limits_do(project: Project) -> None:
    before = definition_in(task_of(project, of(outcome=INFO)))
    limited = of(dataclasses.replace(ACTION, limits=Limits(memory=1)), outcome=INFO)
    assert definition_in(task_of(project, limited)) == before
    for other in (
        of(dataclasses.replace(ACTION, argv=("tool", "--option")), outcome=INFO),
        of(dataclasses.replace(ACTION, texts=(Text(name="list.txt", text="a"),)), outcome=INFO),
        of(outcome=dataclasses.replace(INFO, budget=Budget(size=1))),
    ):
        assert definition_in(task_of(project, other)) != before


def test_a_variant_for_several_processors_is_a_task_that_builds_it_for_each(tmp_path: Path) -> None:
    declare(tmp_path, text=MODEL + 'processor = ["cv180x", "cv181x"]\n')
    *_, group = tasks_of(Project(Build(tmp_path, os.environ)))
    assert group["name"] == "bf16"
    assert group["task_dep"] == [
        *("net:bf16_cv180x", "net:bf16_cv180x_info"),
        *("net:bf16_cv181x", "net:bf16_cv181x_info"),
    ]


# Models without their source


def test_a_model_without_its_source_is_not_built_when_nothing_is_named(tmp_path: Path) -> None:
    declare(tmp_path, "there")
    declare(tmp_path, "waits", source=False)
    assert Project(Build(tmp_path, os.environ)).default_tasks() == ["there"]


def test_a_model_without_its_source_says_where_to_put_it(tmp_path: Path) -> None:
    declare(tmp_path, source=False)
    project = Project(Build(tmp_path, os.environ))
    assert project.buildable == []
    _group, waiting = project.standing_for(project.unbuildable["net"])
    result = perform(waiting)
    assert isinstance(result, TaskError)
    assert "put it at models/net/net.onnx" in result.get_msg()


# What a task does


def write_outputs(action: Action) -> Ran:
    for output in action.outputs:
        output.path.parent.mkdir(parents=True, exist_ok=True)
        output.path.write_bytes(b"result")
    return Ran(inputs={str(path): STATE for path in action.paths()}, outputs=digests(action))


class FakeSandbox:
    """Ends as it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.ran: list[Action] = []

    def run(self, action: Action, *_: object) -> Ran:
        self.ran.append(action)
        if self.error:
            raise self.error
        return write_outputs(action)


IDENTITY = {"python": "3.10.14"}
IMAGE = ToolchainImage(id="sha256:abc", base="a base", identity=IDENTITY)


def with_runtime(
    monkeypatch: pytest.MonkeyPatch, sandbox: FakeSandbox, image: ToolchainImage = IMAGE
) -> None:
    found = runtime.Runtime(image, sandbox)  # type: ignore[arg-type]
    monkeypatch.setattr(runtime.Runtimes, "plain", lambda _of: found)


def perform(task: Task) -> Any:  # noqa: ANN401 - the values, or a failure of doit
    ((act, arguments),) = task["actions"]
    return act(*arguments)


def test_a_task_runs_its_action(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = FakeSandbox()
    with_runtime(monkeypatch, sandbox)
    told = perform(task_of(project, of()))
    assert told.keys() == {"seconds", "cores", "outputs", "inputs"}
    assert told["inputs"].keys() == {"build/net/net.mlir", "build/toolchain.json"}
    assert told["inputs"]["build/net/net.mlir"] == STATE
    assert sandbox.ran == [ACTION]


def test_a_result_that_is_edited_before_it_is_recorded_is_not_taken_for_what_was_made(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_runtime(monkeypatch, FakeSandbox())
    monkeypatch.setattr(
        outcomes, "conclude", lambda _stage, _warn: ACTION.outputs[0].path.write_bytes(b"edited")
    )
    ended = perform(task_of(project, of()))
    assert isinstance(ended, TaskError)
    assert "net.cvimodel was edited right after it was made" in ended.get_msg()


def test_the_results_of_a_task_are_recorded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with_runtime(monkeypatch, FakeSandbox())
    task = task_of(project, of())
    kept = perform(task)
    assert list(kept["outputs"]) == ["build/net/net.cvimodel"]
    (is_intact,) = [check for check in task["uptodate"] if type(check).__name__ == "_Intact"]
    made = SimpleNamespace(targets=task["targets"])
    assert is_intact(made, kept)
    Path("build/net/net.cvimodel").write_bytes(b"edited")
    assert not is_intact(made, kept)


def test_a_stage_is_checked_before_its_tool_runs_and_concluded_after_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    class Recording(FakeSandbox):
        def run(self, action: Action, *_: object) -> Ran:
            order.append(action.name)
            return write_outputs(action)

    with_runtime(monkeypatch, Recording())
    monkeypatch.setattr(checks, "run", lambda stage, _readers: order.append(f"checks of {stage.action.name}"))
    monkeypatch.setattr(
        outcomes, "conclude", lambda stage, _warn: order.append(f"outcome of {stage.action.name}")
    )
    assert perform(task_of(project, of())).keys() == {"seconds", "cores", "outputs", "inputs"}
    assert order == ["checks of net:bf16", "net:bf16", "outcome of net:bf16"]


def test_no_tool_runs_if_a_check_fails(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_stage: Stage, _readers: object) -> None:
        raise CvimakeError("too new")

    sandbox = FakeSandbox()
    with_runtime(monkeypatch, sandbox)
    monkeypatch.setattr(checks, "run", refuse)
    assert isinstance(perform(task_of(project, of())), TaskError)
    assert sandbox.ran == []


def test_an_outcome_that_refuses_the_result_is_doits_failure(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_stage: Stage, _warn: object) -> None:
        raise StageFailedError("over its budget")

    with_runtime(monkeypatch, FakeSandbox())
    monkeypatch.setattr(outcomes, "conclude", refuse)
    assert isinstance(perform(task_of(project, of())), TaskFailed)


def test_a_failed_stage_is_doits_failure(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with_runtime(monkeypatch, FakeSandbox(StageFailedError("net:bf16: exit code 1", "look here")))
    result = perform(task_of(project, of()))
    assert isinstance(result, TaskFailed)
    assert "net:bf16: exit code 1\n  look here" in result.get_msg()


@pytest.mark.parametrize("error", [EngineError("gone"), ImageError("gone")])
def test_an_error_outside_the_tool_is_an_error_for_doit(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with_runtime(monkeypatch, FakeSandbox(error))
    assert isinstance(perform(task_of(project, of())), TaskError)


def test_a_mistake_of_ours_is_not_hidden(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with_runtime(monkeypatch, FakeSandbox(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        perform(task_of(project, of()))


def test_no_stage_runs_in_another_image_than_the_recorded_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = FakeSandbox()
    replaced = ToolchainImage(id="sha256:abc", base="a base", identity={"python": "3.10.15"})
    with_runtime(monkeypatch, sandbox, replaced)
    result = perform(task_of(project, of()))
    assert isinstance(result, TaskError)
    assert "forget toolchain" in result.get_msg()
    assert sandbox.ran == []


def test_the_toolchains_identity_is_recorded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with_runtime(monkeypatch, FakeSandbox())
    assert perform(project.toolchain_task()).keys() == {"seconds", "cores", "outputs"}
    record = project.build.root / "build" / "toolchain.json"
    assert record.read_text(encoding="utf-8") == '{\n "python": "3.10.14"\n}\n'


def test_an_equal_identity_leaves_the_record_as_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_runtime(monkeypatch, FakeSandbox())
    perform(project.toolchain_task())
    record = project.build.root / "build" / "toolchain.json"
    os.utime(record, ns=(0, 1))
    perform(project.toolchain_task())
    assert record.stat().st_mtime_ns == 1


def test_the_toolchain_is_stale_when_the_recipe_changes(project: Project) -> None:
    other = Project(Build(project.build.root, os.environ))
    other.build.recipe = Recipe(base="another")
    assert definition_in(other.toolchain_task()) != definition_in(project.toolchain_task())


# The project


def test_a_project_is_opened_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CVIMAKE_BASE", raising=False)
    monkeypatch.delenv("CVIMAKE_TPU_MLIR_WHEEL", raising=False)
    project = Project(Build(tmp_path, os.environ))
    project.read()
    assert (project.build.root, project.build.recipe, project.models) == (tmp_path, Recipe(), ())
    assert list(tmp_path.iterdir()) == []


def test_doit_goes_by_contents_and_keeps_its_record_in_the_build_folder(project: Project) -> None:
    config = doit_config(project)
    assert isinstance(config["check_file_uptodate"](), ContentChecker)
    assert config["dep_file"].startswith("build/")
    assert list(config["default_tasks"]) == ["net"]


def test_a_dodo_file_reads_nothing_before_doit_asks_for_tasks_and_then_ends_with_the_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.cvimake]\nmodells = 1", encoding="utf-8")
    _config, task_toolchain, _task_models = dodo.graph(str(tmp_path / "dodo.py"))
    assert capsys.readouterr().err == ""
    with pytest.raises(SystemExit) as caught:
        next(task_toolchain())
    gc.enable()
    assert caught.value.code == 2
    assert "cvimake: pyproject.toml:2: modells: no such key; did you mean models?" in capsys.readouterr().err


def test_warnings_are_printed_when_doit_asks_for_tasks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unused = tmp_path / "datasets" / "unused"
    unused.mkdir(parents=True)
    (unused / "dataset.toml").write_text("sampels = 3", encoding="utf-8")
    config, task_toolchain, task_models = dodo.graph(str(tmp_path / "dodo.py"))
    assert capsys.readouterr().err == ""
    tasks = [*task_toolchain(), *task_models()]
    assert [isinstance(task, dict) and task["basename"] for task in tasks] == ["toolchain"]
    assert list(config["default_tasks"]) == []
    assert "cvimake: warning: datasets/unused/dataset.toml" in capsys.readouterr().err
