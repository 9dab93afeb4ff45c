from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from cvimake.cli.answers import kept
from cvimake.cli.answers.kept import Answer
from cvimake.cli.answers.repeat import of_request, repeat, write_all
from cvimake.cli.answers.request import Request


def is_repeated(request: Request) -> bool:
    answer = of_request(request)
    return answer is not None and repeat(answer, lambda _stream, _text: None)


def test_only_the_same_request_gets_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    request, other = Request("", "a"), Request("", "b")
    assert not is_repeated(request)
    kept.write(request.path, Answer(request.digest, 0, [], takes_lock=False))
    assert is_repeated(request)
    (tmp_path / request.path).rename(tmp_path / other.path)
    assert not is_repeated(other)


def test_a_build_answers_only_with_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "build" / ".lock"
    lock.parent.mkdir()
    request = Request("", "a")
    kept.write(request.path, Answer(request.digest, 0, [], takes_lock=True))
    assert not is_repeated(request)
    lock.touch()
    assert is_repeated(request)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not is_repeated(request)
    assert is_repeated(request)
    lock.write_text("a killed process", encoding="utf-8")
    assert not is_repeated(request)


def test_everything_is_written() -> None:
    reader, writer = os.pipe()
    try:
        write_all(writer, b"a\n" * 1000)
        assert os.read(reader, 5000) == b"a\n" * 1000
    finally:
        os.close(reader)
        os.close(writer)
