from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import breakdown, busy, plot, publish, records, report
from bench.measure import Comparison, Result, Runs, Scale, Unit
from bench.records import Record
from cvimake.core.errors import CvimakeError


def record(benchmark: str = "some", **changes: object) -> Record:
    values: dict[str, Any] = {
        "figure": "ours",
        "ours": Runs((4.0, 1.0, 3.0)),
        "against": "theirs",
        "theirs": Runs((2.0, 2.0, 2.0)),
    }
    values.update(changes)
    return Record(
        date="2026-01-31",
        commit="v1-3-gabc",
        machine={"cores": "2", "cpu": "Some | CPU"},
        result=Result(benchmark=benchmark, **values),
    )


_MEASURED = ["ours", "3.00 s (1.00 - 4.00)", "theirs", "2.00 s (2.00 - 2.00)"]


@pytest.mark.parametrize(
    ("changes", "cells"),
    [
        ({"bound": 2.5}, [*_MEASURED, "1.50 times", "2.50 times", "within"]),
        (
            {"comparison": Comparison.DIFFERENCE, "bound": 0.5},
            [*_MEASURED, "1.00 s more", "0.500 s more", "MISSED"],
        ),
        ({"comparison": Comparison.ITSELF, "bound": 4.0}, [*_MEASURED, "3.00 s", "4.00 s", "within"]),
        ({}, [*_MEASURED, "1.50 times", "", ""]),
        (
            {"theirs": Runs((120.0,), ended=True), "bound": 1.0},
            [*_MEASURED[:3], "more than 120 s", "less than 0.025 times", "1.00 times", "within"],
        ),
        (
            {"theirs": Runs(missing="not installed: install it"), "bound": 1.0},
            [*_MEASURED[:3], "not measured", "not installed: install it", "1.00 times", ""],
        ),
        (
            {"unit": Unit.MEBIBYTES, "scale": Scale(1000, "model")},
            [
                "ours, 1,000 models, memory of the largest process",
                "3.00 MiB (1.00 - 4.00)",
                "theirs",
                "2.00 MiB (2.00 - 2.00)",
                "1.50 times",
                "",
                "",
            ],
        ),
        (
            {"ours": Runs((1234.5,)), "projected": True},
            ["ours", "1,234 s, projected", *_MEASURED[2:], "617 times", "", ""],
        ),
    ],
)
def test_a_line_says_what_was_measured_and_what_it_comes_to(
    changes: dict[str, Any], cells: list[str]
) -> None:
    assert list(report.cells(record(**changes).result)) == cells


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0.00"), (0.0012, "0.001"), (0.2749, "0.275"), (9.87, "9.87"), (98.76, "98.8"), (9876.5, "9,876")],
)
def test_figures_have_three_digits(number: float, text: str) -> None:
    assert report.amount(number) == text


def test_the_terminal_shows_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(report.table([record(bound=1.0).result]))
    line = capture.get().splitlines()[-1]
    assert re.split(r" {2,}", line.strip()) == ["some", *_MEASURED, "1.50 times", "1.00 times", "MISSED"]
    report.show([record(), record(figure="other")])
    assert capsys.readouterr().out.count("2026-01-31, cvimake v1-3-gabc; cores: 2, cpu: Some | CPU") == 1


def test_markdown_has_a_table_for_each_benchmark_with_its_machine() -> None:
    text = report.markdown([record("b", figure="x|y"), record("a"), record("b")])
    assert re.findall("^### .*", text, re.MULTILINE) == ["### b", "### a"]
    tables = [
        [line.count("|") for line in part.splitlines() if line.startswith("|")]
        for part in text.split("###")[1:]
    ]
    assert tables == [[8] * 4, [8] * 3]
    assert text.count("2026-01-31, cvimake v1-3-gabc; cores: 2, cpu: Some | CPU") == 2


