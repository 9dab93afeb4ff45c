from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.fetching import shown
from cvimake.fetching.jobs import Contents, Job, Place
from cvimake.fetching.tally import Tally


def tally(*sizes: int | None) -> Tally:
    return Tally(
        [
            Job(url="", sha256=str(number), size=size, contents=[Contents(
                sha256=str(number), size=size, places=[Place(label="", folder=Path(), name="")]
            )])
            for number, size in enumerate(sizes)
        ]
    )  # fmt: skip


def test_bytes_and_files_are_counted_and_only_received_ones_make_the_speed() -> None:
    counted = tally(2_000_000, 1_000_000)
    assert str(counted) == "0 of 2 files, 0.0 kB of 3.0 MB, 0.0 kB/s"
    counted.have("0", 1_500_000)
    assert (counted.done, counted.received, counted.speed) == (1_500_000, 0, 0.0)
    counted.receive(500_000)
    counted.have("0", 2_000_000)
    counted.place(1)
    assert str(counted).startswith("1 of 2 files, 2.0 MB of 3.0 MB, ")
    assert counted.received == 500_000
    assert "/s, about " in str(counted)


def test_without_all_sizes_no_time_is_promised() -> None:
    counted = tally(None, 5)
    counted.receive(5)
    assert counted.size is None
    assert "left" not in str(counted)
    counted.whole("0", 10)
    assert counted.size == 15


def test_without_a_terminal_a_line_is_written_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shown, "_EVERY", 0.01)
    with shown.shown(tally(5)):
        err = ""
        while not err:
            err = capsys.readouterr().err
    assert err.startswith("cvimake: fetching: 0 of 1 files, 0.0 kB of 0.0 kB, 0.0 kB/s")
