from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cvimake.builder import summary
from cvimake.builder.summary import Result, State
from cvimake.core.units import duration, size
from cvimake.pipeline.stage import Row

INFO = {
    "size": 2_712_345,
    "ion_memory": 7.69,
    "time": {"clocks": [{"together": 39_927_474}, {"together": 27_608_963}]},
    "similarity": [{"cosine": 0.99814}, {"cosine": 1.0}],
    "recognised_as": "YOLO11",
    "recognition": {"as_": "YOLO11", "type": 9, "works": "yes"},
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def row(tmp_path: Path, variant: str, info: object = INFO) -> Row:
    path = tmp_path / f"{variant}_info.json"
    path.write_text(json.dumps(info), encoding="utf-8")
    return Row("yolo", variant, path)


def text(results: dict[Row, Result]) -> str:
    out = io.StringIO()
    summary.write(results, out)
    return out.getvalue().lstrip("\n")


def test_a_line_says_all_that_one_wants_to_know_of_a_cvimodel(tmp_path: Path) -> None:
    heading, line = text({row(tmp_path, "int8"): Result(State.BUILT, 12.34)}).splitlines()
    assert heading.split() == [
        "model", "variant", "size", "ION", "memory", "TPU", "time", "similarity", "recognised", "as",
        "on", "the", "camera", "time",
    ]  # fmt: skip
    assert line.split() == [
        "yolo", "int8", "2.7", "MB", "7.69", "MB", "28", "to", "40", "ms", "0.9981", "YOLO11", "works",
        "12.3", "s", "built",
    ]  # fmt: skip


def test_unknown_values_are_left_empty(tmp_path: Path) -> None:
    unchecked = {**INFO, "similarity": [], "recognised_as": "", "recognition": {}}
    unchecked["time"] = {"unknown": "no reason"}
    _, line = text({row(tmp_path, "int8", unchecked): Result()}).splitlines()
    assert line.split() == ["yolo", "int8", "2.7", "MB", "7.69", "MB", "nothing", "unchanged"]
    _, line = text({Row("yolo", "mix", tmp_path / "missing.json"): Result()}).splitlines()
    assert line.split() == ["yolo", "mix", "unchanged"]


def test_a_failed_variant_does_not_show_earlier_results(tmp_path: Path) -> None:
    _, line = text({row(tmp_path, "int8"): Result(State.FAILED)}).splitlines()
    assert line.split() == ["yolo", "int8", "FAILED"]


def test_a_narrow_terminal_cuts_nothing_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out = Terminal()
    summary.write({row(tmp_path, "int8"): Result(State.FAILED)}, out)
    said = out.getvalue()
    assert "similarity" in said
    assert "yolo" in said
    assert "FAILED" in said


BLIND = {
    **INFO,
    "recognised_as": "YOLOv8",
    "recognition": {
        "as_": "YOLOv8",
        "type": 6,
        "works": "no",
        "reason": "blind",
        "remedy": "in turns",
    },
}


def test_a_file_that_finds_nothing_on_the_camera_is_a_warning_below_the_table(tmp_path: Path) -> None:
    results = {row(tmp_path, "int8", BLIND): Result(), row(tmp_path, "mix"): Result()}
    _, blind, seeing, warning = text(results).splitlines()
    assert "YOLOv8         does not work" in blind
    assert "YOLO11         works" in seeing
    assert warning == (
        "warning: yolo:int8: the camera takes it for YOLOv8, and that does not work: blind. "
        "What to do: in turns"
    )


def test_the_warning_is_red_on_a_terminal_and_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    summary.write({row(tmp_path, "int8", BLIND): Result()}, out)
    (warning,) = (line for line in out.getvalue().splitlines() if "warning: " in line)
    assert warning.startswith("\x1b[1;31m")
    assert "What to do: in turns" in warning


def test_an_info_of_an_older_version_has_no_answer_about_the_camera(tmp_path: Path) -> None:
    older = {name: value for name, value in INFO.items() if name != "recognition"}
    _, line = text({row(tmp_path, "int8", older): Result()}).splitlines()
    assert line.split()[-2:] == ["YOLO11", "unchanged"]


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    assert "[red]" in text({Row("[red]", "int8", tmp_path / "x"): Result()})


def test_a_long_table_shows_only_variants_with_a_new_result(tmp_path: Path) -> None:
    rows = [Row(f"net{number}", "int8", tmp_path / "x") for number in range(summary.MOST_UNCHANGED + 1)]
    results = {row: Result() for row in rows}
    assert text(results) == ""
    results[rows[3]] = Result(State.BUILT, 1.0)
    assert [line.split()[0] for line in text(results).splitlines()] == ["model", "net3"]


def test_no_cvimodels_no_table() -> None:
    assert text({}) == ""


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1:00 min"), (185.4, "3:05 min"), (3725, "1:02:05 h")],
)
def test_a_duration_reads_well(seconds: float, seen: str) -> None:
    assert duration(seconds) == seen


@pytest.mark.parametrize(("count", "seen"), [(950, "0.9 kB"), (8_100, "8.1 kB"), (7_650_000, "7.7 MB")])
def test_a_size_reads_well(count: int, seen: str) -> None:
    assert size(count) == seen


def test_an_info_that_is_damaged_is_left_empty(tmp_path: Path) -> None:
    the_row = row(tmp_path, "int8")
    the_row.info.write_text("{", encoding="utf-8")
    _, line = text({the_row: Result()}).splitlines()
    assert line.split() == ["yolo", "int8", "unchanged"]
