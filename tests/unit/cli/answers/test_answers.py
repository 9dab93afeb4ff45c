"""The program in a process of its own, in a built project: when does it answer without work?"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from processes import PROGRAM, answered, append, exchange, other, tell, write

from bench import project
from cvimake.cli.answers.request import FOLDER, VARIABLE

_DODO = """\
from helper import STAGES
from cvimake.dodo import graph

DOIT_CONFIG, task_toolchain, task_models = graph(__file__, STAGES)
"""
_HELPER = "from cvimake.dodo import STAGES  # makes all\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one model, in which everything is built."""
    root = tmp_path_factory.mktemp("built")
    project.write(root, 1)
    project.mark_done(root)
    (root / "dodo.py").write_text(_DODO, encoding="utf-8")
    (root / "helper.py").write_text(_HELPER, encoding="utf-8")
    (root / "elsewhere").mkdir()
    # A member of the dataset that is somewhere else.
    member = root / "datasets" / "samples" / "07.png"
    shutil.move(member, root / "elsewhere")
    member.symlink_to("../../elsewhere/07.png")
    # Python writes down what it has compiled; the records take the new states of files.
    assert tell(root).out.endswith("0 built, 9 unchanged\n")
    return root


def replace(path: Path, held: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(held)
    new.replace(path)


def by_another_name(path: Path) -> None:
    os.link(path, path.parent.parent / "another")
    write(path.parent.parent / "another", other)


def exchange_folder(path: Path) -> None:
    shutil.copytree(path, path.with_name("copy"), symlinks=True)
    path.rename(path.with_name("old"))
    path.with_name("copy").rename(path)


def exchange_folder_for_link(path: Path) -> None:
    path.rename(path.with_name("old"))
    path.symlink_to("old")


def shadow(root: Path) -> None:
    (root / "helper").mkdir()
    shutil.copy(root / "helper.py", root / "helper" / "__init__.py")


_NETWORK, _RESULT, _DECLARATION = (
    "models/m0000/tiny.onnx",
    "build/m0000/m0000.mlir",
    "models/m0000/model.toml",
)
_SAMPLES, _ELSEWHERE, _RECORDS = "datasets/samples", "elsewhere/07.png", "build/doit.sqlite"
# Changes to a project, and whether anything is out of date afterwards.
EDITS: Mapping[str, tuple[Callable[[Path], object], bool]] = {
    "network, slyly": (lambda root: write(root / _NETWORK, other), True),
    "network replaced": (lambda root: replace(root / _NETWORK, b"x"), True),
    "network touched": (lambda root: os.utime(root / _NETWORK), False),
    "network by another name": (lambda root: by_another_name(root / _NETWORK), True),
    "network removed": (lambda root: (root / _NETWORK).unlink(), True),
    "rights": (lambda root: (root / _NETWORK).chmod(0o600), False),
    "declaration": (lambda root: exchange(root / _DECLARATION, b"[0.0,", b"[1.0,"), True),
    "declaration, without effect": (lambda root: append(root / _DECLARATION, b"# x"), False),
    "settings, without effect": (lambda root: append(root / "pyproject.toml", b"[tool.cvimake]"), False),
    "another model": (lambda root: shutil.copytree(root / "models/m0000", root / "models/m0001"), True),
    "empty folder among models": (lambda root: (root / "models/m0002").mkdir(), False),
    "member added": (lambda root: shutil.copy(root / _ELSEWHERE, root / _SAMPLES / "z.png"), True),
    "member removed": (lambda root: (root / _SAMPLES / "03.png").unlink(), True),
    "member renamed": (lambda root: (root / _SAMPLES / "03.png").rename(root / _SAMPLES / "x.png"), True),
    "member's target removed": (lambda root: (root / _ELSEWHERE).unlink(), True),
    "member's target, slyly": (lambda root: write(root / _ELSEWHERE, other), True),
    "dataset exchanged for the same": (lambda root: exchange_folder(root / _SAMPLES), False),
    "dataset moved behind a link": (lambda root: exchange_folder_for_link(root / _SAMPLES), False),
    "result removed": (lambda root: (root / _RESULT).unlink(), True),
    "result, slyly": (lambda root: write(root / _RESULT, other), True),
    "toolchain": (lambda root: write(root / "build/toolchain.json", other), True),
    "records removed": (lambda root: (root / _RECORDS).unlink(), True),
    "records replaced": (lambda root: replace(root / _RECORDS, b"no database"), True),
    "records with a journal": (lambda root: (root / f"{_RECORDS}-journal").write_bytes(b""), False),
    "dodo.py": (lambda root: exchange(root / "dodo.py", b", STAGES)", b", STAGES[:2])"), False),
    "module, slyly": (lambda root: exchange(root / "helper.py", b"make", b"MAKE"), False),
    "module before it": (shadow, False),
    "configuration appears": (lambda root: (root / "doit.cfg").write_text("[GLOBAL]\n"), False),
}


def test_without_a_change_it_answers_without_work_and_prints_the_same(root: Path) -> None:
    for arguments in (
        (),
        ("plan",),
        ("why", "m0000"),
        ("list", "--all"),
        ("--continue", "-n", "2", "m0000:int8"),
    ):
        repeated, full = answered(root, *arguments), tell(root, *arguments, variables={VARIABLE: "1"})
        assert full.worked
        assert (full.code, full.out, full.errors) == (repeated.code, repeated.out, repeated.errors)
        assert full.code == 0
        assert full.out


@pytest.mark.parametrize("name", EDITS)
def test_after_a_change_it_works_and_finds_what_is_out_of_date(root: Path, name: str) -> None:
    edit, is_stale = EDITS[name]
    answered(root, "plan")
    edit(root)
    after = tell(root, "plan")
    assert after.worked
    assert ("m000" in after.out) == is_stale


@pytest.mark.parametrize(
    "variables",
    [
        {"SOURCE_DATE_EPOCH": "1"}, {"CVIMAKE_ENGINE": "local"}, {"DOCKER_HOST": "tcp://nowhere"},
        {"CVIMAKE_STORE": "none"}, {"COLUMNS": "60"}, {"ANYTHING": "else"},
    ],
)  # fmt: skip
def test_other_variables_are_another_request(root: Path, variables: dict[str, str]) -> None:
    answered(root, "plan")
    assert tell(root, "plan", variables=variables).worked
    answered(root, "plan")


def test_answers_tell_nothing_of_the_variables(root: Path) -> None:
    tell(root, "plan", variables={"TOKEN": "not for others"})
    kept = list((root / FOLDER).iterdir())
    assert kept
    assert all(b"not for others" not in path.read_bytes() for path in kept)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)


