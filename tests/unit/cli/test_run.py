from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doit.cmd_base import NamespaceTaskLoader
from doit.cmd_run import Run as DoitRun
from hypothesis import given
from hypothesis import strategies as st

from cvimake.cli.run import Run, as_target

ROOT = Path("/home/me/project")
PART = st.text("ab_.-", min_size=1, max_size=5).filter(lambda part: part not in {".", ".."})
TARGETS = st.lists(PART.filter(lambda part: part[0] != "-"), min_size=1, max_size=3).map(
    lambda parts: "/".join(["build", *parts])
)


@given(TARGETS)
def test_a_target_is_the_same_however_it_is_written(target: str) -> None:
    below = ROOT / "models" / "tiny"
    for argument, invoked_from in (
        (target, ROOT),
        (f"./{target}", ROOT),
        (f"{ROOT}/{target}", ROOT),
        (f"{ROOT}/{target}", Path("/elsewhere")),
        (f"../../{target}", below),
        (f"./{target.removeprefix('build/')}", ROOT / "build"),
        (f"build/../{target}", ROOT),
        (f"{target}/", ROOT),
    ):
        assert as_target(argument, invoked_from, ROOT) == target


@given(TARGETS)
def test_converting_an_argument_to_a_target_twice_changes_nothing(target: str) -> None:
    once = as_target(f"./{target}", ROOT, ROOT)
    assert as_target(once, ROOT, ROOT) == once


@pytest.mark.parametrize("argument", ["tiny", "tiny:bf16", "-n", "--verbosity=2", "-fbuild/x", "x=1", "list"])
@pytest.mark.parametrize("invoked_from", [ROOT, ROOT / "build", Path("/elsewhere")])
def test_names_and_options_stay_as_they_are(argument: str, invoked_from: Path) -> None:
    assert as_target(argument, invoked_from, ROOT) == argument


@pytest.mark.parametrize("argument", ["../other/build/x", "/etc/passwd", "models/tiny/tiny.onnx"])
def test_paths_that_are_no_targets_stay_as_they_are(argument: str) -> None:
    assert as_target(argument, ROOT, ROOT) == argument


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "real" / "build" / "tiny").mkdir(parents=True)
    (tmp_path / "real" / "build" / "tiny" / "tiny.mlir").touch()
    return tmp_path / "real"


def test_a_file_can_be_named_from_its_own_folder(project: Path) -> None:
    assert as_target("tiny.mlir", project / "build" / "tiny", project) == "build/tiny/tiny.mlir"


def test_a_model_can_be_named_from_a_folder_that_holds_one_of_its_name(project: Path) -> None:
    assert as_target("tiny", project / "build", project) == "tiny"


@pytest.mark.parametrize(
    ("argument", "folder"), [("./build/tiny/tiny.mlir", ""), ("tiny/tiny.mlir", "build")]
)
def test_a_target_can_be_named_through_a_link_to_the_project(
    project: Path, argument: str, folder: str
) -> None:
    link = project.with_name("link")
    link.symlink_to(project)
    assert as_target(argument, link / folder, project) == "build/tiny/tiny.mlir"


