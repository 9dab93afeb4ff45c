from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.builder.checks import tables
from cvimake.core.errors import CvimakeError


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"# q\r\nstem_Relu BF16\r\nstem/add_Add BF16\r\n")
    assert list(tables.read("qtable", tmp_path / "table").rows) == ["stem_Relu", "stem/add_Add"]


def test_each_kind_of_table_has_its_own_form(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("stem_Relu 4.8 0.0 7.1\n", encoding="utf-8")
    assert tables.read("calibration_table", tmp_path / "table").rows == {"stem_Relu": 1}
    with pytest.raises(CvimakeError, match="is not of the form LAYER MODE"):
        tables.read("qtable", tmp_path / "table")


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CvimakeError, match="table cannot be read: No such file"):
        tables.read("qtable", tmp_path / "table")
    for key in ("calibration_table", "qtable"):
        (tmp_path / "table").write_bytes(b"\0" * 2000)
        with pytest.raises(CvimakeError, match=r"table:1: .* is not of the form LAYER"):
            tables.read(key, tmp_path / "table")
    (tmp_path / "table").write_bytes(b"\xff\xfe")
    with pytest.raises(CvimakeError, match="is not UTF-8 text"):
        tables.read("qtable", tmp_path / "table")
    with (tmp_path / "table").open("wb") as sparse:
        sparse.truncate(64 * 1024**2 + 1)
    with pytest.raises(CvimakeError, match="is larger than any table"):
        tables.read("qtable", tmp_path / "table")
