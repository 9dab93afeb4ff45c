# All ways to ask are tried, and a function of os is looked up when it is called.
# ruff: noqa: PLW0108, PTH114, PTH115, PTH116, PTH123, PTH208, SIM115, T201
from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from cvimake.cli.answers.observer import Observer
from cvimake.cli.answers.sights import ABSENT, FILE, LINK, LINK_PLACE, PLACE


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    (tmp_path / "file").write_text("text", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    return tmp_path


def observed(work: Callable[[], object]) -> Observer:
    observer = Observer(str(Path.cwd()))
    with observer.watching():
        work()
    return observer


def paths(observer: Observer, kind: int) -> dict[str, bool]:
    """The paths that were seen, and whether each was there."""
    return {path: state != ABSENT for path, state in observer.seen[kind].items()}


@pytest.mark.parametrize(
    "ask",
    [
        lambda path: os.stat(path), lambda path: os.readlink(path), os.path.exists, os.path.isfile,
        os.path.getsize, os.listdir, os.path.lexists,
        lambda path: Path(path).exists(), lambda path: Path(path).is_file(), lambda path: Path(path).is_dir(),
        lambda path: Path(path).stat(), lambda path: os.stat(path, follow_symlinks=False),
        lambda path: Path(path).is_symlink(), lambda path: Path(path).resolve(strict=True),
        lambda path: Path(path).read_bytes(), lambda path: open(path),
        lambda path: os.open(path, os.O_RDONLY),
        lambda path: os.access(path, os.R_OK), lambda path: list(Path(path).iterdir()),
        lambda path: os.lstat(os.fsencode(path)), lambda path: Path(path).lstat(),
    ],
)  # fmt: skip
def test_each_way_to_ask_for_a_missing_file_is_noted(ask: Callable[[str], object]) -> None:
    def work() -> None:
        with contextlib.suppress(OSError):
            ask("none")

    observer = observed(work)
    place = {name.removeprefix(f"{Path.cwd()}/") for kind in (FILE, LINK) for name in paths(observer, kind)}
    assert "none" in place
    assert not any(
        there for kind in (FILE, LINK) for name, there in paths(observer, kind).items() if "none" in name
    )
    assert observer.spoiled_by == ""


def test_what_is_there_is_noted_with_its_kind() -> None:
    def work() -> None:
        Path("file").read_bytes()
        assert Path("build").is_dir()
        os.listdir()
        os.path.islink("build")
        os.path.islink("link")

    observer = observed(work)
    assert paths(observer, FILE) == {"file": True, ".": True}
    assert paths(observer, PLACE) == {"build": True}
    assert paths(observer, LINK) == {"link": True}
    assert paths(observer, LINK_PLACE) == {"build": True}
    assert observer.folders == {"."}


def test_a_database_is_noted_with_the_files_beside_it(root: Path) -> None:
    database = root / "of us.sqlite"
    sqlite3.connect(database).execute("create table t (x)").connection.close()

    def work() -> None:
        sqlite3.connect(database).close()
        sqlite3.connect(":memory:").close()

    expected = {str(database): True, f"{database}-journal": False, f"{database}-wal": False}
    assert paths(observed(work), FILE) == expected
    by_address = f"{database.as_uri()}?mode=ro"
    assert paths(observed(lambda: sqlite3.connect(by_address, uri=True).close()), FILE) == expected


@pytest.mark.parametrize(
    "act",
    [
        lambda: Path("new").touch(), lambda: Path("file").write_text("x"), lambda: Path("file").unlink(),
        lambda: Path("file").rename("other"), lambda: Path("new").mkdir(), lambda: os.utime("file"),
        lambda: Path("file").chmod(0o600), lambda: Path("new").symlink_to("file"),
        lambda: os.truncate("file", 0),
        lambda: subprocess.run(["true"], check=True), lambda: os.system("true"), lambda: os.chdir("build"),
        lambda: socket.gethostbyname("localhost"), lambda: os.stat("/proc/self/status"),
        lambda: Path("/proc/meminfo").read_text(), lambda: sys.audit("something.new", 1),
        lambda: os.stat("file", dir_fd=os.open(".", os.O_RDONLY)),
        lambda: os.statvfs("."), lambda: pwd.getpwuid(0), lambda: pwd.getpwall(),
    ],
)  # fmt: skip
def test_whoever_does_more_than_look_is_observed_no_longer(act: Callable[[], object]) -> None:
    before = (os.stat, os.lstat, os.access, os.readlink)
    observer = Observer(str(Path.cwd()))
    with observer.watching():
        act()
        assert observer.spoiled_by
        assert not observer.is_watching
        assert (os.stat, os.lstat, os.access, os.readlink) == before
        Path("file2").exists()
    assert "file2" not in observer.seen[FILE]


def test_a_change_while_it_looks_is_noticed() -> None:
    observer = Observer(str(Path.cwd()))
    with observer.watching():
        assert not Path("none").exists()
        observer.note("none", FILE, (1, 2, 3, 4, 5))
    assert observer.spoiled_by == "none has changed"


def test_the_locks_of_a_build_are_no_writing(root: Path) -> None:
    def work() -> None:
        with (root / "build" / ".lock").open("a+"), Path("build/.work.lock").open("w"):
            Path("build").mkdir(exist_ok=True)
            Path("/dev/null").write_text("x", encoding="utf-8")
            Path("/proc/self/stat").read_text(encoding="utf-8")

    observer = observed(work)
    assert (observer.spoiled_by, observer.takes_lock) == ("", True)
    assert not observed(lambda: Path("file").exists()).takes_lock


def test_workspaces_are_for_a_build_to_look_at(root: Path) -> None:
    left = root / "build" / ".work" / "abc"
    left.mkdir(parents=True)
    (left / "in_use").touch()
    assert observed(lambda: (left / "in_use").read_bytes()).spoiled_by


def test_what_is_printed_is_noted_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        print("a", "b")
        sys.stderr.write("c\n")
        sys.stdout.writelines(["d\n", "e\n"])

    observer = observed(work)
    text = {
        number: "".join(text for stream, text in observer.printed if stream == number) for number in (1, 2)
    }
    assert text == {1: "a b\nd\ne\n", 2: "c\n"}
    assert "".join(text for _, text in observer.printed).index("c") == 4
    print("f")
    assert capsys.readouterr() == ("a b\nd\ne\nf\n", "c\n")
    assert observer.printed[-1] == (1, "e\n")


def test_what_a_build_draws_is_not_noted(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        print("a")
        Path("new").touch()
        print("b")

    assert "b" not in "".join(text for _, text in observed(work).printed)
    assert capsys.readouterr().out == "a\nb\n"


def test_python_can_still_do_everything(root: Path) -> None:
    """A module that is imported meanwhile keeps what it finds."""
    shutil = importlib.util.find_spec("shutil")
    assert shutil
    assert shutil.loader
    module = importlib.util.module_from_spec(shutil)
    sets = (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks)
    before = [set(each) for each in sets]
    observer = Observer(str(root))
    with observer.watching():
        shutil.loader.exec_module(module)
        assert module.rmtree.avoids_symlink_attacks
        for name in ("stat", "lstat", "access", "readlink"):
            assert all((getattr(os, name) in each) == (name in _names(each)) for each in sets)
    assert [set(each) for each in sets] == before


def _names(functions: Iterable[Callable[..., object]]) -> set[str]:
    return {getattr(function, "__name__", "") for function in functions}


def test_after_all_python_is_as_before() -> None:
    before = (os.stat, os.lstat, os.access, os.readlink)
    with contextlib.suppress(ZeroDivisionError):
        observed(lambda: 1 / 0)
    assert (os.stat, os.lstat, os.access, os.readlink) == before
