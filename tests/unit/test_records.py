from __future__ import annotations

from pathlib import Path

from doit.dependency import JSONCodec

from cvimake.records import Records, UnwrittenRecords


def test_records_make_the_folder_that_they_lie_in(tmp_path: Path) -> None:
    Records(str(tmp_path / "build" / "doit.sqlite"), JSONCodec()).dump()
    assert (tmp_path / "build" / "doit.sqlite").exists()


def test_records_that_are_only_looked_at_make_nothing(tmp_path: Path) -> None:
    records = UnwrittenRecords(str(tmp_path / "build" / "doit.sqlite"), JSONCodec())
    records.set("task", "what", "value")
    records.flush()
    records.dump()
    assert list(tmp_path.iterdir()) == []


def test_records_that_are_only_looked_at_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "doit.sqlite"
    written = Records(str(path), JSONCodec())
    written.set("task", "what", "value")
    written.dump()
    before = path.read_bytes()
    records = UnwrittenRecords(str(path), JSONCodec())
    assert records.get("task", "what") == "value"
    records.set("task", "what", "other")
    records.remove("task")
    records.flush()
    records.dump()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["doit.sqlite"]
