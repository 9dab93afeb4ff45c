from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.report import tables
from cvimake.report.data import Threshold
from cvimake.report.variant_data import Layer

CALIBRATION = "# made by a tool\n# op_name    threshold    min    max\nb 2.0 -4.0 3.0\na 1.0 0.0 1.0\n"
LOSSES = """# chip: cv181x  mix_mode: BF16
###
No.0   : Layer: a                                 \t\t\tCos: 0.998508
No.1   : Layer: b                                 \t\t\tCos: 0.999050
"""


def test_thresholds_keep_the_order_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text(CALIBRATION, encoding="utf-8")
    found = tables.thresholds(path)
    assert [one.layer for one in found] == ["b", "a"]
    assert found[0].clipped == 0.5
    assert found[1].clipped == 0.0


def test_nothing_is_clipped_of_a_layer_without_values() -> None:
    assert Threshold(layer="a", threshold=1.0, lowest=0.0, highest=0.0).clipped == 0.0


def test_losses_come_in_the_order_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "losses"
    path.write_text(LOSSES, encoding="utf-8")
    expected = (Layer(name="b", value=0.99905), Layer(name="a", value=0.998508))
    assert tables.losses(path, ["b", "c", "a"]) == expected


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a b\n", b"[1]", b"[" * 100_000, None])
def test_a_damaged_or_missing_file_has_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert tables.thresholds(path) == ()
    assert tables.losses(path, []) == ()
    assert tables.json_object(path) == {}
    assert tables.json_list(path) in (None, [1])
    assert not tables.float_layers(path)


def test_the_layers_of_a_qtable(tmp_path: Path) -> None:
    path = tmp_path / "qtable"
    path.write_text("# op_name quantize_mode\na BF16\nb F16\n", encoding="utf-8")
    assert tables.float_layers(path) == ("a", "b")
