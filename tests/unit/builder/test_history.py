from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from pathlib import Path

import pytest

from cvimake.builder.history import Failure, History, Run
from cvimake.core import digest
from cvimake.core.errors import Problem

DIED = Problem(id="killed", cause="it died", remedy="Start again.", log="a.log")
RUN = Run(
    task="net:mlir",
    ended=1.5,
    definition=[{"argv": ["tool"]}, None],
    inputs={"net.onnx": "aa"},
    reasons=[{"kind": "NeverBuilt"}],
    seconds=2.5,
    outputs={"net.mlir": "bb"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def test_the_last_run_is_what_is_known(path: Path) -> None:
    history = History(path)
    history.add(RUN)
    history.add(dataclasses.replace(RUN, ended=3.0))
    history.close()
    assert History(path).last("net:mlir") == dataclasses.replace(RUN, ended=3.0)
    assert History(path).last("net:bf16") is None


def test_runs_that_end_together_are_written_at_one_time(path: Path) -> None:
    history = History(path)
    with history.together():
        history.add(RUN, ["{}\n"])
        history.add(dataclasses.replace(RUN, task="net:f16"))
        history.add_failure(Failure(task="net:int8", ended=2.0, problem=DIED))
        assert History(path).last("net:mlir") is None
    # The database is not closed, and another process reads it.
    other = History(path)
    assert other.last("net:mlir") == RUN
    assert other.last("net:f16") is not None
    assert other.failure("net:int8") is not None
    assert history.has_kept(digest.of_text("{}\n"))
    assert not history.has_kept(digest.of_text(""))


def test_runs_before_an_interruption_are_written(path: Path) -> None:
    def interrupted(history: History) -> None:
        with history.together():
            history.add(RUN)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(History(path))
    assert History(path).last("net:mlir") == RUN


def test_a_kept_text_is_found_by_its_sha256(path: Path) -> None:
    history = History(path)
    history.add(RUN, ["{}\n"])
    history.add(RUN, ["{}\n"])
    history.close()
    assert history.text(digest.of_text("{}\n")) == "{}\n"
    assert history.text("aa") is None


def test_a_failure_is_known_until_the_next_success(path: Path) -> None:
    with contextlib.closing(History(path)) as history:
        history.add(RUN)
        history.add_failure(Failure(task="net:mlir", ended=2.0, problem=DIED))
        assert history.failure("net:mlir") == Failure(task="net:mlir", ended=2.0, problem=DIED)
        assert history.last("net:mlir") == RUN
        assert history.failure("net:bf16") is None
        history.add(RUN)
        assert history.failure("net:mlir") is None


def test_a_history_of_an_older_version_has_no_failures(path: Path) -> None:
    with contextlib.closing(History(path)) as history:
        history.add(RUN)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("drop table problems")
    with contextlib.closing(History(path)) as history:
        assert history.failure("net:mlir") is None
        history.add_failure(Failure(task="net:mlir", ended=2.0, problem=DIED))
        assert history.failure("net:mlir")


def test_a_history_of_an_older_version_does_not_know_what_was_written(path: Path) -> None:
    with contextlib.closing(History(path)) as history:
        history.add(RUN)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("alter table runs drop column outputs")
    with contextlib.closing(History(path)) as history:
        history.add(dataclasses.replace(RUN, task="net:other"))
        assert history.last("net:mlir") == dataclasses.replace(RUN, outputs={})
        assert history.last("net:other") == dataclasses.replace(RUN, task="net:other")


def test_reading_the_history_creates_no_file(path: Path) -> None:
    assert History(path).last("net:mlir") is None
    assert not path.exists()


def test_a_broken_history_is_none_and_begun_anew(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"rubbish")
    assert History(path).last("net:mlir") is None
    with contextlib.closing(History(path)) as history:
        history.add(RUN)
    assert History(path).last("net:mlir") == RUN
    assert not capsys.readouterr().err


def test_a_history_that_cannot_be_written_fails_nothing(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.mkdir()
    with contextlib.closing(History(path)) as history:
        history.add(RUN)
    assert f"warning: {path}: unable to open database file" in capsys.readouterr().err


def test_a_damaged_run_is_none(path: Path) -> None:
    with contextlib.closing(History(path)) as history:
        history.add(RUN)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("update runs set definition = '[{'")
    assert History(path).last("net:mlir") is None
