from __future__ import annotations

from pathlib import Path

from cvimake.core import log_tail


def test_the_end_of_a_long_log_is_its_last_lines_and_its_path(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(100)) + b"\xff\n")
    lines = log_tail.end_of(log).splitlines()
    assert lines[0] == "line 89"
    assert lines[-2:] == ["\N{REPLACEMENT CHARACTER}", f"The whole log: {log}"]


def test_the_end_of_an_empty_log_is_its_path_alone(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.touch()
    assert log_tail.end_of(log) == f"The whole log: {log}"


def test_as_many_lines_are_kept_as_are_asked_for() -> None:
    assert log_tail.last_lines("a\nb\nc\n", 2) == "b\nc"
