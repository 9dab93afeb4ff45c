from __future__ import annotations

import os
import subprocess
import sys

from cvimake.core.process import has_ended, mark, name, started


def test_each_process_has_its_own_start_time() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert started(process.pid) == started(process.pid) != ""
        assert int(started(process.pid)) >= int(started(os.getpid()))


def test_an_ended_process_has_no_identity_even_as_a_zombie() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert started(process.pid) == ""
    assert started(process.pid) == ""


def test_a_mark_tells_whether_its_process_has_ended() -> None:
    code = "from cvimake.core import process; print(process.mark(), flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        other = process.stdout.readline().strip()
        assert not has_ended(other)
        process.kill()
    assert has_ended(other)
    assert not has_ended(mark())
    # Nothing is known of another machine's, or of what is no mark.
    assert not has_ended(f"0123-{other.partition('-')[2]}")
    assert not has_ended("by-hand")


def test_a_process_has_the_name_of_its_program_until_it_ends() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert name(process.pid) == "sleep"
        process.kill()
        process.wait()
    assert name(process.pid) == ""