def test_saved_results_load_again_with_their_ratios(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    kept = [
        record(bound=2.5, scale=Scale(2, "process"), unit=Unit.MEBIBYTES, projected=True),
        record(theirs=Runs((120.0,), ended=True)),
        record(theirs=Runs(missing="not installed"), comparison=Comparison.ITSELF),
    ]
    records.save(kept, path)
    assert records.load(path) == kept
    first, _, last = json.loads(path.read_text(encoding="utf-8"))
    assert (first["median"], first["value"], first["within"]) == (3.0, 1.5, True)
    assert (last["value"], last["within"]) == (None, None)


def test_a_new_result_replaces_the_old_one() -> None:
    old = [record(figure="a"), record(figure="b"), record(figure="b", unit=Unit.MEBIBYTES)]
    new = [record(figure="c"), record(figure="b", ours=Runs((9.0,)))]
    assert records.merged(old, new) == [old[0], new[1], old[2], new[0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "Measure first"),
        ("[{", "all of it: Invalid JSON"),
        ('{"machine": {}, "results": []}', "all of it: Input should be a valid array"),
        ('[{"date": "", "commit": "", "machine": {}}]', r"0.result: Field required\n.*without --add"),
    ],
)
def test_a_file_without_results_is_a_clear_error(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "bench.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(CvimakeError, match=said):
        records.load(path)


def test_the_picture_has_all_that_could_be_compared_and_is_the_same_every_time(tmp_path: Path) -> None:
    sizes = [Scale(number, "process") for number in (1, 2, 4)]
    found = [
        record("one"),
        record("one", figure="small", unit=Unit.MEBIBYTES),
        record("one", figure="not there", theirs=Runs(missing="not installed")),
        *(
            record("many", scale=size, projected=size.number > 2, ours=Runs((1 / size.number,)))
            for size in sizes
        ),
        *(record("many", scale=size, unit=Unit.PROCESSOR_SECONDS) for size in sizes[:2]),
        *(
            record("tools", figure=figure, against=against, theirs=Runs((120.0,), ended=True), scale=size)
            for figure in ("build", "plan")
            for against in ("make", "ninja")
            for size in sizes
        ),
        *(
            record(
                "tools",
                figure="why",
                against="a tool whose name has so many words that it needs two lines",
                scale=size,
            )
            for size in sizes
        ),
    ]
    pictures = []
    for name in ("first.svg", "second.svg"):
        plot.draw(found, tmp_path / name)
        pictures.append((tmp_path / name).read_text(encoding="utf-8"))
    assert pictures[0] == pictures[1]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", pictures[0])
    assert {"ours, against theirs", "small, memory, against theirs"} <= set(texts)
    titles = [text for text in texts if text.startswith(("many", "build", "plan", "why", "that"))]
    assert titles == [
        "many, against theirs", "build, against other tools", "plan, against other tools",
        "why, against a tool whose name has so many words", "that it needs two lines",
    ]  # fmt: skip
    assert (texts.count("processes"), texts.count("make"), texts.count("ours")) == (4, 2, 1)
    assert not any(text.startswith("a tool") for text in texts)
    assert not any("not there" in text for text in texts)


@pytest.mark.parametrize(
    "found", [[], [record()], [record(scale=Scale(1, "model")), record(scale=Scale(2, "model"))]]
)
def test_there_is_a_picture_of_whatever_was_measured(tmp_path: Path, found: list[Record]) -> None:
    plot.draw(found, tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text(encoding="utf-8")


def test_results_are_put_between_the_marks_of_a_page() -> None:
    text = f"# Title\n\n{publish.BEGIN}\nold\n{publish.END}\n\nMore.\n"
    filled = publish.page(text, [record()])
    assert filled.startswith(f"# Title\n\n{publish.BEGIN}\n\n![")
    assert filled.endswith(f"\n{publish.END}\n\nMore.\n")
    assert "| ours | 3.00 s" in filled
    assert "old" not in filled
    assert publish.page(filled, [record()]) == filled


@pytest.mark.parametrize(
    "text", ["", publish.BEGIN, f"{publish.END} {publish.BEGIN}", 2 * f"{publish.BEGIN}{publish.END}"]
)
def test_a_page_without_marks_is_refused(text: str) -> None:
    with pytest.raises(CvimakeError, match="the page needs a line"):
        publish.page(text, [])


def test_the_page_says_what_its_results_say() -> None:
    text = publish.PAGE.read_text(encoding="utf-8")
    results = publish.PAGE.with_suffix(".json")
    build = breakdown.load(breakdown.beside(results))
    has_clusters = busy.beside(results).exists()
    assert publish.page(text, records.load(results), build, has_clusters=has_clusters) == text
