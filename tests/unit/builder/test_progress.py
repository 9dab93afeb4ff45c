from __future__ import annotations

import io
import time

from rich.console import Console
from rich.text import Text

from cvimake.builder.activity import Activity
from cvimake.builder.progress import view


def drawn(*running: Activity, status: str = "1 of 3 stages done") -> list[str]:
    out = io.StringIO()
    Console(file=out, width=100).print(view(list(running), status, Text("*")))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def activity(name: str, elapsed: float, expected: float | None = None) -> Activity:
    return Activity(name, expected, started=time.monotonic() - elapsed)


def test_each_running_stage_has_a_line_and_the_build_has_one() -> None:
    first, second, status = drawn(activity("net:mlir", 3.0), activity("net:calibration", 75.0, 120.0))
    assert first.startswith("* net:mlir")
    assert "3 s" in first
    assert "1:15 min of about 2:00 min" in second
    assert status == "1 of 3 stages done"


def test_the_progress_that_the_tool_prints_is_shown() -> None:
    running = activity("net:calibration", 3.0)
    running.read(b"tune op: /model.24/m.1/Conv:  83%|#### | 155/186 [")
    line, _ = drawn(running)
    assert line.endswith("tune op 83 %")


def test_the_bar_follows_the_expected_time_and_never_says_that_it_is_over() -> None:
    bars = [drawn(activity("net:mlir", elapsed, 100.0))[0].count("━") for elapsed in (0.0, 50.0, 500.0)]
    assert bars[0] < bars[1] < bars[2] < 24


def test_a_narrow_terminal_is_not_overrun() -> None:
    running = activity("a_model_with_a_long_name:calibration", 100.0, 200.0)
    running.read(b"activation collect: 10%|")
    out = io.StringIO()
    Console(file=out, width=40).print(view([running], "1 of 3 stages done", Text("*")))
    assert all(len(line) <= 40 for line in out.getvalue().splitlines())


def test_without_a_known_time_the_bar_follows_what_the_tool_says_and_before_that_an_estimate() -> None:
    running = Activity("net:mix_qtable", 100.0, started=time.monotonic() - 50.0, is_guess=True)
    by_estimate = drawn(running)[0].count("━")
    running.read(b"Processing conv1_Conv:   8%|#")
    line, _ = drawn(running)
    assert 0 < line.count("━") < by_estimate
    assert "of about 1:40 min" in line
    running.read(b"Processing conv9_Conv:  98%|#")
    assert drawn(running)[0].count("━") > by_estimate