def test_doit_gets_the_targets(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("CVIMAKE_INVOKED_FROM", str(project / "build" / "tiny"))
    passed_on: list[list[str]] = []
    monkeypatch.setattr(DoitRun, "parse_execute", lambda _self, arguments: passed_on.append(arguments))
    Run(task_loader=NamespaceTaskLoader()).parse_execute(["-n", "2", "tiny.mlir", "tiny:bf16"])
    assert passed_on == [["-n", "2", "build/tiny/tiny.mlir", "tiny:bf16"]]


# How it ends


def run_while(monkeypatch: pytest.MonkeyPatch, act: Any) -> object:  # noqa: ANN401 - returns, raises or both
    monkeypatch.setattr(DoitRun, "execute", lambda _self, _params, _args: act())
    return Run(task_loader=NamespaceTaskLoader()).execute({"cwdPath": None, "dodoFile": "dodo.py"}, [])


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with nothing built yet, which is the current folder."""
    (tmp_path / "dodo.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("inside")
def test_the_exit_code_is_doits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_while(monkeypatch, lambda: 1) == 1


def is_free(path: Path) -> bool:
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_no_other_build_runs_in_the_project_meanwhile(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = inside / "build" / ".lock"
    assert run_while(monkeypatch, lambda: is_free(lock)) is False
    assert is_free(lock)


def test_without_a_graph_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_while(monkeypatch, lambda: 3) == 3
    assert list(tmp_path.iterdir()) == []


def interrupt() -> None:
    raise KeyboardInterrupt


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(("act", "code"), [(interrupt, 130), (terminate, 143)])
def test_a_signal_ends_it_in_order_and_leaves_the_handler_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], act: object, code: int
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        run_while(monkeypatch, act)
    assert caught.value.code == code
    assert "interrupted; what is finished stays" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


# What is said, and where to

DODO = "def task_say():\n    return {'actions': [lambda: print('said')], 'verbosity': 2}\n"


def doit(folder: Path, *arguments: str, out: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
    (folder / "dodo.py").write_text(DODO, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "cvimake.cli", *arguments],
        cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_reader_that_goes_away_ends_it_without_a_word(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = doit(tmp_path, out=writing)
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, "")


def test_a_closed_output_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text(DODO.replace("print('said')", "None"), encoding="utf-8")
    result = subprocess.run(
        ["sh", "-c", '"$0" -m cvimake.cli >&-', sys.executable],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("obstacle", ["full disk", "unwritable output"])
def test_an_unwritable_place_is_an_error_without_a_traceback(tmp_path: Path, obstacle: str) -> None:
    arguments = ["-o", str(tmp_path / "missing" / "out")]
    if obstacle == "full disk":
        (tmp_path / "build").mkdir()
        (tmp_path / "build" / ".lock").symlink_to("/dev/full")
        arguments = []
    result = doit(tmp_path, *arguments)
    assert result.returncode == 2
    assert re.fullmatch(r"cvimake: \[Errno \d+\] .*\n", result.stderr)


def test_less_than_no_stages_at_once_is_refused(tmp_path: Path) -> None:
    result = doit(tmp_path, "-n", "-3")
    assert result.returncode == 3
    assert "not -3" in result.stderr


# Two at once

HOLDING_DODO = """
import sys

def build():
    print("building", flush=True)
    sys.stdin.readline()

def task_say():
    return {"actions": [build], "verbosity": 2}
"""


@pytest.fixture
def building(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A build of `say` that goes on until a line comes in."""
    (tmp_path / "dodo.py").write_text(HOLDING_DODO, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "cvimake.cli", "say"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        # doit's own line, and the task's.
        assert [process.stdout.readline() for _ in range(2)] == [".  say\n", "building\n"]
        yield process
        process.kill()


def another(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cvimake.cli", *arguments],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_second_build_leaves_at_once_if_asked_to(tmp_path: Path, building: subprocess.Popen[str]) -> None:
    with another(tmp_path, "--no-wait") as second:
        _, said = second.communicate(timeout=30)
    assert second.returncode == 2
    assert re.fullmatch(
        rf"cvimake: process {building.pid} \(since \d\d:\d\d:\d\d\) is building say in this project\n"
        rf"  Wait for it: the same without --no-wait, or end it: kill {building.pid}\n",
        said,
    )


@pytest.mark.parametrize("ending", ["done", "killed"])
def test_a_second_build_waits_for_the_first(
    tmp_path: Path, building: subprocess.Popen[str], ending: str
) -> None:
    with another(tmp_path) as second:
        assert second.stdout
        assert second.stderr
        assert second.stderr.readline().endswith("is building say in this project; waiting for it\n")
        if ending == "killed":
            building.kill()
        else:
            building.communicate("\n", timeout=30)
        output, _ = second.communicate(timeout=30)
    assert (second.returncode, output.splitlines()) == (0, [".  say", "building"])


def test_a_second_build_that_waits_can_be_interrupted(
    tmp_path: Path, building: subprocess.Popen[str]
) -> None:
    with another(tmp_path) as second:
        assert second.stderr
        second.stderr.readline()
        second.send_signal(signal.SIGINT)
        _, said = second.communicate(timeout=30)
    assert second.returncode == 130
    assert said.startswith("cvimake: interrupted")
    building.communicate("\n", timeout=30)
    assert building.returncode == 0


@pytest.mark.parametrize(
    ("targets", "told"),
    [([], "everything"), (["a:x", "b"], "a:x, b"), (list("abcdefg"), "a, b, c, d, e and 2 more")],
)
def test_the_lock_says_what_the_build_makes(
    inside: Path, monkeypatch: pytest.MonkeyPatch, targets: list[str], told: str
) -> None:
    lock = inside / "build" / ".lock"
    seen: list[str] = []
    monkeypatch.setattr(
        DoitRun, "execute", lambda *_: seen.append(json.loads(lock.read_text("utf-8"))["what"])
    )
    Run(task_loader=NamespaceTaskLoader()).execute({"cwdPath": None, "dodoFile": "dodo.py"}, targets)
    assert seen == [f"is building {told} in this project"]