@pytest.mark.parametrize(
    "arguments", [("--json",), ("info", "build/toolchain.json"), ("run", "--json"), ("help",)]
)
def test_some_commands_always_work(root: Path, arguments: tuple[str, ...]) -> None:
    tell(root, *arguments)
    assert tell(root, *arguments).worked


def test_a_failure_is_not_kept(root: Path) -> None:
    tell(root, "plan", "nothing_of_that_name")
    again = tell(root, "plan", "nothing_of_that_name")
    assert (again.worked, again.code) == (True, 3)


def test_a_damaged_answer_is_none(root: Path) -> None:
    answered(root, "plan")
    (answer,) = (root / FOLDER).iterdir()
    whole = answer.read_bytes()
    for damaged in (b"", whole[:40], whole[:-1], whole[:3000] + b"x" + whole[3001:], whole[::-1]):
        answer.write_bytes(damaged)
        assert tell(root, "plan").worked
        assert not tell(root, "plan").worked


def test_a_folder_in_the_place_of_an_answer_does_no_harm(root: Path) -> None:
    answered(root, "plan")
    (answer,) = (root / FOLDER).iterdir()
    answer.unlink()
    answer.mkdir()
    assert tell(root, "plan").code == 0
    assert tell(root, "plan").worked


def test_while_another_build_runs_it_does_not_answer(root: Path) -> None:
    answered(root, "--no-wait")
    with (root / "build" / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        busy = tell(root, "--no-wait")
    assert (busy.worked, busy.code) == (True, 2)
    assert "locked" in busy.errors
    # A killed build has left its name.
    (root / "build" / ".lock").write_text("{}\n", encoding="utf-8")
    assert tell(root, "--no-wait").worked
    assert not tell(root, "--no-wait").worked


def test_a_build_waits_for_one_that_answers(root: Path) -> None:
    """The lock is free afterwards."""
    answered(root)
    with (root / "build" / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_nobody_reads_its_output(root: Path) -> None:
    answered(root)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        told = tell(root, stdout=writer)
    finally:
        os.close(writer)
    assert (told.worked, told.code, told.errors) == (False, 141, "")


def test_a_clock_that_was_set_back_makes_it_work(root: Path) -> None:
    answered(root, "plan")
    back = f"import time\nnow = time.time_ns() - 10**10\ntime.time_ns = lambda: now\n{PROGRAM}"
    for program, works in ((PROGRAM, False), (back, True)):
        told = tell(root, "plan", program=program)
        assert (told.worked, told.code) == (works, 0)
