from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvimake.builder.content_checker import OUTPUTS, ContentChecker, intact
from cvimake.core import digest
from cvimake.core.content import NOT_THERE, Contents, is_known, observed, unchanged
from cvimake.core.copying import clone
from cvimake.core.filesystem import FileSystems


def recorded(path: Path) -> list[Any]:
    return Contents().state(str(path))


def is_modified(path: Path, state: list[Any]) -> bool:
    return bool(ContentChecker(Contents()).check_modified(str(path), path.stat(), state))


@settings(deadline=None, max_examples=30)
@given(st.binary(), st.integers(0, 2**33), st.integers(0, 10**9 - 1))
def test_equal_bytes_are_unmodified_whenever_they_were_written(data: bytes, seconds: int, ns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        state = recorded(path)
        os.utime(path, ns=(0, seconds * 10**9 + ns))
        assert not is_modified(path, state)


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=1), st.data())
def test_other_bytes_in_a_new_file_of_equal_time_and_size_are_modified(
    data: bytes, draw: st.DataObject
) -> None:
    other = draw.draw(st.binary(min_size=len(data), max_size=len(data)).filter(lambda drawn: drawn != data))
    with tempfile.TemporaryDirectory() as folder:
        path, replacement = Path(folder) / "file", Path(folder) / "new"
        path.write_bytes(data)
        state = recorded(path)
        replacement.write_bytes(other)
        os.utime(replacement, ns=(0, path.stat().st_mtime_ns))
        replacement.replace(path)
        assert is_modified(path, state)


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=1), st.integers(1, 10**9))
def test_other_bytes_in_the_same_file_are_modified_where_the_time_differs(data: bytes, later: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        state = recorded(path)
        path.write_bytes(bytes(255 - byte for byte in data))
        os.utime(path, ns=(0, state[1] + later))
        assert is_modified(path, state)


def test_a_file_that_grew_within_one_tick_is_modified(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    state = recorded(path)
    path.write_bytes(b"ab")
    os.utime(path, ns=(0, state[1]))
    assert is_modified(path, state)


def test_an_untouched_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    contents = Contents()
    state = contents.state(str(path))
    monkeypatch.setattr("cvimake.core.digest.of_stream", lambda _file: pytest.fail("it was read"))
    assert not is_modified(path, state)
    assert contents.state(str(path)) == state


def test_the_state_that_a_touched_file_was_compared_with_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    state = recorded(path)
    os.utime(path, ns=(0, state[1] + 1))
    changed = path.stat().st_ctime_ns
    contents = Contents()
    assert contents.matches(str(path), path.stat(), state)
    path.write_bytes(b"b")
    assert contents.renewed == {str(path): [state[0], state[1] + 1, changed, *state[3:]]}


def test_a_command_that_runs_nothing_records_no_state_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    assert ContentChecker(Contents()).get_state(str(path), recorded(path)) == NOT_THERE
    assert is_modified(path, NOT_THERE)


def test_a_file_that_is_written_while_it_is_read_has_no_known_state(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")

    def read(file: BinaryIO) -> str:
        with path.open("ab") as writing:
            writing.write(b"b")
        return file.read().hex()

    state = observed(path, read, FileSystems())
    assert not is_known(state)
    assert not unchanged(path, state)


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_file_that_is_edited_while_it_is_read_is_read_again(tmp_path: Path, size: int) -> None:
    path, copy = tmp_path / "file", tmp_path / "copy"
    path.write_bytes(b"a" * size)
    edits = [b"b" * size]

    def read(file: BinaryIO) -> str:
        clone(file, copy)
        if edits:
            path.write_bytes(edits.pop())
        return digest.of_file(copy)

    assert observed(path, read, FileSystems()) == Contents().state(str(path))
    edits.append(b"c" * size)

    def read_directly(file: BinaryIO) -> str:
        held = digest.of_stream(file)
        if edits:
            path.write_bytes(edits.pop())
        return held

    assert observed(path, read_directly, FileSystems())[-1] == digest.of_file(path)
    assert copy.read_bytes() == b"b" * size


def test_a_file_that_was_edited_and_edited_back_is_not_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    state = recorded(path)
    assert unchanged(path, state)
    path.write_bytes(b"b")
    path.write_bytes(b"a")
    os.utime(path, ns=(0, state[1]))
    assert not unchanged(path, state)


def test_a_named_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a plain file"):
        Contents().state(str(tmp_path / "pipe"))


def test_a_file_is_read_once_for_all_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    contents = Contents()
    state = contents.state(str(path))
    monkeypatch.setattr("cvimake.core.digest.of_stream", lambda _file: pytest.fail("it was read again"))
    assert contents.state(str(path)) == state
    assert contents.matches(str(path), path.stat(), [*state[:3], 99, state[-1]])


def test_a_state_is_not_taken_in_the_clock_step_of_a_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    state = Contents().state(str(path))
    assert time.time_ns() - state[2] >= 20_000_000


def test_an_input_that_is_edited_meanwhile_counts_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = Contents().state(str(path))
    path.write_bytes(b"new")
    checker = ContentChecker(Contents())
    with checker.as_before({str(path): before}):
        assert checker.get_state(str(path), None) == before
    assert is_modified(path, before)
    assert checker.get_state(str(path), None) != before


def outputs_of(*paths: Path) -> dict[str, Any]:
    return {OUTPUTS: {str(path): Contents().state(str(path)) for path in paths}}


def test_targets_are_intact_as_long_as_they_hold_what_was_made(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"first")
    second.write_bytes(b"other")
    made, targets = outputs_of(first, second), [str(first), str(second)]
    assert intact(Contents(), made, targets)
    os.utime(first, ns=(0, 0))
    assert intact(Contents(), made, targets), "touched is not changed"
    for damage in (
        lambda: first.write_bytes(b"firsT"),
        lambda: first.write_bytes(b"firs"),
        lambda: first.write_bytes(b""),
        lambda: first.write_bytes(b"other"),
        first.unlink,
        first.mkdir,
    ):
        if first.is_file():
            first.write_bytes(b"first")
            assert intact(Contents(), made, targets)
        damage()
        assert not intact(Contents(), made, targets)


def test_a_target_that_nobody_recorded_is_not_intact(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a")
    assert not intact(Contents(), {}, [str(path)])
    assert intact(Contents(), {}, [])
