from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.core.lock import HeldError, exclusive

HOLDER = """
import sys
from pathlib import Path
from cvimake.core.lock import exclusive
with exclusive(Path(sys.argv[1]), "builds"):
    print("held", flush=True)
    sys.stdin.read()
"""


def named(path: Path) -> int:
    return int(json.loads(path.read_text(encoding="utf-8"))["process"])


def test_a_lock_that_nobody_holds_is_had_at_once_and_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(tmp_path / "lock", "builds"):
        assert named(tmp_path / "lock") == os.getpid()
    with exclusive(tmp_path / "lock", "builds"):
        pass
    assert (tmp_path / "lock").read_text(encoding="utf-8") == ""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("ending", ["done", "killed"])
def test_a_waiting_build_names_the_holder_and_gets_the_lock_when_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == b"held\n"
        ended = threading.Event()
        let_go = holder.stdin.close if ending == "done" else holder.kill

        def end() -> None:
            ended.set()
            let_go()

        timer = threading.Timer(0.2, end)
        timer.start()
        with exclusive(tmp_path / "lock", "waits"):
            assert ended.is_set()
            timer.join()
            assert named(tmp_path / "lock") == os.getpid()
    said = capsys.readouterr().err
    assert said.startswith(f"cvimake: process {holder.pid} (since ")
    assert said.endswith("builds; waiting for it\n")


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "lock", "builds"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "lock", "builds"):
        pass


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_without_waiting_the_holder_is_named(
    tmp_path: Path, holder: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(HeldError) as caught, exclusive(tmp_path / "lock", "builds", wait=False):
        pytest.fail("it was held")
    assert caught.value.cause.startswith(f"process {holder.pid} (since ")
    assert caught.value.cause.endswith(") builds")
    assert f"kill {holder.pid}" in caught.value.remedy
    assert caught.value.exit_code == 2
    assert named(tmp_path / "lock") == holder.pid
    assert capsys.readouterr().err == ""


def test_the_lock_of_a_killed_process_is_free(
    tmp_path: Path, holder: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    holder.kill()
    holder.wait()
    assert named(tmp_path / "lock") == holder.pid
    with exclusive(tmp_path / "lock", "builds", wait=False):
        assert named(tmp_path / "lock") == os.getpid()
    assert capsys.readouterr().err == ""


DEAD = {"process": 1, "started": "never", "machine": platform.node(), "since": 0.0, "what": "builds"}


@pytest.mark.parametrize(
    "left", ["", "process 12 (since 10:00:00)", "[1]", json.dumps(DEAD), json.dumps({**DEAD, "more": 1})]
)
def test_a_dead_process_is_not_named_as_the_holder(tmp_path: Path, left: str) -> None:
    path = tmp_path / "lock"
    path.write_text(left, encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(HeldError) as caught, exclusive(path, "builds", wait=False):
            pytest.fail("it was held")
    assert caught.value.cause == f"another process has {path} locked"
    assert "kill" not in caught.value.remedy


def test_a_holder_on_another_machine_is_named_with_it_and_not_to_be_killed_here(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(json.dumps({**DEAD, "machine": "elsewhere"}), encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(HeldError) as caught, exclusive(path, "builds", wait=False):
            pytest.fail("it was held")
    # Days old: with its date.
    assert caught.value.cause.startswith("process 1 on elsewhere (since 19")
    assert "kill" not in caught.value.remedy


def test_waiting_can_be_interrupted_without_disturbing_the_holder(
    tmp_path: Path, holder: subprocess.Popen[bytes]
) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as waiting:
        assert waiting.stderr
        assert waiting.stderr.readline().endswith(b"waiting for it\n")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(60) != 0
        assert b"KeyboardInterrupt" in waiting.stderr.read()
    assert holder.poll() is None
    assert named(tmp_path / "lock") == holder.pid


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_file: object, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(CvimakeError) as caught, exclusive(tmp_path / "lock", "builds"):
        pytest.fail("it cannot be locked")
    assert f"{tmp_path / 'lock'}: its file system cannot lock files" in str(caught.value)
