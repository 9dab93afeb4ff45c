from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from fake_engine import ACTION

from cvimake.core.action import Action, Input, Limits, Text
from cvimake.core.errors import CvimakeError
from cvimake.execution import shell
from cvimake.toolchain import commands

ME = (os.geteuid(), os.getegid())


def stage(name: str, *arguments: str, path: str = "a.onnx", **variables: str) -> Action:
    return dataclasses.replace(
        ACTION,
        name=name,
        argv=(*commands.DETERMINISTIC, "printf", "%s\n", *arguments),
        environment={**commands.environment(), **variables},
        inputs=(Input(name="net.onnx", path=Path(path)),),
        texts=(Text(name="list.txt", text="1\n"),),
    )


def of(*actions: Action, more: tuple[Input, ...] = ()) -> shell.Shell:
    return shell.of_stages("net:int8", actions, more, {"TERM": "xterm"}, Limits(memory=5, processes=6))


def test_the_shell_of_a_stage_has_its_inputs_and_the_tools_variables() -> None:
    opened = of(stage("net:int8"))
    assert [file.name for file in opened.action.inputs] == ["net.onnx"]
    assert [text.name for text in opened.action.texts] == ["list.txt"]
    assert opened.action.environment["TERM"] == "xterm"
    assert opened.action.environment.items() >= commands.environment().items()
    assert list(opened.stages) == ["command.sh"]


def test_a_shell_has_the_projects_limits_and_no_end() -> None:
    limits = of(stage("net:int8")).action.limits
    assert (limits.memory, limits.processes) == (5, ACTION.limits.processes)
    assert limits.seconds > ACTION.limits.seconds


def test_in_the_shell_of_a_model_a_stage_with_other_files_of_the_same_names_is_left_out() -> None:
    stages = [stage("net:a"), stage("net:b", path="b.onnx"), stage("net:c")]
    more = (Input(name="list.txt", path=Path("x")), Input(name="net.cvimodel", path=Path("y")))
    opened = of(*stages, more=more)
    assert list(opened.stages) == ["a.sh", "c.sh"]
    assert opened.left_out == ("net:b",)
    assert [file.name for file in opened.action.inputs] == ["net.onnx", "net.cvimodel"]


def test_the_typed_command_is_the_stages_own_without_its_beginning() -> None:
    assert shell.typed(stage("net:a", "--x=1")) == ("printf", "%s\n", "--x=1")


def test_the_typed_command_sets_the_variables_that_are_others() -> None:
    action = stage("net:a", TZ="Asia/Tokyo")
    action = dataclasses.replace(
        action, environment={k: v for k, v in action.environment.items() if k != "TPUC_ROOT"}
    )
    assert shell.typed(action)[:4] == ("env", "-u", "TPUC_ROOT", "TZ=Asia/Tokyo")


def test_the_script_does_what_the_command_does(tmp_path: Path) -> None:
    action = stage("net:a", "plain", "--scale=[1, 2]", "it's", "--switch")
    path = tmp_path / "command.sh"
    path.write_text(shell.script(action), encoding="utf-8")
    ran = subprocess.run(["sh", path], capture_output=True, text=True, check=True)
    typed = subprocess.run(
        ["sh", "-c", shlex.join(shell.typed(action))], capture_output=True, text=True, check=True
    )
    assert ran.stdout == typed.stdout == "plain\n--scale=[1, 2]\nit's\n--switch\n"
    assert path.read_text(encoding="utf-8").count("\\\n") == 2


@pytest.mark.parametrize(
    ("name", "place"),
    [("net:int8", "net/int8"), ("net", "net/_all"), (shell.TOOLS, "_tools")],
)
def test_each_shell_has_a_folder_of_its_own(tmp_path: Path, name: str, place: str) -> None:
    assert shell.folder_of(tmp_path, name) == tmp_path / "build" / "shell" / place


def test_an_edited_command_stays_and_links_go(tmp_path: Path) -> None:
    opened = of(stage("net:int8", "--x=1"))
    with shell.prepared(tmp_path, "net:int8", opened, ME) as (folder, others):
        assert others == []
        assert os.access(folder / "command.sh", os.X_OK)
        (folder / "command.sh").write_text("mine", encoding="utf-8")
        (folder / ".history").unlink()
        (folder / ".history").symlink_to(tmp_path / "elsewhere")
    with shell.prepared(tmp_path, "net:int8", opened, ME) as (folder, others):
        assert others == ["command.sh"]
        assert (folder / "command.sh").read_text(encoding="utf-8") == "mine"
        assert not (folder / ".history").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_the_stages_command_is_the_last_of_the_history(tmp_path: Path) -> None:
    opened = of(stage("net:int8", "--x=1"))
    history = shell.folder_of(tmp_path, "net:int8") / ".history"
    with shell.prepared(tmp_path, "net:int8", opened, ME):
        command = history.read_text(encoding="utf-8")
        history.write_text(f"{command}ls\n", encoding="utf-8")
    with shell.prepared(tmp_path, "net:int8", opened, ME):
        assert history.read_text(encoding="utf-8") == f"ls\n{command}"


def test_two_shells_in_one_folder_are_refused(tmp_path: Path) -> None:
    opened = of(stage("net:int8"))
    with shell.prepared(tmp_path, "net:int8", opened, ME):  # noqa: SIM117 - the second one fails
        with pytest.raises(CvimakeError, match="has a shell open in"):
            with shell.prepared(tmp_path, "net:int8", opened, ME):
                pass
    with shell.prepared(tmp_path, "net:int8", opened, ME):
        pass
