from __future__ import annotations

import os
import subprocess
import sys

from cvimake.process import started


def test_a_process_has_one_start_and_another_one_another() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert started(process.pid) == started(process.pid) != ""
        assert int(started(process.pid)) >= int(started(os.getpid()))


def test_what_has_ended_has_none_even_before_its_parent_has_looked() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert started(process.pid) == ""
    assert started(process.pid) == ""
