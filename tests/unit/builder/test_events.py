from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from cvimake.builder.events import Event, EventStream, Finished, LeftOut, failed, waits
from cvimake.core.errors import Problem

PROBLEM = Problem(id="engine", cause="it is gone", remedy="Start it.")


def test_an_event_is_one_line_of_ascii() -> None:
    out = io.StringIO()
    EventStream(out).write(failed("net:mlir", Problem(id="disk", cause="größe\n\udcff")))
    (line,) = out.getvalue().splitlines()
    assert line.isascii()
    assert json.loads(line)["cause"] == "größe\n\udcff"


def test_lines_of_several_threads_are_whole() -> None:
    out = io.StringIO()
    stream = EventStream(out)

    def write() -> None:
        for _ in range(200):
            stream.write(LeftOut(stage="net:int8"))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.loads(line) for line in out.getvalue().splitlines()] == 800 * [
        {"event": "left out", "stage": "net:int8"}
    ]


def test_an_error_is_told_with_its_id_its_cause_and_its_remedy() -> None:
    assert failed(None, PROBLEM).model_dump() == {
        "event": "failed", "stage": None, "id": "engine", "cause": "it is gone", "remedy": "Start it.",
        "link": "", "log": "", "worker": "",
    }  # fmt: skip
    assert waits("net:waiting", PROBLEM).stage == "net:waiting"


def test_a_line_is_read_back_as_its_event() -> None:
    finished = Finished(built=1, restored=0, unchanged=0, failed=0, left_out=0, seconds=1.5, exit_code=0)
    assert Event.model_validate_json(finished.model_dump_json()).root == finished


@pytest.mark.parametrize("line", ['{"event": "other"}', '{"event": "left out", "stage": "a", "more": 1}'])
def test_other_lines_are_no_events(line: str) -> None:
    with pytest.raises(ValidationError):
        Event.model_validate_json(line)


def test_the_examples_of_the_docs_are_events() -> None:
    page = (Path(__file__).parents[3] / "docs" / "json.md").read_text(encoding="utf-8")
    examples = [line.strip() for line in page.splitlines() if line.startswith('    {"event"')]
    kinds = [Event.model_validate_json(line).root.event for line in examples]
    assert kinds == ["started", "progress", "failed", "finished", "done"]
