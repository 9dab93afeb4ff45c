from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from graphs import Workshop

from cvimake.cli import clean, records
from cvimake.cli.commands import PLUGINS
from cvimake.core import lock

COMMANDS = {
    "clean": clean.Clean,
    "dumpdb": records.DumpDb,
    "forget": records.Forget,
    "ignore": records.Ignore,
    "reset-dep": records.ResetDep,
    "strace": records.Strace,
}


def build(workshop: Workshop, *arguments: str) -> list[str]:
    return workshop.build("--output-file", os.devnull, *arguments)


def test_cvimakes_commands_replace_those_of_doit() -> None:
    declared = PLUGINS["COMMAND"]
    for name, command in COMMANDS.items():
        assert declared[name] == f"{command.__module__}:{command.__name__}"


@pytest.mark.parametrize("command", [["reset-dep"], ["reset-dep", "m0000:onnx"], ["strace", "m0000:onnx"]])
def test_no_command_takes_an_edited_source_for_built(
    workshop: Workshop, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    build(workshop, "m0000:onnx")
    (workshop.root / "models" / "m0000" / "tiny.onnx").write_bytes(b"edited")
    assert workshop.doit(*command) == 2
    assert f"cvimake: {command[0]} " in capfd.readouterr().err
    assert build(workshop, "m0000:onnx") == ["m0000:onnx"]


def test_dumpdb_says_that_it_cannot_read_the_records(
    workshop: Workshop, capfd: pytest.CaptureFixture[str]
) -> None:
    build(workshop, "m0000:onnx")
    assert workshop.doit("dumpdb") == 2
    assert "cvimake: dumpdb cannot read the records" in capfd.readouterr().err


def test_an_ignored_stage_keeps_its_record(workshop: Workshop) -> None:
    build(workshop)
    assert workshop.doit("ignore", "m0000:onnx") == 0
    with workshop.records() as known:
        assert known.get_values("m0000:onnx")
        assert known.status_is_ignore(type("Task", (), {"name": "m0000:onnx"}))
    assert build(workshop) == []


def test_forget_has_a_stage_built_anew(workshop: Workshop) -> None:
    build(workshop)
    assert workshop.doit("forget", "m0000:onnx") == 0
    assert build(workshop) == ["m0000:onnx"]


@pytest.mark.parametrize("command", ["clean", "forget", "ignore"])
def test_commands_that_write_wait_for_a_running_build(
    workshop: Workshop, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    build(workshop)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(workshop.doit(command, "m0000:onnx")))
    with lock.exclusive(workshop.root / "build" / ".lock", "is building everything in this project"):
        thread.start()
        thread.join(1.0)
        assert ended == []
        assert build_is_named(capfd)
    thread.join()
    assert ended == [0]


def build_is_named(capfd: pytest.CaptureFixture[str]) -> bool:
    """Whether it is said, within a minute, what is waited for."""
    end, told = time.monotonic() + 60.0, ""
    while "is building everything in this project; waiting for it" not in told and time.monotonic() < end:
        told += capfd.readouterr().err
        time.sleep(0.01)
    return time.monotonic() < end


def test_in_other_projects_doits_own_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "source"
    source.touch()
    namespace = {
        "DOIT_CONFIG": {"dep_file": str(tmp_path / "records")},
        "task_one": lambda: {"actions": None, "file_dep": [str(source)]},
    }
    main = DoitMain(ModuleTaskLoader(namespace), config_filenames=(), extra_config=PLUGINS)
    for command in (["reset-dep"], ["ignore", "one"], ["forget", "one"]):
        assert not main.run(command)
    assert capsys.readouterr().out == "processed one\nignoring one\nforgetting one\n"
    assert not (tmp_path / ".lock").exists()
