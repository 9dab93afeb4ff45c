from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cvimake.lock import exclusive

HOLDER = """
import sys
from pathlib import Path
from cvimake.lock import exclusive
with exclusive(Path(sys.argv[1]), "builds"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_that_nobody_holds_is_had_at_once_and_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(tmp_path / "lock", "builds"):
        assert f"process {os.getpid()} " in (tmp_path / "lock").read_text(encoding="utf-8")
    with exclusive(tmp_path / "lock", "builds"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("ending", ["done", "killed"])
def test_who_waits_is_told_for_whom_and_gets_it_however_the_holder_ends(
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
        with exclusive(tmp_path / "lock", "builds"):
            assert ended.is_set()
            timer.join()
            assert f"process {os.getpid()} " in (tmp_path / "lock").read_text(encoding="utf-8")
    said = capsys.readouterr().err
    assert said.startswith(f"cvimake: process {holder.pid} (since ")
    assert said.endswith("builds; waiting for it\n")


def test_an_error_frees_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "lock", "builds"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "lock", "builds"):
        pass
