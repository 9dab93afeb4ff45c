from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from doit.dependency import JSONCodec

from cvimake.builder.records import Records, UnwrittenRecords


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


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "doit.sqlite"
    records = Records(str(path), JSONCodec())
    for number in range(200):
        records.set(f"task{number}", "what", "value" * 20)
    records.dump()
    return path


@pytest.mark.parametrize("damaged", [b"no database" * 99, None], ids=["noise", "cut off"])
def test_damaged_records_are_begun_anew(
    written: Path, damaged: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    written.write_bytes(written.read_bytes()[:5000] if damaged is None else damaged)
    before = written.read_bytes()
    looked_at = UnwrittenRecords(str(written), JSONCodec())
    assert looked_at.get("task1", "what") is None
    looked_at.dump()
    assert written.read_bytes() == before
    assert "doit.sqlite is damaged; the next build begins it anew" in capsys.readouterr().err
    records = Records(str(written), JSONCodec())
    assert records.get("task1", "what") is None
    records.set("task1", "what", "other")
    records.dump()
    assert "doit.sqlite is damaged; it is begun anew" in capsys.readouterr().err
    assert Records(str(written), JSONCodec()).get("task1", "what") == "other"


@pytest.mark.parametrize("text", ['{"what": "va', "[]", "null", ""])
def test_a_damaged_record_is_none(written: Path, text: str) -> None:
    with contextlib.closing(sqlite3.connect(written)) as database, database:
        database.execute("update doit set task_data = ? where task_id = 'task1'", (text,))
    records = Records(str(written), JSONCodec())
    assert records.get("task1", "what") is None
    assert records.get("task2", "what") == "value" * 20
    records.dump()


def test_each_model_has_a_digest_of_its_records(tmp_path: Path) -> None:
    found = []
    for value, gone in (("1", "x"), ("1", "x"), ("2", "x"), ("2", "")):
        records = Records(str(tmp_path / "doit.sqlite"), JSONCodec())
        for task in ("toolchain", "a:mlir", "a:onnx", "b:onnx"):
            records.set(task, "what", value if task == "a:onnx" else "1")
        records.flush()
        if not gone:
            records.remove("b:onnx")
            records._conn.commit()
        found.append(records.digests())
        records.dump()
    first, again, changed, removed = found
    assert first.keys() == {"toolchain", "a", "b"}
    assert again == first
    assert {name for name in first if changed[name] != first[name]} == {"a"}
    assert removed == {name: changed[name] for name in ("toolchain", "a")}
