from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from fake_engine import ACTION, FakeEngine, write_both

from cvimake.core.action import Ending
from cvimake.core.content import State
from cvimake.core.errors import EngineError, StageFailedError
from cvimake.execution import parts
from cvimake.execution.engine import PLACE
from cvimake.execution.sandbox import Sandbox
from cvimake.execution.workspace import sweep

WITH_PARTS = dataclasses.replace(ACTION, parts="/parts")
KEY, OTHER_KEY = "a" * 64, "b" * 64
# Makes a workspace with parts in it, and is then killed.
KILLED = """
import os, signal, sys
from pathlib import Path
from cvimake.execution.workspace import workspace
root, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])
with workspace(root) as folder:
    (folder / "parts").write_text("net:transform\\n" + "a" * 64)
    if elsewhere != root:
        (folder / "place").symlink_to(elsewhere)
    made = (elsewhere if elsewhere != root else folder) / "files" / "parts"
    made.mkdir(parents=True)
    (made / "0.json").write_text("zero")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(root: Path, act: Callable[[Path], Ending | None], key: str = KEY) -> FakeEngine:
    engine = FakeEngine(act)

    def key_of(states: Mapping[str, State]) -> str:
        assert states["models/net/best.onnx"]
        return key

    Sandbox(root=root, engine=engine, image="sha256:abc").run(WITH_PARTS, key=key_of)
    return engine


def kept(root: Path, key: str = KEY) -> dict[str, str]:
    folder = parts.folder_of(root, ACTION.name) / key
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*")}


def fails_after(write: Callable[[Path], object]) -> Callable[[Path], Ending]:
    """A tool that writes parts, as it is told to, and then fails."""

    def act(files: Path) -> Ending:
        (files / "parts").mkdir()
        write(files / "parts")
        return Ending(exit_code=1)

    return act


def begin(root: Path) -> None:
    with pytest.raises(StageFailedError):
        run(root, fails_after(lambda made: (made / "0.json").write_text("zero")))


def test_the_parts_of_a_tool_that_failed_are_seen_by_the_next_one(root: Path) -> None:
    begin(root)
    assert kept(root) == {"0.json": "zero"}
    seen: dict[str, str] = {}

    def look(files: Path) -> None:
        source = engine.mount("/parts")
        assert source.read_only
        seen.update({path.name: path.read_text(encoding="utf-8") for path in source.source.iterdir()})
        write_both(files)

    engine = FakeEngine(look)
    Sandbox(root=root, engine=engine, image="sha256:abc").run(WITH_PARTS, key=lambda _states: KEY)
    assert seen == {"0.json": "zero", "key": KEY}


def test_how_many_parts_are_finished_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(root)
    assert "finished" not in capsys.readouterr().err
    run(root, write_both)
    told = "net:transform goes on where it was ended: 1 part of its work is finished"
    assert told in capsys.readouterr().err


def test_parts_with_another_key_are_removed(root: Path) -> None:
    begin(root)
    engine = run(root, write_both, OTHER_KEY)
    assert sorted(path.name for path in engine.mount("/parts").source.iterdir()) == ["key"]
    assert kept(root) == {}


def test_an_engine_that_fails_loses_no_parts(root: Path) -> None:
    def act(files: Path) -> None:
        (files / "parts").mkdir()
        (files / "parts" / "7.json").write_text("seven", encoding="utf-8")
        raise EngineError("cancelled")

    with pytest.raises(EngineError):
        run(root, act)
    assert kept(root) == {"7.json": "seven"}


@pytest.mark.parametrize("place", ["", "cvimake-place"])
def test_the_parts_of_a_killed_build_are_found_by_the_next_one(root: Path, place: str) -> None:
    killed = [sys.executable, "-c", KILLED, str(root), str(root / place)]
    assert subprocess.run(killed, check=False).returncode < 0
    sweep(root)
    assert kept(root) == {"0.json": "zero"}
    assert list((root / "build" / ".work").iterdir()) == []


def _link(made: Path) -> None:
    (made / "0.json").symlink_to("/etc/hostname")


def _pipe(made: Path) -> None:
    os.mkfifo(made / "0.json")


def _large(made: Path) -> None:
    with (made / "0.json").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)


def _other_names(made: Path) -> None:
    for name in ("key", "0.new", "..json", "x.json", "1" * 10 + ".json"):
        (made / name).write_text("", encoding="utf-8")


def _folder(made: Path) -> None:
    (made / "0.json").mkdir()


def _folder_link(made: Path) -> None:
    made.rmdir()
    elsewhere = made.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "0.json").write_text("secret", encoding="utf-8")
    made.symlink_to(elsewhere)


@pytest.mark.parametrize("write", [_link, _pipe, _large, _other_names, _folder, _folder_link])
def test_only_plain_files_with_the_right_names_are_parts(root: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(StageFailedError):
        run(root, fails_after(write))
    assert kept(root) == {}


@pytest.mark.parametrize("text", ["", "net:transform", f"../../evil\n{KEY}", "net:transform\n../../evil"])
def test_a_note_that_leads_elsewhere_is_not_followed(root: Path, text: str) -> None:
    workspace = root / "workspace"
    (workspace / "files" / "parts").mkdir(parents=True)
    (workspace / "files" / "parts" / "0.json").write_text("zero", encoding="utf-8")
    (workspace / "parts").write_text(text, encoding="utf-8")
    before = set(root.rglob("*"))
    parts.rescue(root, workspace)
    assert set(root.rglob("*")) == before


def test_removed_parts_leave_nothing(root: Path) -> None:
    begin(root)
    assert parts.names(root) == [ACTION.name]
    parts.remove(root, ACTION.name)
    parts.remove(root, ACTION.name)
    assert list((root / parts.PARTS).iterdir()) == []


def test_an_action_without_parts_sees_no_folder_for_them(root: Path) -> None:
    engine = FakeEngine(write_both)
    Sandbox(root=root, engine=engine, image="sha256:abc").run(ACTION, key=lambda _states: KEY)
    assert [mount.target for mount in engine.commands[-1].mounts] == ["/workspace", "/workspace/net.onnx"]
    assert engine.commands[-1].parts == ""
    assert PLACE not in {path.name for path in (root / "build").iterdir()}
