from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from cvimake.cli.answers import keeping, kept
from cvimake.cli.answers.observer import Observer
from cvimake.cli.answers.repeat import of_request, repeat
from cvimake.cli.answers.request import Request, began
from cvimake.core import terminal
from cvimake.core.filesystem import FileSystems

REQUEST = Request("a folder", "a command")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / ".lock").touch()
    (tmp_path / "file").touch()
    of_python = keeping._of_python

    def in_the_folder(searched: Iterable[str], importable: dict[str, str]) -> Iterator[str]:
        """Only the files that a test has put into its folder: all others may change meanwhile."""
        paths = [path for path in of_python(searched, importable) if path.startswith(str(tmp_path))]
        for folder in [folder for folder in importable if not folder.startswith(str(tmp_path))]:
            del importable[folder]
        return iter(paths)

    monkeypatch.setattr(keeping, "_of_python", in_the_folder)
    return tmp_path


def keep(work: Callable[[], object], since: float | None = None) -> str:
    """Does some work and keeps the answer; returns why not, if not."""
    time.sleep(0.05)
    observer, since = Observer(str(Path.cwd())), time.time() if since is None else since
    with observer.watching():
        work()
    return keeping.keep(observer, REQUEST, since)


def repeated() -> list[tuple[int, bytes]] | None:
    printed: list[tuple[int, bytes]] = []
    answer = of_request(REQUEST)
    holds = answer is not None and repeat(answer, lambda stream, text: printed.append((stream, text)))
    return printed if holds else None


def look() -> None:
    terminal.write("it is ")
    terminal.line("there" if Path("file").exists() else "not there")
    sys.stderr.write("warning\n")


def test_a_look_is_kept_with_all_that_it_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert keep(look) == ""
    assert repeated() == [(1, b"it is there\n"), (2, b"warning\n")]
    assert capsys.readouterr() == ("it is there\n", "warning\n")
    Path("file").unlink()
    assert repeated() is None


def test_more_than_a_look_is_not_kept() -> None:
    assert keep(lambda: Path("new").write_bytes(b"")) == "new is written"
    assert repeated() is None


def test_without_a_build_nothing_is_written(root: Path) -> None:
    (root / "build" / ".lock").unlink()
    assert keep(look) == "nothing was built here yet"
    assert [path.name for path in (root / "build").iterdir()] == []


@pytest.mark.parametrize("age", [0.0, 0.01])
def test_what_was_written_in_the_last_tick_is_not_kept(age: float) -> None:
    def work() -> None:
        Path("file").read_bytes()

    time.sleep(0.05)
    changed = Path("file").stat().st_ctime
    assert keep(work, changed + age) == "file has changed just now"
    assert keep(work, changed + 0.03) in {"", "file has changed just now"}


def test_what_changes_while_a_command_looks_is_not_kept(root: Path) -> None:
    def work() -> None:
        Path("file").read_bytes()

    observer, since = Observer(str(Path.cwd())), time.time()
    with observer.watching():
        work()
    (root / "file").write_bytes(b"x")
    assert keeping.keep(observer, REQUEST, since) == "file has changed"


def test_an_untrusted_file_system_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, is_kept in (
        ("nfs4", False),
        ("vfat", False),
        ("", False),
        ("fuse.sshfs", False),
        ("xfs", True),
    ):
        monkeypatch.setattr(FileSystems, "kind", lambda _of, _device, kind=kind: kind)
        assert (keep(look) == "") == is_kept


def test_a_time_of_whole_seconds_has_to_be_older(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"file": (1, 2, 3, 4, 7 * 10**9)}
    monkeypatch.setattr(FileSystems, "kind", lambda _of, _device: "ext3")
    monkeypatch.setattr(keeping, "ASK", (lambda path: states[path],))
    assert keeping._unrest({0: states}, 8.9) == "file has changed just now"
    assert keeping._unrest({0: states}, 9.1) == ""
    assert keeping._unrest({0: {"file": (1, 2, 3, 4, 7 * 10**9 + 1)}}, 9.1) == "file has changed"


def test_what_a_link_in_a_listed_folder_leads_to_counts(root: Path) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "link").symlink_to("../file")
    assert keep(lambda: list(Path("folder").iterdir())) == ""
    assert repeated() == []
    (root / "file").unlink()
    assert repeated() is None


def test_the_program_itself_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "some_module_of_the_test.py").write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(folder)

    def work() -> None:
        __import__("some_module_of_the_test")

    try:
        assert keep(work) == ""
        assert repeated() == []
        (folder / "another.txt").touch()
        assert repeated() == []
        (folder / "os.py").touch()
        assert repeated() is None
        (folder / "os.py").unlink()
        (folder / "some_module_of_the_test.py").write_text("x = 2\n", encoding="utf-8")
        assert repeated() is None
    finally:
        sys.modules.pop("some_module_of_the_test", None)


def test_python_and_its_modules_are_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    importable: dict[str, str] = {}
    paths = set(keeping._of_python([], importable))
    assert {sys.executable, os.__file__, keeping.__file__, f"{sys.prefix}/pyvenv.cfg"} <= paths
    assert any(path.endswith(".so") for path in paths)
    assert set(importable) <= set(sys.path)


def test_what_cannot_be_written_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_path: str, _answer: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(kept, "write", fails)
    assert keep(look) == "disk full"


def test_the_process_began_before_now() -> None:
    assert time.time() - 24 * 3600 < began() < time.time()
